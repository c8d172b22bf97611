import CMnl

/// A table of nf_tables.
struct NftTable: Sendable, Hashable {
  /// NFPROTO_*: 1 inet (IPv4 and IPv6), 2 ip, 7 bridge.
  let family: UInt8
  let name: String

  /// Of IPv4 and IPv6 packets.
  static func inet(_ name: String) -> NftTable { NftTable(family: 1, name: name) }
  /// Of IPv4 packets.
  static func ip(_ name: String) -> NftTable { NftTable(family: 2, name: name) }
  /// Of the frames that bridges forward.
  static func bridge(_ name: String) -> NftTable { NftTable(family: 7, name: name) }
}

/// A chain; a base chain where it says where it hooks into the packets' path.
struct NftChain: Sendable {
  /// "filter" or "nat", NF_INET_* or NF_BR_*, and the order among the chains of that hook.
  struct Hook: Sendable {
    let type: String
    let number: UInt32
    let priority: Int32
  }

  let name: String
  let hook: Hook?
}

/// A named set, or a map from keys to values.
struct NftSet: Sendable {
  let name: String
  /// nft(8)'s number of the key's type, only for its listing.
  let keyType: UInt32
  let keyLength: UInt32
  /// The same of a map's values.
  var dataType: UInt32 = 0
  var dataLength: UInt32 = 0
  var isInterval = false

  /// nft(8)'s numbers of types; a key of several fields has six bits for each.
  enum TypeNumber {
    static let protocolFamily: UInt32 = 2
    static let address: UInt32 = 7
    static let address6: UInt32 = 8
    static let ethernet: UInt32 = 9
    static let transport: UInt32 = 12
    static let port: UInt32 = 13
    static let mark: UInt32 = 19
    static let interface: UInt32 = 41

    static func joined(_ types: UInt32...) -> UInt32 { types.reduce(0) { $0 << 6 | $1 } }
  }
}

/// What is in a set or map.
struct NftElement: Hashable, Sendable {
  let set: String
  let key: [UInt8]
  /// A map's value; empty in a set.
  var data: [UInt8] = []
  /// Whether the key is the first address behind an interval.
  var endsInterval = false

  /// An interface name as the kernel loads it: 16 bytes, filled up with zeros.
  static func interface(_ name: String) -> [UInt8] {
    let bytes = Array(name.utf8.prefix(15))
    return bytes + [UInt8](repeating: 0, count: 16 - bytes.count)
  }

  /// Bytes filled up to whole words.
  static func padded(_ bytes: [UInt8]) -> [UInt8] {
    bytes + [UInt8](repeating: 0, count: (4 - bytes.count % 4) % 4)
  }

  /// A port as it is loaded.
  static func port(_ number: UInt16) -> [UInt8] { [UInt8(number >> 8), UInt8(number & 255), 0, 0] }
}

/// A rule of a chain.
struct NftRule: Sendable {
  let chain: String
  /// What it does, shown by `nft list ruleset`.
  let comment: String
  let expressions: [NftExpression]
}
