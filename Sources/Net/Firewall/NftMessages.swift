import CMnl

/// The nfnetlink requests (linux/netfilter/nfnetlink.h) that minidock sends.
enum NftMessages {
  private static func begin(
    _ type: nf_tables_msg_types, _ family: UInt8, flags: Int32, to batch: inout MessageBatch
  ) {
    batch.begin(type: Int(NFNL_SUBSYS_NFTABLES) << 8 | type.code, flags: flags)
    batch.fixed(header(family: family, resource: 0))
  }

  private static func header(family: UInt8, resource: UInt16) -> nfgenmsg {
    nfgenmsg(nfgen_family: family, version: UInt8(NFNETLINK_V0), res_id: resource.bigEndian)
  }

  /// Appends `body`'s messages as one transaction: all of them or none take effect, at one instant.
  ///
  /// - Parameter generation: the number of the transaction before this one; when it is another by
  ///   then, nothing is done (ERESTART). 0 does not ask.
  static func transaction(
    after generation: UInt32 = 0, to batch: inout MessageBatch,
    _ body: (inout MessageBatch) -> Void
  ) {
    let subsystem = UInt16(NFNL_SUBSYS_NFTABLES)
    batch.begin(type: Int(NFNL_MSG_BATCH_BEGIN), flags: 0)
    batch.fixed(header(family: UInt8(AF_UNSPEC), resource: subsystem))
    if generation != 0 { batch.put(NFNL_BATCH_GENID.code, bigEndian: generation) }
    body(&batch)
    batch.begin(type: Int(NFNL_MSG_BATCH_END), flags: 0)
    batch.fixed(header(family: UInt8(AF_UNSPEC), resource: subsystem))
  }

  /// Makes a table unless it exists.
  static func add(_ table: NftTable, to batch: inout MessageBatch) {
    begin(NFT_MSG_NEWTABLE, table.family, flags: NLM_F_CREATE | NLM_F_ACK, to: &batch)
    batch.put(NFTA_TABLE_NAME.code, table.name)
    batch.put(NFTA_TABLE_FLAGS.code, bigEndian: UInt32(0))
  }

  /// Deletes a table with all it holds.
  static func delete(_ table: NftTable, to batch: inout MessageBatch) {
    begin(NFT_MSG_DELTABLE, table.family, flags: NLM_F_ACK, to: &batch)
    batch.put(NFTA_TABLE_NAME.code, table.name)
  }

  /// Makes a chain; a base chain accepts what its rules let pass.
  static func add(_ chain: NftChain, to table: NftTable, in batch: inout MessageBatch) {
    begin(NFT_MSG_NEWCHAIN, table.family, flags: NLM_F_CREATE | NLM_F_ACK, to: &batch)
    batch.put(NFTA_CHAIN_TABLE.code, table.name)
    batch.put(NFTA_CHAIN_NAME.code, chain.name)
    guard let hook = chain.hook else { return }
    batch.nest(NFTA_CHAIN_HOOK.code) { nest in
      nest.put(NFTA_HOOK_HOOKNUM.code, bigEndian: hook.number)
      nest.put(NFTA_HOOK_PRIORITY.code, bigEndian: UInt32(bitPattern: hook.priority))
    }
    batch.put(NFTA_CHAIN_POLICY.code, bigEndian: UInt32(bitPattern: NF_ACCEPT))
    batch.put(NFTA_CHAIN_TYPE.code, hook.type)
  }

  /// Makes a set or map. `id` tells it apart from the transaction's other new sets.
  static func add(_ set: NftSet, id: UInt32, to table: NftTable, in batch: inout MessageBatch) {
    begin(NFT_MSG_NEWSET, table.family, flags: NLM_F_CREATE | NLM_F_ACK, to: &batch)
    batch.put(NFTA_SET_TABLE.code, table.name)
    batch.put(NFTA_SET_NAME.code, set.name)
    let isMap = set.dataLength > 0
    batch.put(
      NFTA_SET_FLAGS.code,
      bigEndian: (set.isInterval ? NFT_SET_INTERVAL.rawValue : 0)
        | (isMap ? NFT_SET_MAP.rawValue : 0))
    batch.put(NFTA_SET_KEY_TYPE.code, bigEndian: set.keyType)
    batch.put(NFTA_SET_KEY_LEN.code, bigEndian: set.keyLength)
    if isMap {
      batch.put(NFTA_SET_DATA_TYPE.code, bigEndian: set.dataType)
      batch.put(NFTA_SET_DATA_LEN.code, bigEndian: set.dataLength)
    }
    batch.put(NFTA_SET_ID.code, bigEndian: id)
    // User data is nft(8)'s: type 0 is the byte order of the key, 1 of the values; of these 1 is the
    // host's, 2 the network's.
    let isAddress = [NftSet.TypeNumber.address, NftSet.TypeNumber.address6].contains(set.keyType)
    batch.put(
      NFTA_SET_USERDATA.code,
      [0, 4, isAddress ? 2 : 1, 0, 0, 0] + (isMap ? [1, 4, 2, 0, 0, 0] : []))
  }

  /// Adds elements. One that is there already is no failure, one of a map with another value is
  /// (EBUSY).
  static func add(
    _ elements: [NftElement], to table: NftTable, in batch: inout MessageBatch
  ) {
    put(NFT_MSG_NEWSETELEM, NLM_F_CREATE, elements, table, &batch)
  }

  /// Removes elements; one that is not there fails the transaction (ENOENT).
  static func remove(
    _ elements: [NftElement], from table: NftTable, in batch: inout MessageBatch
  ) {
    put(NFT_MSG_DELSETELEM, 0, elements, table, &batch)
  }

  private static func put(
    _ type: nf_tables_msg_types, _ flags: Int32, _ elements: [NftElement],
    _ table: NftTable, _ batch: inout MessageBatch
  ) {
    // A list is an attribute, which has room for 64 KiB.
    var rest = elements[...]
    while let first = rest.first {
      let part = rest.prefix { $0.set == first.set }.prefix(400)
      rest = rest.dropFirst(part.count)
      begin(type, table.family, flags: flags | NLM_F_ACK, to: &batch)
      batch.put(NFTA_SET_ELEM_LIST_TABLE.code, table.name)
      batch.put(NFTA_SET_ELEM_LIST_SET.code, first.set)
      batch.nest(NFTA_SET_ELEM_LIST_ELEMENTS.code) { list in
        for element in part { put(element, &list) }
      }
    }
  }

  private static func put(_ element: NftElement, _ list: inout MessageBatch) {
    list.nest(NFTA_LIST_ELEM.code) { item in
      item.nest(NFTA_SET_ELEM_KEY.code) { $0.put(NFTA_DATA_VALUE.code, element.key) }
      if !element.data.isEmpty {
        item.nest(NFTA_SET_ELEM_DATA.code) { $0.put(NFTA_DATA_VALUE.code, element.data) }
      }
      if element.endsInterval {
        item.put(NFTA_SET_ELEM_FLAGS.code, bigEndian: NFT_SET_ELEM_INTERVAL_END.rawValue)
      }
    }
  }

  /// Removes all elements of a set.
  static func flush(_ set: String, of table: NftTable, in batch: inout MessageBatch) {
    begin(NFT_MSG_DELSETELEM, table.family, flags: NLM_F_ACK, to: &batch)
    batch.put(NFTA_SET_ELEM_LIST_TABLE.code, table.name)
    batch.put(NFTA_SET_ELEM_LIST_SET.code, set)
  }

  /// Appends a rule to its chain, or puts it before all others, and returns its tag: its comment and a
  /// digest of its expressions, kept by the kernel with the rule, by which it is known again.
  @discardableResult
  static func add(
    _ rule: NftRule, to table: NftTable, isFirst: Bool = false, in batch: inout MessageBatch
  ) -> String {
    begin(
      NFT_MSG_NEWRULE, table.family,
      flags: NLM_F_CREATE | NLM_F_ACK | (isFirst ? 0 : NLM_F_APPEND), to: &batch)
    batch.put(NFTA_RULE_TABLE.code, table.name)
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
    begin(NFT_MSG_GETGEN, UInt8(AF_UNSPEC), flags: NLM_F_ACK, to: &batch)
  }

  /// Asks for one element (ENOENT where there is none).
  static func get(_ element: NftElement, of table: NftTable, to batch: inout MessageBatch) {
    begin(NFT_MSG_GETSETELEM, table.family, flags: NLM_F_ACK, to: &batch)
    batch.put(NFTA_SET_ELEM_LIST_TABLE.code, table.name)
    batch.put(NFTA_SET_ELEM_LIST_SET.code, element.set)
    batch.nest(NFTA_SET_ELEM_LIST_ELEMENTS.code) { put(element, &$0) }
  }

  /// Asks for all chains of all tables.
  static func dumpChains(to batch: inout MessageBatch) {
    begin(NFT_MSG_GETCHAIN, UInt8(AF_UNSPEC), flags: NLM_F_DUMP, to: &batch)
  }

  /// Asks for all rules of a table.
  static func dumpRules(of table: NftTable, to batch: inout MessageBatch) {
    begin(NFT_MSG_GETRULE, table.family, flags: NLM_F_DUMP, to: &batch)
    batch.put(NFTA_RULE_TABLE.code, table.name)
  }

  /// Asks for all elements of a set.
  static func dumpElements(of set: String, table: NftTable, to batch: inout MessageBatch) {
    begin(NFT_MSG_GETSETELEM, table.family, flags: NLM_F_DUMP, to: &batch)
    batch.put(NFTA_SET_ELEM_LIST_TABLE.code, table.name)
    batch.put(NFTA_SET_ELEM_LIST_SET.code, set)
  }
}
