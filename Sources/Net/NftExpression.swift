import CMnl

/// One step of an nf_tables rule (linux/netfilter/nf_tables.h): a load into a register, a test of a
/// register that ends the rule when it fails, or a verdict.
///
/// Register 1 carries what the next test looks at; register 2 follows it in memory, so that a key
/// of two interface names is looked up from register 1 on.
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

  /// Loads a property of the packet's path.
  static func meta(_ key: nft_meta_keys, register: nft_registers = NFT_REG_1) -> NftExpression {
    NftExpression(name: "meta") { batch in
      batch.put(NFTA_META_KEY.code, bigEndian: key.rawValue)
      batch.put(NFTA_META_DREG.code, bigEndian: register.rawValue)
    }
  }

  /// Loads bytes of the network header.
  static func networkHeader(offset: UInt32, length: UInt32) -> NftExpression {
    NftExpression(name: "payload") { batch in
      batch.put(NFTA_PAYLOAD_DREG.code, bigEndian: NFT_REG_1.rawValue)
      batch.put(NFTA_PAYLOAD_BASE.code, bigEndian: NFT_PAYLOAD_NETWORK_HEADER.rawValue)
      batch.put(NFTA_PAYLOAD_OFFSET.code, bigEndian: offset)
      batch.put(NFTA_PAYLOAD_LEN.code, bigEndian: length)
    }
  }

  /// The packet's source address (IPv4 header, offset 12).
  static let sourceAddress = networkHeader(offset: 12, length: 4)
  /// The packet's destination address (IPv4 header, offset 16).
  static let destinationAddress = networkHeader(offset: 16, length: 4)

  /// Loads a property of the connection.
  static func connection(_ key: nft_ct_keys) -> NftExpression {
    NftExpression(name: "ct") { batch in
      batch.put(NFTA_CT_DREG.code, bigEndian: NFT_REG_1.rawValue)
      batch.put(NFTA_CT_KEY.code, bigEndian: key.rawValue)
    }
  }

  /// Keeps the bits of `mask` of the 32-bit number in register 1.
  static func and(_ mask: UInt32) -> NftExpression {
    NftExpression(name: "bitwise") { batch in
      batch.put(NFTA_BITWISE_SREG.code, bigEndian: NFT_REG_1.rawValue)
      batch.put(NFTA_BITWISE_DREG.code, bigEndian: NFT_REG_1.rawValue)
      batch.put(NFTA_BITWISE_LEN.code, bigEndian: UInt32(4))
      batch.nest(NFTA_BITWISE_MASK.code) { $0.put(NFTA_DATA_VALUE.code, mask) }
      batch.nest(NFTA_BITWISE_XOR.code) { $0.put(NFTA_DATA_VALUE.code, UInt32(0)) }
    }
  }

  /// Goes on when register 1 is (or is not) `value`.
  static func compare(_ operation: nft_cmp_ops, _ value: [UInt8]) -> NftExpression {
    NftExpression(name: "cmp") { batch in
      batch.put(NFTA_CMP_SREG.code, bigEndian: NFT_REG_1.rawValue)
      batch.put(NFTA_CMP_OP.code, bigEndian: operation.rawValue)
      batch.nest(NFTA_CMP_DATA.code) { $0.put(NFTA_DATA_VALUE.code, value) }
    }
  }

  /// As ``compare(_:_:)`` for a number in the host's byte order.
  static func compare(_ operation: nft_cmp_ops, number: UInt32) -> NftExpression {
    compare(operation, withUnsafeBytes(of: number) { [UInt8]($0) })
  }

  /// Goes on when the key from register 1 on is in the set (or, with `not`, is not).
  static func lookup(_ set: String, not: Bool = false) -> NftExpression {
    NftExpression(name: "lookup") { batch in
      batch.put(NFTA_LOOKUP_SET.code, set)
      batch.put(NFTA_LOOKUP_SREG.code, bigEndian: NFT_REG_1.rawValue)
      if not { batch.put(NFTA_LOOKUP_FLAGS.code, bigEndian: NFT_LOOKUP_F_INV.rawValue) }
    }
  }

  /// Ends with a verdict: NF_ACCEPT or NF_DROP.
  private static func verdict(_ code: Int32) -> NftExpression {
    NftExpression(name: "immediate") { batch in
      batch.put(NFTA_IMMEDIATE_DREG.code, bigEndian: NFT_REG_VERDICT.rawValue)
      batch.nest(NFTA_IMMEDIATE_DATA.code) { data in
        data.nest(NFTA_DATA_VERDICT.code) {
          $0.put(NFTA_VERDICT_CODE.code, bigEndian: UInt32(bitPattern: code))
        }
      }
    }
  }

  /// Lets the packet pass this hook's chain.
  static let accept = verdict(NF_ACCEPT)
  /// Discards the packet.
  static let drop = verdict(NF_DROP)
  /// Gives the packet's connection the outgoing link's address as source.
  static let masquerade = NftExpression(name: "masq") { _ in }
}
