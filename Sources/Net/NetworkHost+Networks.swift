import CMnl
import Linux

/// What networks by name have on the host.
extension NetworkHost {
  /// Makes sure that a network's link on the host, forwarding and rules are in place, and returns it
  /// as it is set up. When nothing is missing the cost is one file, one query and a sysctl or two;
  /// the packet rules are looked at when the container is added to them.
  ///
  /// - Throws: ``Failure/Code/notFound`` when it has just been removed; ``Failure/Code/refused``
  ///   when its bridge was deleted and its subnet is used elsewhere by now.
  public func ensure(
    _ record: NetworkRecord, isAlive: (String) -> Bool, report: (String) -> Void
  ) throws(Failure) -> BridgeNetwork {
    if record.name == "bridge" {
      return try ensureBridge(checksRules: false, isAlive: isAlive, report: report)
    }
    if let found = quickCheck(record) { return found }
    let lock = try lockNetworks(shared: false)
    defer { _ = lock.raw }
    guard try network(named: record.name)?.id == record.id else {
      throw Failure(.notFound, "use network", record.name, reason: "it has just been removed")
    }
    if let found = quickCheck(record) { return found }
    let host = try lockHost()
    defer { _ = host.raw }
    var route = try NetlinkSocket.route()
    try checkCollision(record, &route)
    return try setUp(record, &route, isAlive, report)
  }

  private func described(_ record: NetworkRecord, index: Int32, mtu: Int) -> BridgeNetwork? {
    guard let subnet = record.subnet, let gateway = record.gateway else { return nil }
    var network = BridgeNetwork(
      name: record.name, device: record.device, index: index, subnet: subnet, gateway: gateway,
      mtu: mtu)
    network.range = record.range
    network.subnet6 = record.subnet6
    network.gateway6 = record.gateway6
    network.isInternal = record.isInternal
    network.driver = record.driver
    network.mode = record.mode
    return network
  }

  private func quickCheck(_ record: NetworkRecord) -> BridgeNetwork? {
    // Read from sysfs, which waits for no other process's work on links.
    guard let text = Files.text("/sys/class/net/\(record.device)/ifindex"), let index = Int32(text),
      let network = described(record, index: index, mtu: record.mtu ?? 1500)
    else { return nil }
    guard record.driver == .bridge else { return network }
    // A bridge that the packet rules do not know lets nothing through.
    guard firewall.records.network(record.device) != nil else { return nil }
    if !record.isInternal {
      guard Forwarding.isOn(.v4), record.subnet6 == nil || Forwarding.isOn(.v6) else { return nil }
    }
    guard var route = try? NetlinkSocket.route(), route.isLive(network) else { return nil }
    return network
  }

  // A network's subnet stays its own while its bridge is there; without it somebody else may have
  // taken it.
  private func checkCollision(
    _ record: NetworkRecord, _ route: inout NetlinkSocket
  ) throws(Failure) {
    guard record.driver == .bridge, let subnet = record.subnet else { return }
    let own = try route.link(named: record.device)?.index
    let taken = SubnetChoice.taken(
      addresses: try route.addresses(), routes: try route.routes(), own: own)
    if let other = taken.first(where: { $0.overlaps(subnet) }) {
      throw Failure(
        .refused, "set up network", record.name,
        reason: "its subnet \(subnet) overlaps the host's network \(other)",
        remedy: "remove that route or address, or remove the network and create it anew")
    }
  }

  /// Puts everything in place that is not. The caller holds the lock of the networks.
  func setUp(
    _ record: NetworkRecord, _ route: inout NetlinkSocket, _ isAlive: (String) -> Bool,
    _ report: (String) -> Void
  ) throws(Failure) -> BridgeNetwork {
    guard record.driver == .bridge else { return try setUpParent(record, &route) }
    guard let gateway = record.gateway, let subnet = record.subnet else {
      throw Failure(.corrupt, "set up network", record.name, reason: "its record has no subnet")
    }
    let device = record.device
    if try route.link(named: device) == nil {
      var batch = MessageBatch(capacity: 512)
      LinkMessages.addBridge(
        device, mac: MACAddress(for: gateway), mtu: record.mtu ?? 1500, group: HostRules.linkGroup,
        to: &batch)
      try route.exchange(&batch, "create bridge", device, tolerated: [ErrorNumber.exists])
    }
    guard let link = try route.link(named: device), link.kind == "bridge" else {
      throw Failure(
        .inUse, "create bridge", device, reason: "the host has another link of that name",
        remedy: "rename it with ip link set \(device) name NEWNAME")
    }
    if record.subnet6 == nil {
      try NetworkHost.disableIPv6(link: device)
    } else {
      try NetworkHost.enableIPv6(link: device)
    }
    var batch = MessageBatch(capacity: 512)
    LinkMessages.addAddress(gateway, in: subnet, index: link.index, to: &batch)
    if let subnet6 = record.subnet6, let gateway6 = record.gateway6 {
      LinkMessages.addAddress(gateway6, length: subnet6.length, index: link.index, to: &batch)
    }
    LinkMessages.setUp(index: link.index, to: &batch)
    try route.exchange(
      &batch, "set up bridge", "\(device) with \(gateway)", tolerated: [ErrorNumber.exists])
    let rules = FirewallNetwork(
      bridge: device, subnet: subnet, gateway: gateway, subnet6: record.subnet6,
      isInternal: record.isInternal)
    if let notice = try open(rules, isAlive: isAlive).notice { report(notice) }
    guard let network = described(record, index: link.index, mtu: link.mtu) else {
      throw Failure(.corrupt, "set up network", record.name, reason: "its record has no subnet")
    }
    return network
  }

  private func setUpParent(
    _ record: NetworkRecord, _ route: inout NetlinkSocket
  ) throws(Failure) -> BridgeNetwork {
    if record.ownsDevice, try route.link(named: record.device) == nil {
      var batch = MessageBatch(capacity: 256)
      LinkMessages.addDummy(record.device, mtu: record.mtu ?? 1500, to: &batch)
      try route.exchange(&batch, "create link", record.device, tolerated: [ErrorNumber.exists])
    }
    guard let link = try route.link(named: record.device) else {
      throw Failure(
        .notFound, "use network", record.name,
        reason: "its parent link \(record.device) does not exist any more",
        remedy: "make the link again, or remove the network")
    }
    // Nothing gets through a parent that is down; whose link it is decides about it.
    if record.ownsDevice {
      var batch = MessageBatch(capacity: 256)
      LinkMessages.setUp(index: link.index, to: &batch)
      try route.exchange(&batch, "set up", record.device)
    }
    guard
      let network = described(record, index: link.index, mtu: min(record.mtu ?? link.mtu, link.mtu))
    else {
      throw Failure(.corrupt, "set up network", record.name, reason: "its record has no subnet")
    }
    return network
  }

  /// Removes what a network has on the host; it may be repeated.
  func tearDown(_ record: NetworkRecord) throws(Failure) {
    guard record.ownsDevice else { return }
    if record.driver == .bridge { try firewall.removeNetwork(bridge: record.device) }
    var route = try NetlinkSocket.route()
    var batch = MessageBatch(capacity: 256)
    LinkMessages.delete(record.device, to: &batch)
    try route.exchange(
      &batch, "delete link", record.device, tolerated: [ErrorNumber.noDevice])
  }
}
