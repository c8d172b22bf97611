import Linux

/// What a minidock root remembers of its bridge network across boots.
struct BridgeRecord: Equatable {
  /// The subnet, used again as long as it collides with nothing.
  var subnet: Subnet
  /// The boot in which minidock turned IPv4 forwarding on (written before it does); nil when the
  /// host was a router already.
  var forwardingBoot: String?
  let device: String
  let table: String

  /// The record at `path`; nil when there is none that can be used.
  static func read(_ path: String) throws(Failure) -> BridgeRecord? {
    guard let bytes = try Files.read(path, limit: 64 << 10) else { return nil }
    let text = FieldText(parsing: bytes)
    guard let subnet = text["subnet"].flatMap({ try? Subnet(parsing: $0) }), subnet.leasable > 0,
      let device = text["device"], let table = text["table"]
    else { return nil }
    return BridgeRecord(
      subnet: subnet, forwardingBoot: text["forwarding-boot"], device: device, table: table)
  }

  /// Replaces the record at `path`, durably.
  func write(_ path: String) throws(Failure) {
    var text = FieldText()
    text.add("device", device)
    text.add("subnet", "\(subnet)")
    text.add("table", table)
    text.add("forwarding-boot", forwardingBoot)
    try Files.makeDirectories(Files.parent(of: path))
    try Files.replace(path, with: text.bytes, durable: true)
  }
}

/// What was found in place last: all that the quick check compares with the kernel.
struct BridgeFound: Equatable {
  var network: BridgeNetwork
  /// Whether the rules keep the rest of the host closed (`Ruleset.isClosed`).
  var isClosed: Bool
  /// The nf_tables transaction after which the rules were seen intact.
  var generation: UInt32

  /// The state at `path`; nil when there is none that can be used.
  static func read(_ path: String) throws(Failure) -> BridgeFound? {
    guard let bytes = try Files.read(path, limit: 64 << 10) else { return nil }
    let text = FieldText(parsing: bytes)
    guard let device = text["device"], let index = text.number("index", as: Int32.self),
      let subnet = text["subnet"].flatMap({ try? Subnet(parsing: $0) }),
      let mtu = text.number("mtu", as: Int.self),
      let generation = text.number("generation", as: UInt32.self), let closed = text["closed"]
    else { return nil }
    let network = BridgeNetwork(
      name: "bridge", device: device, index: index, subnet: subnet, gateway: subnet.gateway,
      mtu: mtu)
    return BridgeFound(network: network, isClosed: closed == "true", generation: generation)
  }

  /// Replaces the state at `path`.
  func write(_ path: String) throws(Failure) {
    var text = FieldText()
    text.add("device", network.device)
    text.add("index", network.index)
    text.add("subnet", "\(network.subnet)")
    text.add("mtu", network.mtu)
    text.add("closed", isClosed ? "true" : "false")
    text.add("generation", generation)
    try Files.makeDirectories(Files.parent(of: path))
    try Files.replace(path, with: text.bytes)
  }
}
