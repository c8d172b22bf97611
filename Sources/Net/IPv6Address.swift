import Linux

/// An IPv6 address as its sixteen octets in network order.
public struct IPv6Address: Sendable, Hashable, Comparable, CustomStringConvertible {
  /// The first eight octets as a number, the network's half of a /64.
  public let high: UInt64
  /// The last eight octets as a number.
  public let low: UInt64

  /// An address by its halves.
  public init(high: UInt64, low: UInt64) {
    self.high = high
    self.low = low
  }

  /// The address from its sixteen octets in network order; nil for another count.
  public init?(octets: some Collection<UInt8>) {
    guard octets.count == 16 else { return nil }
    high = octets.prefix(8).reduce(0) { $0 << 8 | UInt64($1) }
    low = octets.suffix(8).reduce(0) { $0 << 8 | UInt64($1) }
  }

  /// Parses what inet_pton(3) accepts: no brackets, no zone.
  public init?(_ text: some StringProtocol) {
    guard let octets = InternetAddress.bytes(String(text)) else { return nil }
    self.init(octets: octets)
  }

  /// The sixteen octets in network order.
  public var octets: [UInt8] {
    [high, low].flatMap { half in
      stride(from: 56, through: 0, by: -8).map { UInt8(half >> UInt64($0) & 255) }
    }
  }

  /// `::`, all addresses of the host where a socket listens.
  public static let unspecified = IPv6Address(high: 0, low: 0)
  /// `::1`.
  public static let loopback = IPv6Address(high: 0, low: 1)
  /// Whether it is `::1`.
  public var isLoopback: Bool { self == .loopback }
  /// Whether it lies in fe80::/10, good on one link only.
  public var isLinkLocal: Bool { high >> 54 == 0xfe80 >> 6 }

  /// The link-local address that the kernel gives a link with this Ethernet address
  /// (EUI-64, RFC 4291 appendix A).
  public init(linkLocalOf mac: MACAddress) {
    let bytes = mac.bytes
    self.init(
      octets: [0xfe, 0x80, 0, 0, 0, 0, 0, 0]
        + [bytes[0] ^ 2, bytes[1], bytes[2], 0xff, 0xfe, bytes[3], bytes[4], bytes[5]])!
  }

  /// The canonical text (RFC 5952): "fd00::2".
  public var description: String {
    let groups = (0..<8).map { index in
      UInt16(truncatingIfNeeded: (index < 4 ? high : low) >> UInt64(48 - index % 4 * 16))
    }
    var longest = 0..<0
    var index = 0
    while index < 8 {
      var end = index
      while end < 8, groups[end] == 0 { end += 1 }
      if end - index > longest.count { longest = index..<end }
      index = max(end, index + 1)
    }
    func text(_ part: ArraySlice<UInt16>) -> String {
      part.map { String($0, radix: 16) }.joined(separator: ":")
    }
    if longest.count < 2 { return text(groups[...]) }
    return text(groups[..<longest.lowerBound]) + "::" + text(groups[longest.upperBound...])
  }

  /// In the order of the numbers.
  public static func < (a: IPv6Address, b: IPv6Address) -> Bool {
    (a.high, a.low) < (b.high, b.low)
  }
}

/// An IPv6 network: a base address without host bits and a prefix length from 0 to 128.
public struct Subnet6: Sendable, Hashable, CustomStringConvertible {
  /// The lowest address, which names the network.
  public let base: IPv6Address
  /// The length of the prefix in bits.
  public let length: Int

  /// The network of `length` bits around `address`; nil unless `length` is 0...128.
  public init?(containing address: IPv6Address, length: Int) {
    guard (0...128).contains(length) else { return nil }
    self.length = length
    base = IPv6Address(
      high: address.high & Subnet6.mask(length), low: address.low & Subnet6.mask(length - 64))
  }

  /// Parses "fd00:1::/64".
  ///
  /// - Throws: ``Failure/Code/invalid`` for anything else, host bits that are not zero included.
  public init(parsing text: String) throws(Failure) {
    func malformed(_ reason: String) -> Failure {
      Failure(.invalid, "parse subnet", text, reason: reason, remedy: "write it as fd00:1::/64")
    }
    let parts = text.split(separator: "/", omittingEmptySubsequences: false)
    guard parts.count == 2, let address = IPv6Address(parts[0]) else {
      throw malformed("not an IPv6 address and prefix length")
    }
    let digits = parts[1].utf8
    guard (1...3).contains(digits.count), digits.allSatisfy({ (48...57).contains($0) }),
      digits.count == 1 || digits.first != 48, let length = Int(parts[1]),
      let subnet = Subnet6(containing: address, length: length)
    else { throw malformed("the prefix length is not a number from 0 to 128") }
    guard subnet.base == address else {
      throw malformed("bits of the address are set beyond its \(length) network bits")
    }
    self = subnet
  }

  private static func mask(_ length: Int) -> UInt64 {
    length <= 0 ? 0 : UInt64.max << UInt64(64 - min(length, 64))
  }

  /// The highest address.
  public var last: IPv6Address {
    IPv6Address(
      high: base.high | ~Subnet6.mask(length), low: base.low | ~Subnet6.mask(length - 64))
  }

  /// The first address after the base, which a bridge network's gateway takes.
  public var gateway: IPv6Address { IPv6Address(high: base.high, low: base.low | 1) }

  /// Whether `address` is one of its addresses.
  public func contains(_ address: IPv6Address) -> Bool {
    Subnet6(containing: address, length: length) == self
  }

  /// Whether some address is in both networks.
  public func overlaps(_ other: Subnet6) -> Bool {
    let shorter = min(length, other.length)
    return Subnet6(containing: base, length: shorter)
      == Subnet6(containing: other.base, length: shorter)
  }

  /// "fd00:1::/64".
  public var description: String { "\(base)/\(length)" }
}
