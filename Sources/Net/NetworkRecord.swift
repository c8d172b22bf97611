import Linux

/// A network by name, fixed when it is made: what `network create` says and what minidock chose.
public struct NetworkRecord: Sendable, Equatable {
  /// How containers are connected.
  public enum Driver: String, Sendable {
    /// A bridge of the host's, with a veth pair for each container.
    case bridge
    /// A link of its own Ethernet address on a link of the host's.
    case macvlan
    /// A link with the Ethernet address of a link of the host's.
    case ipvlan
    /// The host's own network.
    case host
    /// Nothing but loopback.
    case none = "null"
  }

  /// Unique in the installation.
  public var name: String
  /// 64 hexadecimal digits.
  public var id: String
  /// By the host's clock.
  public var created: Timestamp
  /// How its containers are connected.
  public var driver: Driver
  /// nil of `host`, `none`, and a `bridge` that was never used.
  public var subnet: Subnet?
  /// The containers' default route, and the address of a bridge.
  public var gateway: IPv4Address?
  /// Where addresses are leased when none is asked for; nil: in all of the subnet.
  public var range: Subnet?
  /// nil of a network without IPv6.
  public var subnet6: Subnet6?
  /// The default route by IPv6; nil without IPv6.
  public var gateway6: IPv6Address?
  /// Whether there is no way out of it.
  public var isInternal = false
  /// The largest packet in bytes; nil takes that of the link that packets leave the host by.
  public var mtu: Int?
  /// The link on the host: the bridge, or what a macvlan or ipvlan network is on.
  public var device = ""
  /// Of macvlan bridge, private, vepa or passthru; of ipvlan l2, l3 or l3s.
  public var mode = ""
  /// Whether minidock made `device` and removes it with the network.
  public var ownsDevice = true
  /// `--label`, sorted by key.
  public var labels: [(key: String, value: String)] = []
  /// `--opt` as given, sorted by key.
  public var options: [(key: String, value: String)] = []

  /// A network of now.
  public init(name: String, id: String, driver: Driver) {
    self.name = name
    self.id = id
    self.driver = driver
    created = .now
  }

  /// Whether it was there before anybody made a network.
  public var isPredefined: Bool { NetworkRecord.predefined.contains(name) }

  /// The networks that always exist.
  public static let predefined = ["bridge", "host", "none"]

  /// The first 12 digits of the id.
  public var shortID: String { String(id.prefix(12)) }

  var fields: FieldText {
    var text = FieldText()
    text.add("id", id)
    text.add("created", created.nanoseconds)
    text.add("driver", driver.rawValue)
    text.add("device", device)
    text.add("subnet", subnet.map { "\($0)" })
    text.add("gateway", gateway.map { "\($0)" })
    text.add("range", range.map { "\($0)" })
    text.add("subnet6", subnet6.map { "\($0)" })
    text.add("gateway6", gateway6.map { "\($0)" })
    text.add("mtu", mtu.map { String($0) })
    if isInternal { text.add("flag", "internal") }
    if !ownsDevice { text.add("flag", "foreign-device") }
    if !mode.isEmpty { text.add("mode", mode) }
    for (key, value) in labels { text.add("label", "\(key)=\(value)") }
    for (key, value) in options { text.add("option", "\(key)=\(value)") }
    return text
  }

  /// From a file; nil when it has no id or an unknown driver.
  init?(name: String, _ text: FieldText) {
    guard let id = text["id"], id.utf8.count == 64,
      let driver = text["driver"].flatMap(Driver.init(rawValue:))
    else { return nil }
    self.name = name
    self.id = id
    self.driver = driver
    created = Timestamp(nanoseconds: text.number("created") ?? 0)
    device = text["device"] ?? ""
    subnet = text["subnet"].flatMap { try? Subnet(parsing: $0) }
    gateway = text["gateway"].flatMap { IPv4Address($0) }
    range = text["range"].flatMap { try? Subnet(parsing: $0) }
    subnet6 = text["subnet6"].flatMap { try? Subnet6(parsing: $0) }
    gateway6 = text["gateway6"].flatMap { IPv6Address($0) }
    mtu = text.number("mtu")
    for flag in text.all("flag") {
      if flag == "internal" { isInternal = true }
      if flag == "foreign-device" { ownsDevice = false }
    }
    mode = text["mode"] ?? ""
    labels = NetworkRecord.pairs(text.all("label"))
    options = NetworkRecord.pairs(text.all("option"))
  }

  private static func pairs(_ lines: [String]) -> [(key: String, value: String)] {
    lines.map { line in
      let parts = line.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
      return (String(parts[0]), parts.count == 2 ? String(parts[1]) : "")
    }
  }

  /// Equal when the same would be written.
  public static func == (a: NetworkRecord, b: NetworkRecord) -> Bool {
    a.name == b.name && a.fields == b.fields
  }

  /// Docker's grammar of names, which become file names.
  ///
  /// - Throws: ``Failure/Code/invalid``.
  public static func validate(name: String) throws(Failure) {
    func isAlphanumeric(_ byte: UInt8) -> Bool {
      (48...57).contains(byte) || (65...90).contains(byte) || (97...122).contains(byte)
    }
    let bytes = name.utf8
    guard let first = bytes.first, isAlphanumeric(first), bytes.count <= 128,
      bytes.allSatisfy({ isAlphanumeric($0) || $0 == 95 || $0 == 46 || $0 == 45 })
    else {
      throw Failure(
        .invalid, "use network", name, reason: "only [a-zA-Z0-9][a-zA-Z0-9_.-]* is allowed",
        remedy: "choose a name of 1 to 128 letters, digits, and _ . -")
    }
  }
}
