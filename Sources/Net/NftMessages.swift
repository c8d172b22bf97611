import CMnl

/// A base chain: where it hooks into the path of IPv4 packets.
struct NftChain: Sendable {
  let name: String
  /// "filter" or "nat".
  let type: String
  let hook: nf_inet_hooks
  let priority: Int32
}

/// A named set and what is in it.
struct NftSet: Sendable {
  /// A key, and for intervals whether it is the first address behind one.
  struct Element: Hashable, Sendable {
    let key: [UInt8]
    let endsInterval: Bool
  }

  let name: String
  /// nft(8)'s number of the key's type, only for its listing: 7 ipv4_addr, 41 ifname.
  let keyType: UInt32
  let keyLength: UInt32
  let isInterval: Bool
  let elements: [Element]

  /// Interface names.
  static func interfaces(_ name: String, _ devices: [String]) -> NftSet {
    NftSet(
      name: name, keyType: 41, keyLength: 16, isInterval: false,
      elements: devices.map { Element(key: interfaceKey($0), endsInterval: false) })
  }

  /// Pairs of interface names.
  static func interfacePairs(_ name: String, _ pairs: [(String, String)]) -> NftSet {
    NftSet(
      name: name, keyType: 41 << 6 | 41, keyLength: 32, isInterval: false,
      elements: pairs.map {
        Element(key: interfaceKey($0.0) + interfaceKey($0.1), endsInterval: false)
      })
  }

  /// Networks, which must not overlap.
  static func networks(_ name: String, _ subnets: [Subnet]) -> NftSet {
    var elements: [Element] = []
    for subnet in subnets {
      elements.append(Element(key: subnet.base.octets, endsInterval: false))
      if subnet.last.value != .max {
        let next = IPv4Address(value: subnet.last.value + 1)
        elements.append(Element(key: next.octets, endsInterval: true))
      }
    }
    return NftSet(
      name: name, keyType: 7, keyLength: 4, isInterval: true, elements: elements)
  }

  /// An interface name as the kernel loads it: 16 bytes, filled up with zeros.
  static func interfaceKey(_ name: String) -> [UInt8] {
    let bytes = Array(name.utf8.prefix(15))
    return bytes + [UInt8](repeating: 0, count: 16 - bytes.count)
  }
}

/// A rule of a chain.
struct NftRule: Sendable {
  let chain: String
  /// What it does, shown by `nft list ruleset`.
  let comment: String
  let expressions: [NftExpression]
}

/// The nfnetlink requests (linux/netfilter/nfnetlink.h) that minidock sends, for tables of family
/// ip.
enum NftMessages {
  private static func begin(
    _ type: nf_tables_msg_types, flags: Int32, to batch: inout MessageBatch
  ) {
    batch.begin(type: Int(NFNL_SUBSYS_NFTABLES) << 8 | type.code, flags: flags)
    batch.fixed(header(family: UInt8(AF_INET), resource: 0))
  }

  private static func header(family: UInt8, resource: UInt16) -> nfgenmsg {
    nfgenmsg(nfgen_family: family, version: UInt8(NFNETLINK_V0), res_id: resource.bigEndian)
  }

  /// Appends `body`'s messages as one transaction: all of them or none take effect, at one instant.
  static func transaction(
    to batch: inout MessageBatch, _ body: (inout MessageBatch) -> Void
  ) {
    let subsystem = UInt16(NFNL_SUBSYS_NFTABLES)
    batch.begin(type: Int(NFNL_MSG_BATCH_BEGIN), flags: 0)
    batch.fixed(header(family: UInt8(AF_UNSPEC), resource: subsystem))
    body(&batch)
    batch.begin(type: Int(NFNL_MSG_BATCH_END), flags: 0)
    batch.fixed(header(family: UInt8(AF_UNSPEC), resource: subsystem))
  }

  /// Makes a table unless it exists.
  static func addTable(_ table: String, to batch: inout MessageBatch) {
    begin(NFT_MSG_NEWTABLE, flags: NLM_F_CREATE | NLM_F_ACK, to: &batch)
    batch.put(NFTA_TABLE_NAME.code, table)
    batch.put(NFTA_TABLE_FLAGS.code, bigEndian: UInt32(0))
  }

  /// Deletes a table with all it holds.
  static func deleteTable(_ table: String, to batch: inout MessageBatch) {
    begin(NFT_MSG_DELTABLE, flags: NLM_F_ACK, to: &batch)
    batch.put(NFTA_TABLE_NAME.code, table)
  }

  /// Makes a base chain that accepts what its rules let pass.
  static func addChain(_ chain: NftChain, table: String, to batch: inout MessageBatch) {
    begin(NFT_MSG_NEWCHAIN, flags: NLM_F_CREATE | NLM_F_ACK, to: &batch)
    batch.put(NFTA_CHAIN_TABLE.code, table)
    batch.put(NFTA_CHAIN_NAME.code, chain.name)
    batch.nest(NFTA_CHAIN_HOOK.code) { hook in
      hook.put(NFTA_HOOK_HOOKNUM.code, bigEndian: chain.hook.rawValue)
      hook.put(NFTA_HOOK_PRIORITY.code, bigEndian: UInt32(bitPattern: chain.priority))
    }
    batch.put(NFTA_CHAIN_POLICY.code, bigEndian: UInt32(bitPattern: NF_ACCEPT))
    batch.put(NFTA_CHAIN_TYPE.code, chain.type)
  }

  /// Makes a set with its elements. `id` tells it apart from the transaction's other new sets.
  static func addSet(_ set: NftSet, id: UInt32, table: String, to batch: inout MessageBatch) {
    begin(NFT_MSG_NEWSET, flags: NLM_F_CREATE | NLM_F_ACK, to: &batch)
    batch.put(NFTA_SET_TABLE.code, table)
    batch.put(NFTA_SET_NAME.code, set.name)
    batch.put(NFTA_SET_FLAGS.code, bigEndian: set.isInterval ? NFT_SET_INTERVAL.rawValue : 0)
    batch.put(NFTA_SET_KEY_TYPE.code, bigEndian: set.keyType)
    batch.put(NFTA_SET_KEY_LEN.code, bigEndian: set.keyLength)
    batch.put(NFTA_SET_ID.code, bigEndian: id)
    // User data is nft(8)'s: type 0 is the byte order of the key, 1 the host's, 2 the network's.
    let order: UInt8 = set.keyType == 7 ? 2 : 1
    batch.put(NFTA_SET_USERDATA.code, [0, 4, order, 0, 0, 0])
    guard !set.elements.isEmpty else { return }
    begin(NFT_MSG_NEWSETELEM, flags: NLM_F_CREATE | NLM_F_ACK, to: &batch)
    batch.put(NFTA_SET_ELEM_LIST_TABLE.code, table)
    batch.put(NFTA_SET_ELEM_LIST_SET.code, set.name)
    batch.nest(NFTA_SET_ELEM_LIST_ELEMENTS.code) { list in
      for element in set.elements {
        list.nest(NFTA_LIST_ELEM.code) { item in
          item.nest(NFTA_SET_ELEM_KEY.code) { $0.put(NFTA_DATA_VALUE.code, element.key) }
          if element.endsInterval {
            item.put(
              NFTA_SET_ELEM_FLAGS.code, bigEndian: NFT_SET_ELEM_INTERVAL_END.rawValue)
          }
        }
      }
    }
  }

  /// Appends a rule to its chain and returns its tag: its comment and a digest of its expressions,
  /// kept by the kernel with the rule, by which it is known again.
  @discardableResult
  static func addRule(_ rule: NftRule, table: String, to batch: inout MessageBatch) -> String {
    begin(NFT_MSG_NEWRULE, flags: NLM_F_CREATE | NLM_F_APPEND | NLM_F_ACK, to: &batch)
    batch.put(NFTA_RULE_TABLE.code, table)
    batch.put(NFTA_RULE_CHAIN.code, rule.chain)
    let start = batch.size
    batch.nest(NFTA_RULE_EXPRESSIONS.code) { list in
      for expression in rule.expressions { expression.append(to: &list) }
    }
    let digest = String(batch.digest(from: start), radix: 16)
    let tag = "\(rule.comment) #\(digest)"
    // User data is nft(8)'s: type 0 is a comment, then the length of the text with its zero.
    let text = Array(tag.utf8.prefix(127)) + [0]
    batch.put(NFTA_RULE_USERDATA.code, [0, UInt8(text.count)] + text)
    return tag
  }

  /// Asks for the number of the latest transaction.
  static func getGeneration(to batch: inout MessageBatch) {
    begin(NFT_MSG_GETGEN, flags: NLM_F_ACK, to: &batch)
  }

  /// Asks for all rules of a table.
  static func dumpRules(table: String, to batch: inout MessageBatch) {
    begin(NFT_MSG_GETRULE, flags: NLM_F_DUMP, to: &batch)
    batch.put(NFTA_RULE_TABLE.code, table)
  }

  /// Asks for all elements of a set.
  static func dumpElements(set: String, table: String, to batch: inout MessageBatch) {
    begin(NFT_MSG_GETSETELEM, flags: NLM_F_DUMP, to: &batch)
    batch.put(NFTA_SET_ELEM_LIST_TABLE.code, table)
    batch.put(NFTA_SET_ELEM_LIST_SET.code, set)
  }
}
