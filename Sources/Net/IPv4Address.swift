/// An IPv4 address as a number, first octet highest.
public struct IPv4Address: Sendable, Hashable, Comparable, CustomStringConvertible {
  /// The address as a number.
  public let value: UInt32

  /// An address by its number.
  public init(value: UInt32) { self.value = value }

  /// Parses four decimal octets. "10.1", "010.0.0.1", signs and spaces are refused: other programs
  /// read them as other addresses.
  public init?(_ text: some StringProtocol) {
    var value: UInt32 = 0
    var octets = 0
    for part in text.utf8.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false) {
      guard (1...3).contains(part.count), part.allSatisfy({ (48...57).contains($0) }),
        part.count == 1 || part.first != 48
      else { return nil }
      let octet = part.reduce(UInt32(0)) { $0 * 10 + UInt32($1 - 48) }
      guard octet <= 255 else { return nil }
      value = value << 8 | octet
      octets += 1
      if octets > 4 { return nil }
    }
    guard octets == 4 else { return nil }
    self.value = value
  }

  /// The address from its four octets in network order; nil for another count.
  public init?(octets: some Collection<UInt8>) {
    guard octets.count == 4 else { return nil }
    value = octets.reduce(0) { $0 << 8 | UInt32($1) }
  }

  /// The four octets in network order.
  public var octets: [UInt8] {
    [UInt8(value >> 24), UInt8(value >> 16 & 255), UInt8(value >> 8 & 255), UInt8(value & 255)]
  }

  /// Whether it lies in 127.0.0.0/8.
  public var isLoopback: Bool { value >> 24 == 127 }

  /// "10.88.0.1".
  public var description: String {
    "\(value >> 24).\(value >> 16 & 255).\(value >> 8 & 255).\(value & 255)"
  }

  /// In the order of the numbers.
  public static func < (a: IPv4Address, b: IPv4Address) -> Bool { a.value < b.value }
}

/// An Ethernet address.
public struct MACAddress: Sendable, Hashable, CustomStringConvertible {
  /// Six bytes in the order they are sent.
  public let bytes: [UInt8]

  /// The address of the device that has `address`: locally administered (02:6d) and then the four
  /// octets. Being a function of the address, it cannot leave a neighbour's ARP entry stale when an
  /// address passes to the next container, and two containers of one network never share it.
  public init(for address: IPv4Address) { bytes = [0x02, 0x6d] + address.octets }

  /// An address by its six bytes; nil for another count.
  public init?(bytes: [UInt8]) {
    guard bytes.count == 6 else { return nil }
    self.bytes = bytes
  }

  /// Parses "02:6d:0a:58:00:02".
  public init?(_ text: some StringProtocol) {
    let parts = text.split(separator: ":", omittingEmptySubsequences: false)
    let bytes = parts.compactMap { $0.utf8.count == 2 ? UInt8($0, radix: 16) : nil }
    // A sign is no digit.
    guard parts.count == 6, bytes.count == 6, !text.utf8.contains(UInt8(ascii: "+")) else {
      return nil
    }
    self.bytes = bytes
  }

  /// "02:6d:0a:58:00:02".
  public var description: String {
    let digits = Array("0123456789abcdef")
    return bytes.map { String([digits[Int($0 >> 4)], digits[Int($0 & 15)]]) }
      .joined(separator: ":")
  }
}
