import Linux

/// What the packet rules' sets should hold, as files of this boot: each is written before the kernel is
/// told and removed after it, so that nothing is in the sets that no file tells of.
///
///     <folder>/lock                  held by whoever changes sets or files
///     <folder>/installed             that the tables were in place in this boot; what a kernel
///                                    without filters for bridges lacks
///     <folder>/networks/<bridge>     a network
///     <folder>/endpoints/<address>   a container's connection, by its IPv4 address: who gets that
///                                    address next meets what a killed owner has left
struct FirewallRecords: Sendable {
  let folder: String

  var lockPath: String { folder + "/lock" }
  var installedPath: String { folder + "/installed" }
  /// Holds the bridge that the user was told of last (`LegacyBarrier.swift`).
  var legacyTold: String { folder + "/legacy-told" }
  private var networksFolder: String { folder + "/networks" }
  private var endpointsFolder: String { folder + "/endpoints" }

  func path(_ address: IPv4Address) -> String { "\(endpointsFolder)/\(address)" }
  func path(bridge: String) -> String { "\(networksFolder)/\(bridge)" }

  /// Makes the folders.
  func prepare() throws(Failure) {
    if Files.exists(endpointsFolder) { return }
    try Files.makeDirectories(networksFolder)
    try Files.makeDirectories(endpointsFolder)
  }

  /// What the tables were installed with; nil when they were not, in this boot.
  func installed() -> FirewallInstallation? {
    guard let text = try? FieldText(file: installedPath) else { return nil }
    return FirewallInstallation(filtersPorts: text["ports"] != "unfiltered")
  }

  func write(_ installed: FirewallInstallation) throws(Failure) {
    var text = FieldText()
    text.add("ports", installed.filtersPorts ? "filtered" : "unfiltered")
    try Files.replace(installedPath, with: text.bytes)
  }

  /// All networks; a file that cannot be read is none.
  func networks() -> [FirewallNetwork] {
    ((try? Files.list(networksFolder)) ?? []).sorted()
      // A killed process may have left the beginning of a file.
      .filter { !$0.hasSuffix(".tmp") }.compactMap { network($0) }
  }

  func network(_ bridge: String) -> FirewallNetwork? {
    guard let text = try? FieldText(file: path(bridge: bridge)) else { return nil }
    return FirewallNetwork(text, bridge: bridge)
  }

  /// All endpoints.
  func endpoints() -> [FirewallEndpoint] {
    ((try? Files.list(endpointsFolder)) ?? []).compactMap { name in
      IPv4Address(name).flatMap { endpoint($0) }
    }
  }

  func endpoint(_ address: IPv4Address) -> FirewallEndpoint? {
    guard let text = try? FieldText(file: path(address)) else { return nil }
    return FirewallEndpoint(text, address: address)
  }

  func write(_ network: FirewallNetwork) throws(Failure) {
    try Files.replace(path(bridge: network.bridge), with: network.fields.bytes)
  }

  func write(_ endpoint: FirewallEndpoint) throws(Failure) {
    try Files.replace(path(endpoint.address), with: endpoint.fields.bytes)
  }

  func remove(_ address: IPv4Address) throws(Failure) { try Files.remove(path(address)) }
  func remove(bridge: String) throws(Failure) { try Files.remove(path(bridge: bridge)) }
}

/// How the tables were put in place.
struct FirewallInstallation: Sendable, Equatable {
  /// Whether this kernel has nf_tables for bridges (CONFIG_NF_TABLES_BRIDGE).
  var filtersPorts = true
}

extension FirewallNetwork {
  fileprivate var fields: FieldText {
    var text = FieldText()
    text.add("subnet", subnet.description)
    text.add("gateway", gateway.description)
    text.add("subnet6", subnet6?.description)
    if isInternal { text.add("internal", "1") }
    return text
  }

  fileprivate init?(_ text: FieldText, bridge: String) {
    guard let subnet = text["subnet"].flatMap({ try? Subnet(parsing: $0) }),
      let gateway = text["gateway"].flatMap({ IPv4Address($0) })
    else { return nil }
    self.init(
      bridge: bridge, subnet: subnet, gateway: gateway,
      subnet6: text["subnet6"].flatMap { try? Subnet6(parsing: $0) },
      isInternal: text["internal"] == "1")
  }
}

extension FirewallEndpoint {
  fileprivate var fields: FieldText {
    var text = FieldText()
    text.add("owner", owner)
    text.add("link", link)
    text.add("bridge", bridge)
    text.add("mac", mac.description)
    text.add("address6", address6?.description)
    text.add("port", ports.map(\.field))
    return text
  }

  fileprivate init?(_ text: FieldText, address: IPv4Address) {
    guard let owner = text["owner"], let link = text["link"], let bridge = text["bridge"],
      let mac = text["mac"].flatMap({ MACAddress($0) })
    else { return nil }
    self.init(
      owner: owner, link: link, bridge: bridge, mac: mac, address: address,
      address6: text["address6"].flatMap { IPv6Address($0) },
      ports: text.all("port").compactMap { PublishedPort(field: $0) })
  }
}

extension PublishedPort {
  /// "0.0.0.0 8080 80 tcp", as files hold it.
  public var field: String { "\(address) \(hostPort) \(containerPort) \(transport.rawValue)" }

  /// Reads ``field``.
  public init?(field: String) {
    let words = field.split(separator: " ")
    guard words.count == 4, let address = HostAddress(words[0]), let hostPort = UInt16(words[1]),
      let containerPort = UInt16(words[2]),
      let transport = TransportProtocol(rawValue: String(words[3]))
    else { return nil }
    self.init(
      address: address, hostPort: hostPort, containerPort: containerPort, transport: transport)
  }
}
