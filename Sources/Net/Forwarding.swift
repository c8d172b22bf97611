import Linux

/// IPv4 forwarding of this network namespace (net.ipv4.ip_forward).
enum Forwarding {
  private static let path = "/proc/sys/net/ipv4/ip_forward"

  /// Whether the host routes packets between its links.
  static var isOn: Bool { Files.text(path) == "1" }

  /// Turns it on or off, on all links.
  static func set(_ on: Bool) throws(Failure) {
    do throws(Failure) { try Files.write(on ? "1" : "0", into: path) } catch {
      throw error.during(
        "turn IPv4 forwarding \(on ? "on" : "off")",
        remedy: "run as root with a writable /proc/sys, or use --network none")
    }
  }

  /// Turns it on for one link, which a host may have off by default while it is on for others.
  static func turnOn(link: String) throws(Failure) {
    let path = "/proc/sys/net/ipv4/conf/\(link)/forwarding"
    if Files.text(path) != "1" { try Files.write("1", into: path) }
  }
}
