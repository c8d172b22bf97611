import CMnl
import Linux

/// What of a network a container asks for; nil of all leaves the choice to minidock.
public struct LeaseRequest: Sendable, Equatable {
  /// An address of the subnet.
  public var address: IPv4Address?
  /// An address of the IPv6 subnet.
  public var address6: IPv6Address?
  /// The Ethernet address.
  public var mac: MACAddress?

  /// Nothing in particular.
  public init() {}
}

/// One link of a container: where it leads, what it has, and its name inside.
public struct Endpoint: Sendable, Equatable {
  /// Where it leads.
  public let network: BridgeNetwork
  /// The addresses that it has.
  public let lease: Lease
  /// "eth0", "eth1", …
  public let link: String

  /// A link that ``NetworkHost/attach(owner:netns:endpoint:)`` makes.
  public init(network: BridgeNetwork, lease: Lease, link: String) {
    self.network = network
    self.lease = lease
    self.link = link
  }

  /// Whether the container's default route can lead through it.
  var hasRoute: Bool { !network.isInternal }
}

extension NetworkHost {
  /// The leases of a network's IPv4 addresses.
  func leases(_ network: String) -> LeaseBook {
    LeaseBook(folder: runRoot + "/leases/" + network)
  }

  /// The leases of a network's IPv6 addresses.
  func leases6(_ network: String) -> LeaseBook {
    LeaseBook(folder: runRoot + "/leases6/" + network)
  }

  /// Makes sure that a network is set up and reserves addresses on it, as
  /// ``lease(owner:on:isAlive:)`` does.
  ///
  /// - Parameter report: told what another program had removed.
  /// - Throws: ``Failure/Code/invalid`` for a wanted address that is not in the network;
  ///   ``Failure/Code/inUse`` when another owner has it; ``Failure/Code/notFound`` when the network
  ///   has just been removed.
  public func reserve(
    owner: String, on record: NetworkRecord, _ request: LeaseRequest, isAlive: (String) -> Bool,
    report: (String) -> Void
  ) throws(Failure) -> (network: BridgeNetwork, lease: Lease) {
    let network = try ensure(record, isAlive: isAlive, report: report)
    if record.isPredefined {
      return (network, try lease(owner: owner, on: network, request, isAlive))
    }
    // Until the lease stands, which keeps the network from being removed.
    let lock = try lockNetworks(shared: true)
    defer { _ = lock.raw }
    guard try self.network(named: record.name)?.id == record.id else {
      throw Failure(.notFound, "use network", record.name, reason: "it has just been removed")
    }
    return (network, try lease(owner: owner, on: network, request, isAlive))
  }

  private func lease(
    owner: String, on network: BridgeNetwork, _ request: LeaseRequest, _ isAlive: (String) -> Bool
  ) throws(Failure) -> Lease {
    func outside(_ address: String, _ subnet: String) -> Failure {
      Failure(
        .invalid, "use address", address,
        reason: "containers of network \(network.name) (\(subnet)) cannot have it",
        remedy: "choose another one inside that subnet")
    }
    let pool = LeasePool(network.subnet, range: network.range, gateway: network.gateway)
    if let wanted = request.address, !pool.isValid("\(wanted)") {
      throw outside("\(wanted)", "\(network.subnet)")
    }
    if let wanted = request.address6,
      network.subnet6?.contains(wanted) != true
        || wanted == network.gateway6
    {
      throw outside("\(wanted)", network.subnet6.map { "\($0)" } ?? "without IPv6")
    }
    let text = try leases(network.name).lease(
      owner: owner, in: pool, wanted: request.address.map { "\($0)" }, isAlive: isAlive)
    guard let address = IPv4Address(text) else {
      throw Failure(.corrupt, "lease address in", network.name, reason: "\(text) is none")
    }
    var lease = Lease(address, in: network.subnet, gateway: network.gateway)
    if let mac = request.mac { lease.mac = mac }
    guard let subnet6 = network.subnet6, let gateway6 = network.gateway6 else { return lease }
    let pool6 = LeasePool(
      subnet6, gateway: gateway6, beside: address.value - network.subnet.base.value)
    let text6 = try leases6(network.name).lease(
      owner: owner, in: pool6, wanted: request.address6.map { "\($0)" }, isAlive: isAlive)
    lease.address6 = IPv6Address(text6)
    lease.prefixLength6 = subnet6.length
    lease.gateway6 = gateway6
    return lease
  }

  /// Gives back `owner`'s addresses on one network and what the packet rules know of them; one that
  /// has none is no failure.
  public func release(owner: String, on network: String) throws(Failure) {
    let book = leases(network)
    if let address = book.address(of: owner) {
      try firewall.removeEndpoint(address, owner: owner)
    }
    try leases6(network).release(owner: owner)
    try book.release(owner: owner)
  }

  /// The same on every network.
  public func release(owner: String) throws(Failure) {
    for network in (try? Files.list(runRoot + "/leases")) ?? [] {
      try release(owner: owner, on: network)
    }
  }

  /// Who has an address of any network.
  public func owners() -> [String] {
    ((try? Files.list(runRoot + "/leases")) ?? []).flatMap { leases($0).owners() }
  }

  /// Who has an address of a network.
  public func owners(network: String) -> [String] { leases(network).owners() }

  /// The host's end of the veth pair that connects a container with a network.
  ///
  /// On the default network named by the container, on others by a digest of both.
  public static func hostLinkName(owner: String, network: String) -> String {
    if network == "bridge" { return hostLinkName(owner: owner) }
    let digest = hex(withUnsafeBytes(of: hash("\(owner)/\(network)").bigEndian, Array.init))
    return "veth" + digest.prefix(11)
  }

  /// Makes a connection known to the packet rules, once it is attached.
  ///
  /// - Parameter ports: what is published of the container on this network.
  /// - Returns: what another program had removed; nil when nothing.
  public func open(
    owner: String, _ endpoint: Endpoint, ports: [PublishedPort] = [], isAlive: (String) -> Bool
  ) throws(Failure) -> String? {
    let (network, lease) = (endpoint.network, endpoint.lease)
    guard network.driver == .bridge else { return nil }
    return try firewall.add(
      FirewallEndpoint(
        owner: owner, link: NetworkHost.hostLinkName(owner: owner, network: network.name),
        bridge: network.device, mac: lease.mac, address: lease.address, address6: lease.address6,
        ports: ports), isAlive: isAlive
    ).notice
  }

  /// Connects the network namespace behind `netns` with one network: its link is made there, down.
  ///
  /// - Throws: the kernel's failure; EEXIST when the namespace has a link of that name already.
  public func attach(owner: String, netns: Int32, endpoint: Endpoint) throws(Failure) {
    var socket = try NetlinkSocket.route()
    let network = endpoint.network
    guard network.driver != .bridge else {
      return try attach(
        owner: owner, netns: netns, to: network, lease: endpoint.lease, link: endpoint.link,
        netlink: &socket)
    }
    guard let mode = LinkMessages.mode(network.mode, of: network.driver) else {
      throw Failure(
        .corrupt, "use network", network.name, reason: "its mode \(network.mode) is unknown")
    }
    var batch = MessageBatch(capacity: 512)
    LinkMessages.addSlave(
      endpoint.link, kind: network.driver.rawValue, mode: mode,
      mac: network.driver == .macvlan ? endpoint.lease.mac : nil, parent: network.index,
      netns: netns, mtu: network.mtu, to: &batch)
    do throws(Failure) {
      try socket.exchange(&batch, "create \(network.driver.rawValue) link on", network.device)
    } catch  where error.errno == ErrorNumber.busy {
      throw error.withRemedy(
        "a link cannot be the parent of macvlan, ipvlan and a bridge at the same time")
    } catch  where error.errno == ErrorNumber.notSupported {
      throw error.withRemedy(
        "this kernel has no \(network.driver.rawValue) links, or their module is not loaded: "
          + "use another --driver")
    }
  }

  /// Disconnects a container from a network: its link goes with everything that it has. One that is
  /// gone already is no failure.
  ///
  /// - Parameter netns: the container's network namespace.
  public func detach(
    owner: String, netns: Int32, network: NetworkRecord, link: String
  ) throws(Failure) {
    var batch = MessageBatch(capacity: 256)
    if network.driver == .bridge {
      var socket = try NetlinkSocket.route()
      let name = NetworkHost.hostLinkName(owner: owner, network: network.name)
      LinkMessages.delete(name, to: &batch)
      try socket.exchange(&batch, "delete link", name, tolerated: [ErrorNumber.noDevice])
    } else {
      var socket = try NetlinkSocket.open(inNamespaceOf: netns)
      LinkMessages.delete(link, to: &batch)
      try socket.exchange(&batch, "delete link", link, tolerated: [ErrorNumber.noDevice])
    }
  }

  /// Configures the namespace behind `netns` from outside, after its links were made: loopback up;
  /// each link with its addresses, up; the default route by the first that has one.
  ///
  /// Router advertisements are accepted on none of them, and IPv6 is off on those of networks
  /// without it: any neighbour could otherwise make itself the router (CVE-2020-13401).
  public func configure(netns: Int32, endpoints: [Endpoint]) throws(Failure) {
    var socket = try NetworkNamespace.inside(netns) { () throws(Failure) in
      for endpoint in endpoints {
        if endpoint.lease.address6 == nil {
          try NetworkHost.disableIPv6(link: endpoint.link)
        } else {
          try NetworkHost.enableIPv6(link: endpoint.link)
        }
      }
      return try NetlinkSocket.route()
    }
    var first = MessageBatch(capacity: 512)
    LinkMessages.setUp(index: 1, to: &first)
    for endpoint in endpoints { LinkMessages.get(endpoint.link, to: &first) }
    let links = try socket.exchange(&first, "set up", "loopback and links")
      .compactMap(Link.init)
    var second = MessageBatch(capacity: 1024)
    for endpoint in endpoints {
      guard let link = links.first(where: { $0.name == endpoint.link }) else {
        throw Failure(
          .corrupt, "set up", endpoint.link, reason: "the kernel's answer has no such link")
      }
      try NetworkHost.configure(endpoint.lease, link.index, &second)
    }
    NetworkHost.addDefaultRoutes(endpoints, links, &second)
    let names = endpoints.map { "\($0.link) with \($0.lease.address)" }.joined(separator: ", ")
    try socket.exchange(
      &second, "set up", names.isEmpty ? "loopback" : names, tolerated: [ErrorNumber.exists])
  }

  private static func configure(
    _ lease: Lease, _ index: Int32, _ batch: inout MessageBatch
  ) throws(Failure) {
    guard let subnet = Subnet(containing: lease.address, length: lease.prefixLength) else {
      throw Failure(.corrupt, "set up", "\(lease.address)", reason: "its prefix length is none")
    }
    LinkMessages.addAddress(lease.address, in: subnet, index: index, to: &batch)
    if let address6 = lease.address6 {
      LinkMessages.addAddress(address6, length: lease.prefixLength6, index: index, to: &batch)
    }
    LinkMessages.setUp(index: index, to: &batch)
  }

  // By one link only: the kernel refuses a second route to the same (EEXIST).
  private static func addDefaultRoutes(
    _ endpoints: [Endpoint], _ links: [Link], _ batch: inout MessageBatch
  ) {
    func index(_ endpoint: Endpoint) -> Int32? {
      links.first { $0.name == endpoint.link }?.index
    }
    let routed = endpoints.filter(\.hasRoute)
    if let endpoint = routed.first, let index = index(endpoint) {
      if endpoint.network.isRoutedDirectly {
        LinkMessages.addDirectDefaultRoute(index: index, to: &batch)
      } else {
        LinkMessages.addDefaultRoute(gateway: endpoint.lease.gateway, index: index, to: &batch)
      }
    }
    if let endpoint = routed.first(where: { $0.lease.address6 != nil }), let index = index(endpoint)
    {
      LinkMessages.addDefaultRoute(
        gateway: endpoint.network.isRoutedDirectly ? nil : endpoint.lease.gateway6, index: index,
        to: &batch)
    }
  }

  /// Turns IPv6 on for a link of this process's network namespace, with addresses that minidock
  /// gives and nothing that a neighbour says.
  static func enableIPv6(link: String) throws(Failure) {
    for (key, value) in [("accept_ra", "0"), ("disable_ipv6", "0")] {
      do throws(Failure) {
        try Files.write(value, into: "/proc/sys/net/ipv6/conf/\(link)/\(key)")
      } catch  where error.errno == ErrorNumber.noEntry {
        throw Failure(
          .unsupported, "use IPv6 on", link, reason: "the kernel has no IPv6",
          remedy: "boot without ipv6.disable=1, or create the network without --ipv6")
      }
    }
  }
}
