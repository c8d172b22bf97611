import Glibc

/// The text forms of addresses that every C program accepts (inet_pton(3)).
public enum InternetAddress {
  /// Whether `text` is an IPv4 address of four decimal octets.
  public static func isIPv4(_ text: String) -> Bool { parses(text, AF_INET) }

  /// Whether `text` is an IPv6 address, without brackets or a zone.
  public static func isIPv6(_ text: String) -> Bool { parses(text, AF_INET6) }

  /// The 4 or 16 bytes of an address in network order; nil when `text` is none.
  public static func bytes(_ text: String) -> [UInt8]? {
    guard !text.utf8.contains(0) else { return nil }
    for (family, count) in [(AF_INET, 4), (AF_INET6, 16)] {
      let bytes = withUnsafeTemporaryAllocation(byteCount: 16, alignment: 4) { space -> [UInt8]? in
        guard inet_pton(family, text, space.baseAddress) == 1 else { return nil }
        return Array(space.prefix(count))
      }
      if let bytes { return bytes }
    }
    return nil
  }

  private static func parses(_ text: String, _ family: Int32) -> Bool {
    // A zero byte would end the C string early and hide what follows.
    guard !text.utf8.contains(0) else { return false }
    return withUnsafeTemporaryAllocation(byteCount: 16, alignment: 4) { space in
      inet_pton(family, text, space.baseAddress) == 1
    }
  }
}
