import Linux

/// An IPv4 network: a base address without host bits and a prefix length from 0 to 32.
public struct Subnet: Sendable, Hashable, CustomStringConvertible {
  /// The lowest address, which names the network.
  public let base: IPv4Address
  /// The length of the prefix in bits.
  public let length: Int

  /// The network of `length` bits around `address`; nil unless `length` is 0...32.
  public init?(containing address: IPv4Address, length: Int) {
    guard (0...32).contains(length) else { return nil }
    self.length = length
    base = IPv4Address(value: address.value & Subnet.mask(length))
  }

  /// Parses "10.88.0.0/16".
  ///
  /// - Throws: ``Failure/Code/invalid`` for anything else, host bits that are not zero included.
  public init(parsing text: String) throws(Failure) {
    func malformed(_ reason: String) -> Failure {
      Failure(.invalid, "parse subnet", text, reason: reason, remedy: "write it as 10.88.0.0/16")
    }
    let parts = text.split(separator: "/", omittingEmptySubsequences: false)
    guard parts.count == 2, let address = IPv4Address(parts[0]) else {
      throw malformed("not an IPv4 address and prefix length")
    }
    let digits = parts[1].utf8
    guard (1...2).contains(digits.count), digits.allSatisfy({ (48...57).contains($0) }),
      digits.count == 1 || digits.first != 48, let length = Int(parts[1]),
      let subnet = Subnet(containing: address, length: length)
    else { throw malformed("the prefix length is not a number from 0 to 32") }
    guard subnet.base == address else {
      throw malformed("bits of the address are set beyond its \(length) network bits")
    }
    self = subnet
  }

  static func mask(_ length: Int) -> UInt32 { length == 0 ? 0 : UInt32.max << UInt32(32 - length) }

  /// The highest address: the broadcast address of networks up to /30.
  public var last: IPv4Address { IPv4Address(value: base.value | ~Subnet.mask(length)) }

  /// The first address after the base, which a bridge network's gateway takes.
  public var gateway: IPv4Address { IPv4Address(value: base.value &+ 1) }

  /// How many addresses containers can have: all but base, gateway and broadcast.
  public var leasable: Int { max(0, (1 << (32 - length)) - 3) }

  /// Whether `address` is one of its addresses.
  public func contains(_ address: IPv4Address) -> Bool {
    address.value & Subnet.mask(length) == base.value
  }

  /// Whether some address is in both networks.
  public func overlaps(_ other: Subnet) -> Bool {
    let shorter = Subnet.mask(min(length, other.length))
    return base.value & shorter == other.base.value & shorter
  }

  /// "10.88.0.0/16".
  public var description: String { "\(base)/\(length)" }
}
