import Linux

/// A bridge network as the packet rules know it.
public struct FirewallNetwork: Sendable, Equatable {
  /// The bridge's link name, at most 15 bytes. It tells networks apart.
  public var bridge: String
  /// The network's IPv4 addresses, which overlap no other network's.
  public var subnet: Subnet
  /// The bridge's own IPv4 address.
  public var gateway: IPv4Address
  /// The network's IPv6 addresses; nil leaves it without IPv6.
  public var subnet6: Subnet6?
  /// docker's `--internal`: nothing of it is routed, neither out nor in.
  public var isInternal: Bool

  /// A network.
  public init(
    bridge: String, subnet: Subnet, gateway: IPv4Address, subnet6: Subnet6? = nil,
    isInternal: Bool = false
  ) {
    self.bridge = bridge
    self.subnet = subnet
    self.gateway = gateway
    self.subnet6 = subnet6
    self.isInternal = isInternal
  }
}

/// The protocol of a published port.
public enum TransportProtocol: String, Sendable, Hashable, CaseIterable {
  case tcp
  case udp
  case sctp

  /// IPPROTO_*.
  public var number: UInt8 {
    switch self {
    case .tcp: 6
    case .udp: 17
    case .sctp: 132
    }
  }
}

/// A port of the host that leads to one of a container.
public struct PublishedPort: Sendable, Hashable {
  /// The address of the host that it is reached at.
  public enum HostAddress: Sendable, Hashable, CustomStringConvertible {
    /// An IPv4 address, 0.0.0.0 for all.
    case v4(IPv4Address)
    /// An IPv6 address, `::` for all.
    case v6(IPv6Address)

    /// "0.0.0.0", "::1".
    public var description: String {
      switch self {
      case .v4(let address): address.description
      case .v6(let address): address.description
      }
    }

    /// Parses an address of either family, without brackets.
    public init?(_ text: some StringProtocol) {
      if let address = IPv4Address(text) {
        self = .v4(address)
      } else if let address = IPv6Address(text) {
        self = .v6(address)
      } else {
        return nil
      }
    }
  }

  /// The host's address.
  public var address: HostAddress
  /// The host's port, 1 to 65535.
  public var hostPort: UInt16
  /// The container's port.
  public var containerPort: UInt16
  /// The protocol of both.
  public var transport: TransportProtocol

  /// A published port.
  public init(
    address: HostAddress, hostPort: UInt16, containerPort: UInt16, transport: TransportProtocol
  ) {
    self.address = address
    self.hostPort = hostPort
    self.containerPort = containerPort
    self.transport = transport
  }
}

/// A container's connection to a bridge network as the packet rules know it.
public struct FirewallEndpoint: Sendable, Equatable {
  /// The container's id: who has to be alive for the endpoint to stay.
  public var owner: String
  /// The host's end of the veth pair, a port of the bridge in link group
  /// ``NetworkHost/portGroup``. Packets from there must bear the addresses below.
  public var link: String
  /// The bridge's link name.
  public var bridge: String
  /// The Ethernet address of the container's end.
  public var mac: MACAddress
  /// The container's IPv4 address.
  public var address: IPv4Address
  /// The container's IPv6 address; nil leaves it without IPv6, link-local included.
  public var address6: IPv6Address?
  /// What is published. An entry for an IPv6 address of the host needs ``address6``.
  public var ports: [PublishedPort]

  /// A connection.
  public init(
    owner: String, link: String, bridge: String, mac: MACAddress, address: IPv4Address,
    address6: IPv6Address? = nil, ports: [PublishedPort] = []
  ) {
    self.owner = owner
    self.link = link
    self.bridge = bridge
    self.mac = mac
    self.address = address
    self.address6 = address6
    self.ports = ports
  }

  /// Whether a port is published on 127.0.0.1.
  var isReachedByLoopback: Bool {
    ports.contains {
      if case .v4(let address) = $0.address { return address.value == 0 || address.isLoopback }
      return false
    }
  }
}
