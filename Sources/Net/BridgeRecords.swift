import Linux

/// What a minidock root remembers of its bridge network across boots.
struct BridgeRecord: Equatable {
  /// The subnet, used again as long as it collides with nothing.
  var subnet: Subnet
  let device: String
  let table: String

  /// The record at `path`; nil when there is none that can be used.
  static func read(_ path: String) throws(Failure) -> BridgeRecord? {
    guard let bytes = try Files.read(path, limit: 64 << 10) else { return nil }
    let text = FieldText(parsing: bytes)
    guard let subnet = text["subnet"].flatMap({ try? Subnet(parsing: $0) }), subnet.leasable > 0,
      let device = text["device"], let table = text["table"]
    else { return nil }
    return BridgeRecord(subnet: subnet, device: device, table: table)
  }

  /// Replaces the record at `path`, durably.
  func write(_ path: String) throws(Failure) {
    var text = FieldText()
    text.add("device", device)
    text.add("subnet", "\(subnet)")
    text.add("table", table)
    try Files.makeDirectories(Files.parent(of: path))
    try Files.replace(path, with: text.bytes, durable: true)
  }
}

/// What was found in place last: all that the quick check compares with the kernel.
struct BridgeFound: Equatable {
  var network: BridgeNetwork

  /// The state at `path`; nil when there is none that can be used.
  static func read(_ path: String) throws(Failure) -> BridgeFound? {
    guard let bytes = try Files.read(path, limit: 64 << 10) else { return nil }
    let text = FieldText(parsing: bytes)
    guard let device = text["device"], let index = text.number("index", as: Int32.self),
      let subnet = text["subnet"].flatMap({ try? Subnet(parsing: $0) }),
      let mtu = text.number("mtu", as: Int.self)
    else { return nil }
    let network = BridgeNetwork(
      name: "bridge", device: device, index: index, subnet: subnet, gateway: subnet.gateway,
      mtu: mtu)
    return BridgeFound(network: network)
  }

  /// Replaces the state at `path`.
  func write(_ path: String) throws(Failure) {
    var text = FieldText()
    text.add("device", network.device)
    text.add("index", network.index)
    text.add("subnet", "\(network.subnet)")
    text.add("mtu", network.mtu)
    try Files.makeDirectories(Files.parent(of: path))
    try Files.replace(path, with: text.bytes)
  }
}
