/// What a network or a container is in the sets of the two tables.
struct FirewallElements: Sendable {
  /// Of ``HostRules``.
  var host: [NftElement] = []
  /// Of ``PortRules``.
  var ports: [NftElement] = []

  /// Nothing.
  init() {}

  init(_ network: FirewallNetwork) {
    let bridge = NftElement.interface(network.bridge)
    host = [
      NftElement(set: "bridges", key: bridge), NftElement(set: "same_bridge", key: bridge + bridge),
    ]
    if network.isInternal { host.append(NftElement(set: "internal", key: bridge)) }
    let subnet = network.subnet
    host.append(NftElement(set: "subnets4", key: subnet.base.octets))
    if subnet.last.value != .max {
      let next = IPv4Address(value: subnet.last.value + 1).octets
      host.append(NftElement(set: "subnets4", key: next, endsInterval: true))
    }
    guard let subnet6 = network.subnet6 else { return }
    host.append(NftElement(set: "subnets6", key: subnet6.base.octets))
    let last = subnet6.last
    if last != IPv6Address(high: .max, low: .max) {
      let next = IPv6Address(
        high: last.high &+ (last.low == .max ? 1 : 0), low: last.low &+ 1)
      host.append(NftElement(set: "subnets6", key: next.octets, endsInterval: true))
    }
  }

  init(_ endpoint: FirewallEndpoint) {
    let port = NftElement.interface(endpoint.link) + NftElement.padded(endpoint.mac.bytes)
    ports = [NftElement(set: "addresses4", key: port + endpoint.address.octets)]
    let bridge = NftElement.interface(endpoint.bridge)
    host = [NftElement(set: "neighbours4", key: bridge + endpoint.address.octets)]
    if let address6 = endpoint.address6 {
      // Duplicate address detection and multicast group reports come from "::".
      for address in [address6, IPv6Address(linkLocalOf: endpoint.mac), .unspecified] {
        ports.append(NftElement(set: "addresses6", key: port + address.octets))
      }
      host.append(NftElement(set: "neighbours6", key: bridge + address6.octets))
    }
    for published in endpoint.ports {
      let service = [published.transport.number, 0, 0, 0] + NftElement.port(published.hostPort)
      let target = NftElement.port(published.containerPort)
      switch published.address {
      case .v4(let address):
        let isAny = address.value == 0
        host.append(
          NftElement(
            set: isAny ? "ports4" : "ports4_at", key: (isAny ? [] : address.octets) + service,
            data: endpoint.address.octets + target))
      case .v6(let address):
        guard let address6 = endpoint.address6 else { continue }
        let isAny = address == .unspecified
        host.append(
          NftElement(
            set: isAny ? "ports6" : "ports6_at", key: (isAny ? [] : address.octets) + service,
            data: address6.octets + target))
      }
    }
    // Elements of one set go into one message.
    host.sort { $0.set < $1.set }
  }

  /// The host was no router for packets of this family (NFPROTO_*) before minidock.
  static func closed(_ family: UInt8) -> NftElement { NftElement(set: "closed", key: [family]) }

  /// The number of the transaction up to which all changes were minidock's own.
  static func generation(_ number: UInt32) -> NftElement {
    NftElement(set: "generation", key: withUnsafeBytes(of: number) { [UInt8]($0) })
  }
}
