import Glibc

/// The text forms of addresses that every C program accepts (inet_pton(3)).
public enum InternetAddress {
  /// Whether `text` is an IPv4 address of four decimal octets.
  public static func isIPv4(_ text: String) -> Bool { parses(text, AF_INET) }

  /// Whether `text` is an IPv6 address, without brackets or a zone.
  public static func isIPv6(_ text: String) -> Bool { parses(text, AF_INET6) }

  private static func parses(_ text: String, _ family: Int32) -> Bool {
    // A zero byte would end the C string early and hide what follows.
    guard !text.utf8.contains(0) else { return false }
    return withUnsafeTemporaryAllocation(byteCount: 16, alignment: 4) { space in
      inet_pton(family, text, space.baseAddress) == 1
    }
  }
}
