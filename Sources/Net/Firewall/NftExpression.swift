import CMnl

/// One step of an nf_tables rule (linux/netfilter/nf_tables.h): a load into registers, a test that
/// ends the rule when it fails, or a verdict.
///
/// Registers are sixteen words of 32 bits that follow one another in memory: a key of several
/// fields, each filled up with zeros to whole words, is looked up from its first word on.
struct NftExpression: Sendable {
  private let name: String
  private let data: @Sendable (inout MessageBatch) -> Void

  /// Appends the expression as an element of a rule's list.
  func append(to batch: inout MessageBatch) {
    batch.nest(NFTA_LIST_ELEM.code) { element in
      element.put(NFTA_EXPR_NAME.code, name)
      element.nest(NFTA_EXPR_DATA.code, data)
    }
  }

  /// The number of a word.
  private static func register(_ word: UInt32) -> UInt32 { NFT_REG32_00.rawValue + word }

  // MARK: - Loads

  /// Loads a property of the packet's path.
  static func meta(_ key: nft_meta_keys, into word: UInt32 = 0) -> NftExpression {
    NftExpression(name: "meta") { batch in
      batch.put(NFTA_META_KEY.code, bigEndian: key.rawValue)
      batch.put(NFTA_META_DREG.code, bigEndian: register(word))
    }
  }

  /// Loads bytes of a header.
  static func payload(
    _ base: nft_payload_bases, _ offset: UInt32, _ length: UInt32, into word: UInt32 = 0
  ) -> NftExpression {
    NftExpression(name: "payload") { batch in
      batch.put(NFTA_PAYLOAD_DREG.code, bigEndian: register(word))
      batch.put(NFTA_PAYLOAD_BASE.code, bigEndian: base.rawValue)
      batch.put(NFTA_PAYLOAD_OFFSET.code, bigEndian: offset)
      batch.put(NFTA_PAYLOAD_LEN.code, bigEndian: length)
    }
  }

  /// Loads bytes of the IPv4, IPv6 or ARP header.
  static func network(_ offset: UInt32, _ length: UInt32, into word: UInt32 = 0) -> NftExpression {
    payload(NFT_PAYLOAD_NETWORK_HEADER, offset, length, into: word)
  }

  /// Loads bytes of the TCP, UDP, SCTP or ICMPv6 header.
  static func transport(
    _ offset: UInt32, _ length: UInt32, into word: UInt32 = 0
  ) -> NftExpression {
    payload(NFT_PAYLOAD_TRANSPORT_HEADER, offset, length, into: word)
  }

  /// Loads a property of the connection.
  static func connection(_ key: nft_ct_keys) -> NftExpression {
    NftExpression(name: "ct") { batch in
      batch.put(NFTA_CT_DREG.code, bigEndian: register(0))
      batch.put(NFTA_CT_KEY.code, bigEndian: key.rawValue)
    }
  }

  /// Loads what the routing tables call the destination address (RTN_LOCAL, …).
  static let destinationType = NftExpression(name: "fib") { batch in
    batch.put(NFTA_FIB_DREG.code, bigEndian: register(0))
    batch.put(NFTA_FIB_RESULT.code, bigEndian: NFT_FIB_RESULT_ADDRTYPE.rawValue)
    batch.put(NFTA_FIB_FLAGS.code, bigEndian: NFTA_FIB_F_DADDR.rawValue)
  }

  /// Keeps the bits of `mask` of the 32-bit number in the first word.
  static func and(_ mask: UInt32) -> NftExpression {
    NftExpression(name: "bitwise") { batch in
      batch.put(NFTA_BITWISE_SREG.code, bigEndian: register(0))
      batch.put(NFTA_BITWISE_DREG.code, bigEndian: register(0))
      batch.put(NFTA_BITWISE_LEN.code, bigEndian: UInt32(4))
      batch.nest(NFTA_BITWISE_MASK.code) { $0.put(NFTA_DATA_VALUE.code, mask) }
      batch.nest(NFTA_BITWISE_XOR.code) { $0.put(NFTA_DATA_VALUE.code, UInt32(0)) }
    }
  }

  // MARK: - Changes of the packet

  /// Puts bytes, whole words or the beginning of one, into the first word.
  static func set(_ value: [UInt8]) -> NftExpression {
    NftExpression(name: "immediate") { batch in
      batch.put(NFTA_IMMEDIATE_DREG.code, bigEndian: register(0))
      batch.nest(NFTA_IMMEDIATE_DATA.code) { $0.put(NFTA_DATA_VALUE.code, value) }
    }
  }

  /// Writes the first word's bytes into the header of a transport whose checksum is at `checksum`.
  static func write(_ offset: UInt32, _ length: UInt32, checksum: UInt32) -> NftExpression {
    NftExpression(name: "payload") { batch in
      batch.put(NFTA_PAYLOAD_SREG.code, bigEndian: register(0))
      batch.put(NFTA_PAYLOAD_BASE.code, bigEndian: NFT_PAYLOAD_TRANSPORT_HEADER.rawValue)
      batch.put(NFTA_PAYLOAD_OFFSET.code, bigEndian: offset)
      batch.put(NFTA_PAYLOAD_LEN.code, bigEndian: length)
      batch.put(NFTA_PAYLOAD_CSUM_TYPE.code, bigEndian: NFT_PAYLOAD_CSUM_INET.rawValue)
      batch.put(NFTA_PAYLOAD_CSUM_OFFSET.code, bigEndian: checksum)
    }
  }

  // MARK: - Tests

  /// Goes on when what begins in the first word is (or is not) `value`.
  static func compare(_ operation: nft_cmp_ops, _ value: [UInt8]) -> NftExpression {
    NftExpression(name: "cmp") { batch in
      batch.put(NFTA_CMP_SREG.code, bigEndian: register(0))
      batch.put(NFTA_CMP_OP.code, bigEndian: operation.rawValue)
      batch.nest(NFTA_CMP_DATA.code) { $0.put(NFTA_DATA_VALUE.code, value) }
    }
  }

  /// As ``compare(_:_:)`` for a number in the host's byte order.
  static func compare(_ operation: nft_cmp_ops, number: UInt32) -> NftExpression {
    compare(operation, withUnsafeBytes(of: number) { [UInt8]($0) })
  }

  /// Goes on when the key from the first word on is in the set (or, with `not`, is not).
  static func lookup(_ set: String, not: Bool = false) -> NftExpression {
    NftExpression(name: "lookup") { batch in
      batch.put(NFTA_LOOKUP_SET.code, set)
      batch.put(NFTA_LOOKUP_SREG.code, bigEndian: register(0))
      if not { batch.put(NFTA_LOOKUP_FLAGS.code, bigEndian: NFT_LOOKUP_F_INV.rawValue) }
    }
  }

  /// Goes on when the key from the first word on is in the map, with its value from `word` on.
  static func lookup(_ map: String, into word: UInt32) -> NftExpression {
    NftExpression(name: "lookup") { batch in
      batch.put(NFTA_LOOKUP_SET.code, map)
      batch.put(NFTA_LOOKUP_SREG.code, bigEndian: register(0))
      batch.put(NFTA_LOOKUP_DREG.code, bigEndian: register(word))
    }
  }

  /// Goes on when the incoming (or outgoing) link is in a group: the match of iptables(8), which can
  /// list no chain that has nf_tables' own (linux/netfilter/xt_devgroup.h).
  static func linkGroup(_ group: UInt32, isSource: Bool) -> NftExpression {
    NftExpression(name: "match") { batch in
      batch.put(NFTA_MATCH_NAME.code, "devgroup")
      batch.put(NFTA_MATCH_REV.code, bigEndian: UInt32(0))
      // XT_DEVGROUP_MATCH_SRC or _DST; group and mask of each; filled up to 8 bytes.
      let words = isSource ? [1, group, .max, 0, 0, 0] : [4, 0, 0, group, .max, 0]
      batch.put(NFTA_MATCH_INFO.code, words.withUnsafeBytes { [UInt8]($0) })
    }
  }

  // MARK: - Verdicts

  private static func verdict(_ code: Int32, chain: String? = nil) -> NftExpression {
    NftExpression(name: "immediate") { batch in
      batch.put(NFTA_IMMEDIATE_DREG.code, bigEndian: NFT_REG_VERDICT.rawValue)
      batch.nest(NFTA_IMMEDIATE_DATA.code) { data in
        data.nest(NFTA_DATA_VERDICT.code) {
          $0.put(NFTA_VERDICT_CODE.code, bigEndian: UInt32(bitPattern: code))
          if let chain { $0.put(NFTA_VERDICT_CHAIN.code, chain) }
        }
      }
    }
  }

  /// Lets the packet pass this hook's chain.
  static let accept = verdict(NF_ACCEPT)
  /// Discards the packet.
  static let drop = verdict(NF_DROP)
  /// Keeps the packet out of connection tracking, before that sees it.
  static let untracked = NftExpression(name: "notrack") { _ in }
  /// Goes on in another chain, and comes back from its end.
  static func jump(_ chain: String) -> NftExpression { verdict(NFT_JUMP.rawValue, chain: chain) }
  /// Gives the packet's connection the outgoing link's address as source.
  static let masquerade = NftExpression(name: "masq") { _ in }

  /// Gives the packet's connection another destination: the address from the word `address` on,
  /// and the port in the word `port`.
  ///
  /// - Parameter family: NFPROTO_IPV4 or NFPROTO_IPV6.
  static func destination(family: UInt32, address: UInt32, port: UInt32) -> NftExpression {
    NftExpression(name: "nat") { batch in
      batch.put(NFTA_NAT_TYPE.code, bigEndian: NFT_NAT_DNAT.rawValue)
      batch.put(NFTA_NAT_FAMILY.code, bigEndian: family)
      batch.put(NFTA_NAT_REG_ADDR_MIN.code, bigEndian: register(address))
      batch.put(NFTA_NAT_REG_PROTO_MIN.code, bigEndian: register(port))
    }
  }
}
