import Linux

extension IPv6Address {
  /// The address that many further; it wraps round within the last eight octets.
  func advanced(by count: UInt64) -> IPv6Address { IPv6Address(high: high, low: low &+ count) }
}

extension Subnet6 {
  /// A private network (RFC 4193) that with all likelihood nobody else has.
  static func randomPrivate() -> Subnet6 {
    let digits = UInt64(randomHex(bytes: 5), radix: 16) ?? 0
    return Subnet6(
      containing: IPv6Address(high: 0xfd << 56 | digits << 16, low: 0), length: 64)!
  }

  /// How many addresses follow the base, at most 2^32 - 1: more than anybody leases.
  var leasable: UInt64 { (1 << UInt64(min(32, 128 - length))) - 1 }
}
