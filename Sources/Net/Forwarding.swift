import Linux

/// Forwarding of this network namespace (net.ipv4.ip_forward and net.ipv6.conf.all.forwarding).
enum Forwarding {
  /// A family of packets.
  enum Family: String, CaseIterable, Sendable {
    case v4
    case v6

    /// NFPROTO_IPV4 and NFPROTO_IPV6.
    var number: UInt8 { self == .v4 ? 2 : 10 }

    fileprivate var path: String {
      self == .v4 ? "/proc/sys/net/ipv4/ip_forward" : "/proc/sys/net/ipv6/conf/all/forwarding"
    }

    fileprivate var name: String { self == .v4 ? "IPv4" : "IPv6" }
  }

  /// Whether the host routes packets between its links.
  static func isOn(_ family: Family) -> Bool { Files.text(family.path) == "1" }

  /// Turns it on or off, on all links.
  static func set(_ on: Bool, _ family: Family) throws(Failure) {
    if on && family == .v6 { keepRouterAdvertisements() }
    do throws(Failure) { try Files.write(on ? "1" : "0", into: family.path) } catch {
      throw error.during(
        "turn \(family.name) forwarding \(on ? "on" : "off")",
        remedy: "run as root with a writable /proc/sys, or use --network none")
    }
  }

  /// A host that forwards IPv6 no longer heeds router advertisements, and would lose its own default
  /// route: links that have heeded them so far go on (accept_ra 2).
  private static func keepRouterAdvertisements() {
    let folder = "/proc/sys/net/ipv6/conf"
    for link in (try? Files.list(folder)) ?? []
    where Files.text("\(folder)/\(link)/accept_ra") == "1" {
      try? Files.write("2", into: "\(folder)/\(link)/accept_ra")
    }
  }

  /// Turns it on for one link, which a host may have off by default while it is on for others.
  static func turnOn(link: String) throws(Failure) {
    let path = "/proc/sys/net/ipv4/conf/\(link)/forwarding"
    if Files.text(path) != "1" { try Files.write("1", into: path) }
  }
}

/// The boot in which minidock turned forwarding on, for each family: written before it does, so that a
/// host that was no router stays closed between its other networks whatever is killed when.
struct ForwardingRecord: Sendable {
  let path: String
  /// A record of earlier releases, which said it of IPv4.
  let earlierPath: String

  private func boots() -> FieldText {
    if let text = try? FieldText(file: path) { return text }
    var text = FieldText()
    text.add("v4", (try? FieldText(file: earlierPath))?["forwarding-boot"])
    return text
  }

  /// The families, as NFPROTO_*, that minidock has turned on in this boot.
  func closedFamilies() -> [UInt8] { turnedOn().map(\.number) }

  /// The families that minidock has turned on in this boot.
  func turnedOn() -> [Forwarding.Family] {
    let text = boots()
    let boot = Processes.bootIdentity()
    return Forwarding.Family.allCases.filter { text[$0.rawValue] == boot }
  }

  /// Writes down that minidock is about to turn a family on, unless it is on.
  func prepare(_ family: Forwarding.Family) throws(Failure) {
    let boot = Processes.bootIdentity()
    let before = boots()
    if Forwarding.isOn(family) || before[family.rawValue] == boot { return }
    var text = FieldText()
    for other in Forwarding.Family.allCases {
      text.add(other.rawValue, other == family ? boot : before[other.rawValue])
    }
    try Files.makeDirectories(Files.parent(of: path))
    try Files.replace(path, with: text.bytes, durable: true)
  }

  /// Forgets it.
  func remove() throws(Failure) { try Files.remove(path) }
}
