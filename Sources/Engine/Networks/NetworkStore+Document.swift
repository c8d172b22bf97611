import Linux
import Net

/// Docker's document of a network.
extension NetworkStore {
  /// A container's place on a network.
  public struct Member: Sendable {
    /// What it is.
    public let record: ContainerRecord
    /// What it is doing.
    public let state: ContainerState
    /// What it has there while it runs; nil otherwise.
    public let endpoint: EndpointState?
  }

  /// The containers of a network: those that run first, both in the order of their names.
  public func members(
    of network: NetworkRecord, _ users: [String: [ContainerRecord]]
  ) -> [Member] {
    let store = ContainerStore(installation)
    return (users[network.name] ?? []).map { record in
      let state = store.state(of: record)
      let endpoint = state.endpoints.first { $0.network == network.name }
      return Member(
        record: record, state: state, endpoint: state.status.isActive ? endpoint : nil)
    }.sorted {
      ($0.endpoint == nil ? 1 : 0, $0.record.name) < ($1.endpoint == nil ? 1 : 0, $1.record.name)
    }
  }

  /// What `network inspect` shows.
  public func document(
    _ network: NetworkRecord, _ users: [String: [ContainerRecord]]
  ) -> JSONValue {
    var pools: [JSONValue] = []
    if let subnet = network.subnet {
      var pool: [(key: String, value: JSONValue)] = [("Subnet", .string("\(subnet)"))]
      if let range = network.range { pool.append(("IPRange", .string("\(range)"))) }
      if let gateway = network.gateway { pool.append(("Gateway", .string("\(gateway)"))) }
      pools.append(.object(pool))
    }
    if let subnet = network.subnet6 {
      var pool: [(key: String, value: JSONValue)] = [("Subnet", .string("\(subnet)"))]
      if let gateway = network.gateway6 { pool.append(("Gateway", .string("\(gateway)"))) }
      pools.append(.object(pool))
    }
    let running = members(of: network, users).compactMap { member in
      member.endpoint.map { (member.record, $0) }
    }
    return .object([
      ("Name", .string(network.name)),
      ("Id", .string(network.id)),
      ("Created", .string(network.created.description)),
      ("Scope", .string("local")),
      ("Driver", .string(network.driver.rawValue)),
      ("EnableIPv4", .bool(true)),
      ("EnableIPv6", .bool(network.subnet6 != nil)),
      (
        "IPAM",
        .object([
          ("Driver", .string("default")), ("Options", .null), ("Config", .array(pools)),
        ])
      ),
      ("Internal", .bool(network.isInternal)),
      ("Attachable", .bool(false)),
      ("Ingress", .bool(false)),
      ("ConfigFrom", .object([("Network", .string(""))])),
      ("ConfigOnly", .bool(false)),
      ("Containers", .object(running.map { ($0.0.id, NetworkStore.container($0.0, $0.1)) })),
      ("Options", .object(NetworkStore.options(network))),
      ("Labels", .object(network.labels.map { ($0.key, .string($0.value)) })),
    ])
  }

  private static func container(
    _ record: ContainerRecord, _ endpoint: EndpointState
  ) -> JSONValue {
    .object([
      ("Name", .string(record.name)),
      ("EndpointID", .string(record.id)),
      ("MacAddress", .string(endpoint.macAddress)),
      ("IPv4Address", .string("\(endpoint.address)/\(endpoint.prefixLength)")),
      ("IPv6Address", .string(endpoint.address6.map { "\($0)/\(endpoint.prefixLength6)" } ?? "")),
    ])
  }

  // What was given, and the link's name, which docker shows so for its own bridge.
  private static func options(_ network: NetworkRecord) -> [(key: String, value: JSONValue)] {
    var options = network.options.map { ($0.key, JSONValue.string($0.value)) }
    let key = network.driver == .bridge ? "com.docker.network.bridge.name" : "parent"
    if !network.device.isEmpty, !network.options.contains(where: { $0.key == key }) {
      options.append((key, .string(network.device)))
    }
    return options.map { (key: $0.0, value: $0.1) }
  }
}
