import Linux

/// What `network create` is asked for: docker's flags, as words.
public struct NetworkRequest: Sendable {
  /// The network's name.
  public var name: String
  /// `--driver`, as it was written.
  public var driver = "bridge"
  /// `--subnet`, at most one of IPv4 and one of IPv6.
  public var subnets: [String] = []
  /// `--gateway`, each in one of the subnets.
  public var gateways: [String] = []
  /// `--ip-range`, in the IPv4 subnet.
  public var ranges: [String] = []
  /// `--ipv6`: a private subnet is chosen when none is given.
  public var usesIPv6 = false
  /// `--internal`: no way out.
  public var isInternal = false
  /// `--opt`.
  public var options: [(key: String, value: String)] = []
  /// `--label`.
  public var labels: [(key: String, value: String)] = []

  /// A bridge network.
  public init(name: String) { self.name = name }

  /// The record of the network, but for a subnet that nobody has asked for.
  ///
  /// - Throws: ``Failure/Code/invalid`` naming the flag that is wrong.
  func record() throws(Failure) -> NetworkRecord {
    try NetworkRecord.validate(name: name)
    guard let driver = NetworkRecord.Driver(rawValue: driver), driver != .host, driver != .none
    else {
      throw Failure(
        .notFound, "create network", name, reason: "there is no driver \"\(driver)\"",
        remedy: "use bridge, macvlan or ipvlan")
    }
    var record = NetworkRecord(name: name, id: randomHex(bytes: 32), driver: driver)
    record.isInternal = isInternal
    record.labels = labels.sorted { $0.key < $1.key }
    record.options = options.sorted { $0.key < $1.key }
    if driver == .macvlan { record.mode = "bridge" }
    if driver == .ipvlan { record.mode = "l2" }
    for option in options { try take(option.key, option.value, into: &record) }
    if record.device.isEmpty {
      switch driver {
      case .macvlan, .ipvlan:
        // Docker's name and meaning: without a parent the network has no way out.
        record.device = "dm-" + record.shortID
        record.isInternal = true
      default: record.device = "md-" + record.shortID
      }
    }
    try takeSubnets(into: &record)
    return record
  }

  private func wrong(_ flag: String, _ value: String, _ reason: String) -> Failure {
    Failure(.invalid, "create network", name, reason: "\(flag)=\(value): \(reason)")
  }

  private func take(
    _ key: String, _ value: String, into record: inout NetworkRecord
  ) throws(Failure) {
    let driver = record.driver
    switch (key, driver) {
    case ("mtu", _), ("com.docker.network.driver.mtu", _):
      guard let mtu = Int(value), (68...65535).contains(mtu), !usesIPv6 || mtu >= 1280 else {
        throw wrong("--opt \(key)", value, "it is not from 68 (with IPv6 from 1280) to 65535")
      }
      record.mtu = mtu
    case ("com.docker.network.bridge.name", .bridge):
      record.device = try linkName(key, value)
    case ("com.docker.network.container_iface_prefix", _):
      throw wrong("--opt", key, "links in containers are always named eth0, eth1, …")
    case ("parent", .macvlan), ("parent", .ipvlan):
      record.device = try linkName(key, value)
      record.ownsDevice = false
    case ("macvlan_mode", .macvlan), ("ipvlan_mode", .ipvlan), ("mode", .macvlan),
      ("mode", .ipvlan):
      guard LinkMessages.mode(value, of: driver) != nil else {
        throw wrong(
          "--opt \(key)", value,
          driver == .macvlan
            ? "it is not bridge, private, vepa or passthru" : "it is not l2, l3 or l3s")
      }
      record.mode = value
    default:
      let known =
        driver == .bridge
        ? "mtu and com.docker.network.bridge.name" : "parent, mtu and \(driver.rawValue)_mode"
      throw wrong("--opt", key, "the driver \(driver.rawValue) has no such option, only \(known)")
    }
  }

  private func linkName(_ key: String, _ value: String) throws(Failure) -> String {
    let isValid =
      (1...15).contains(value.utf8.count) && value != "." && value != ".."
      && value.utf8.allSatisfy { $0 > 32 && $0 < 127 && $0 != 47 && $0 != 58 }
    guard isValid else {
      throw wrong("--opt \(key)", value, "it is not the name of a link (1 to 15 characters)")
    }
    return value
  }

  private func takeSubnets(into record: inout NetworkRecord) throws(Failure) {
    for text in subnets {
      if text.contains(":") {
        guard record.subnet6 == nil else { throw wrong("--subnet", text, "a second one of IPv6") }
        let subnet = try parsed("--subnet", text) { text throws(Failure) in
          try Subnet6(parsing: text)
        }
        guard subnet.length <= 126 else { throw wrong("--subnet", text, "it has no room") }
        record.subnet6 = subnet
      } else {
        guard record.subnet == nil else { throw wrong("--subnet", text, "a second one of IPv4") }
        let subnet = try parsed("--subnet", text) { text throws(Failure) in
          try Subnet(parsing: text)
        }
        guard subnet.length >= 4, subnet.leasable > 0 else {
          throw wrong("--subnet", text, "only prefix lengths from 4 to 30 have room for containers")
        }
        guard !subnet.base.isLoopback, subnet.base.value >> 28 < 14, subnet.base.value >> 24 != 0
        else { throw wrong("--subnet", text, "containers cannot have such addresses") }
        record.subnet = subnet
      }
    }
    if usesIPv6 && record.subnet6 == nil { record.subnet6 = .randomPrivate() }
    try takeRange(into: &record)
    for text in gateways { try takeGateway(text, into: &record) }
    if let subnet = record.subnet, record.gateway == nil { record.gateway = subnet.gateway }
    if let subnet = record.subnet6, record.gateway6 == nil { record.gateway6 = subnet.gateway }
  }

  private func takeRange(into record: inout NetworkRecord) throws(Failure) {
    for text in ranges {
      let range = try parsed("--ip-range", text) { text throws(Failure) in
        try Subnet(parsing: text)
      }
      guard record.range == nil else { throw wrong("--ip-range", text, "a second one") }
      guard let subnet = record.subnet, subnet.contains(range.base), range.length >= subnet.length
      else { throw wrong("--ip-range", text, "it does not lie in a --subnet") }
      record.range = range
    }
  }

  private func takeGateway(_ text: String, into record: inout NetworkRecord) throws(Failure) {
    if let address = IPv4Address(text), let subnet = record.subnet, subnet.contains(address),
      address != subnet.base, address != subnet.last
    {
      guard record.gateway == nil else { throw wrong("--gateway", text, "a second one of IPv4") }
      record.gateway = address
    } else if let address = IPv6Address(text), let subnet = record.subnet6,
      subnet.contains(address), address != subnet.base
    {
      guard record.gateway6 == nil else { throw wrong("--gateway", text, "a second one of IPv6") }
      record.gateway6 = address
    } else {
      throw wrong("--gateway", text, "it is not an address in a --subnet")
    }
  }

  private func parsed<Value>(
    _ flag: String, _ text: String, _ parse: (String) throws(Failure) -> Value
  ) throws(Failure) -> Value {
    do throws(Failure) { return try parse(text) } catch {
      throw Failure(
        .invalid, "create network", name, reason: "\(flag)=\(text): \(error.reason)",
        remedy: error.remedy)
    }
  }
}
