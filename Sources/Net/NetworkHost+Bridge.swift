import CMnl
import Linux

extension NetworkHost {
  /// Makes sure that the bridge, IPv4 forwarding and the packet rules are in place, and returns the
  /// network. What is missing (never made, or deleted or flushed by somebody) is put in place, by
  /// one process at a time; when nothing is, the cost is a file, a query that takes no lock of the
  /// kernel's, and a sysctl.
  ///
  /// - Parameters:
  ///   - checksRules: looks at the packet rules too, which a start does when it adds its container.
  ///   - isAlive: whether an owner may still use its address.
  ///   - report: told what another program had removed.
  /// - Throws: the kernel's refusals (EPERM without CAP_NET_ADMIN), ``Failure/Code/refused`` when
  ///   no subnet is free, ``Failure/Code/inUse`` when a link that is no bridge has the device's name.
  public func ensureBridge(
    checksRules: Bool = true, isAlive: (String) -> Bool = { _ in true },
    report: (String) -> Void = { _ in }
  ) throws(Failure) -> BridgeNetwork {
    func quickly() throws(Failure) -> BridgeNetwork? {
      guard let found = try quickCheck() else { return nil }
      if checksRules, let notice = try firewall.check(isAlive: isAlive).notice { report(notice) }
      return found.network
    }
    if let found = try quickly() { return found }
    try Files.makeDirectories(Files.parent(of: lockPath))
    let lock = try FileLock.acquire(lockPath)
    defer { _ = lock.raw }
    // Whoever had the lock has most likely put everything in place.
    if let found = try quickly() { return found }
    return try repair(isAlive, report)
  }

  /// What was found in place last, if it still is.
  private func quickCheck() throws(Failure) -> BridgeFound? {
    guard let found = try BridgeFound.read(foundPath), found.network.device == device,
      Forwarding.isOn(.v4)
    else { return nil }
    var route = try NetlinkSocket.route()
    return route.isLive(found.network) ? found : nil
  }

  /// Puts everything in place that is not. The caller holds the lock.
  private func repair(
    _ isAlive: (String) -> Bool, _ report: (String) -> Void
  ) throws(Failure) -> BridgeNetwork {
    let host = try lockHost()
    defer { _ = host.raw }
    var route = try NetlinkSocket.route()
    var record = try BridgeRecord.read(recordPath)
    var refused: [Subnet] = []
    while true {
      let choice = try chooseSubnet(&route, recorded: record?.subnet, refused: refused)
      let subnet = choice.subnet
      let wanted = BridgeRecord(subnet: subnet, device: device, table: table)
      // What is about to be changed on the host is recorded first.
      try forwarding.prepare(.v4)
      if wanted != record { try wanted.write(recordPath) }
      record = wanted
      let network = try makeBridge(&route, subnet: subnet)
      // A live bridge keeps its address, whatever has come since: containers use it.
      if !choice.isInUse, try collides(&route, network) {
        var batch = MessageBatch(capacity: 256)
        LinkMessages.removeAddress(
          network.gateway, in: subnet, index: network.index, to: &batch)
        try route.exchange(&batch, "remove address", "\(network.gateway)")
        refused.append(subnet)
        continue
      }
      let known = FirewallNetwork(bridge: device, subnet: subnet, gateway: network.gateway)
      if let notice = try open(known, isAlive: isAlive).notice { report(notice) }
      let found = BridgeFound(network: network)
      try found.write(foundPath)
      return network
    }
  }

  /// Lets a network whose bridge exists reach out: packet rules first, then forwarding, so that the
  /// host at no time routes for others (unless it did before). To be called whenever the bridge was
  /// made or found changed; repeating it is no failure.
  ///
  /// - Parameter isAlive: whether an endpoint's owner may still use it.
  /// - Throws: the kernel's refusals.
  @discardableResult
  public func open(
    _ network: FirewallNetwork, isAlive: (String) -> Bool
  ) throws(Failure) -> Firewall.Repair {
    let families: [Forwarding.Family] =
      network.isInternal ? [] : network.subnet6 == nil ? [.v4] : [.v4, .v6]
    for family in families { try forwarding.prepare(family) }
    let repair = try firewall.add(network, isAlive: isAlive)
    for family in families where !Forwarding.isOn(family) { try Forwarding.set(true, family) }
    if !network.isInternal { try Forwarding.turnOn(link: network.bridge) }
    return repair
  }

  /// The recorded subnet if the bridge has it (`isInUse`) or it collides with nothing, else a free
  /// one.
  private func chooseSubnet(
    _ route: inout NetlinkSocket, recorded: Subnet?, refused: [Subnet]
  ) throws(Failure) -> (subnet: Subnet, isInUse: Bool) {
    let link = try route.link(named: device)
    if let link, link.kind != "bridge" {
      throw Failure(
        .inUse, "create bridge", device,
        reason: "the host has a \(link.kind.isEmpty ? "physical" : link.kind) link of that name",
        remedy: "rename it with ip link set \(device) name NEWNAME")
    }
    let addresses = try route.addresses()
    if let recorded, let link,
      addresses.contains(where: { $0.index == link.index && $0.address == recorded.gateway })
    {
      return (recorded, true)
    }
    let taken =
      SubnetChoice.taken(addresses: addresses, routes: try route.routes(), own: link?.index)
      + refused
    if let recorded, !taken.contains(where: { $0.overlaps(recorded) }) { return (recorded, false) }
    return (
      try SubnetChoice.choose(start: subnetStart, taken: taken, network: "bridge"), false
    )
  }

  /// The bridge with its address, up; whichever of that is missing is added.
  private func makeBridge(
    _ route: inout NetlinkSocket, subnet: Subnet
  ) throws(Failure) -> BridgeNetwork {
    let gateway = subnet.gateway
    if try route.link(named: device) == nil {
      var batch = MessageBatch(capacity: 512)
      LinkMessages.addBridge(
        device, mac: MACAddress(for: gateway), mtu: try uplinkMTU(&route),
        group: HostRules.linkGroup, to: &batch)
      try route.exchange(&batch, "create bridge", device, tolerated: [ErrorNumber.exists])
    }
    guard let link = try route.link(named: device) else {
      throw Failure(.inUse, "create bridge", device, reason: "another process deletes it")
    }
    try NetworkHost.disableIPv6(link: device)
    var batch = MessageBatch(capacity: 512)
    LinkMessages.addAddress(gateway, in: subnet, index: link.index, to: &batch)
    LinkMessages.setUp(index: link.index, to: &batch)
    try route.exchange(
      &batch, "set up bridge", "\(device) with \(gateway)", tolerated: [ErrorNumber.exists])
    return BridgeNetwork(
      name: "bridge", device: device, index: link.index, subnet: subnet, gateway: gateway,
      mtu: link.mtu)
  }

  /// The MTU of the link of the default route, 1500 where there is none.
  func uplinkMTU(_ route: inout NetlinkSocket) throws(Failure) -> Int {
    let uplink = try route.routes().first { $0.destination.length == 0 && $0.index > 0 }
    guard let uplink, let mtu = try route.link(index: uplink.index)?.mtu, mtu > 0 else {
      return 1500
    }
    return min(max(mtu, 576), 65535)
  }

  /// Whether another link has an overlapping network by now: a minidock root that shares no lock
  /// (``lockHost()``) may have chosen at the same moment. Each looks after it has set its own address, so at least one sees the
  /// other and steps aside.
  private func collides(
    _ route: inout NetlinkSocket, _ network: BridgeNetwork
  ) throws(Failure) -> Bool {
    try route.addresses().contains {
      $0.index != network.index && !$0.address.isLoopback && $0.subnet.overlaps(network.subnet)
    }
  }

  /// Undoes what ``ensureBridge(checksRules:isAlive:report:)`` did on the host: rules, bridge, and IPv4 forwarding if minidock
  /// turned it on in this boot and no other minidock bridge is left. The record goes last.
  public func removeBridge() throws(Failure) {
    try Files.makeDirectories(Files.parent(of: lockPath))
    let lock = try FileLock.acquire(lockPath)
    defer { _ = lock.raw }
    let host = try lockHost()
    defer { _ = host.raw }
    try Files.remove(foundPath)
    guard let record = try BridgeRecord.read(recordPath) else { return }
    var route = try NetlinkSocket.route()
    var batch = MessageBatch(capacity: 256)
    LinkMessages.delete(record.device, to: &batch)
    try route.exchange(
      &batch, "delete bridge", record.device, tolerated: [ErrorNumber.noDevice])
    let turnedOn = forwarding.turnedOn()
    // Another root's containers need forwarding: the rule that keeps the host closed stays, and with it
    // the records, until this is called with no other bridge left.
    let isNeeded = try route.links().contains { $0.group == HostRules.linkGroup }
    if isNeeded && !turnedOn.isEmpty { return try firewall.uninstall(staysClosed: true) }
    for family in turnedOn { try Forwarding.set(false, family) }
    try firewall.uninstall(staysClosed: false)
    try forwarding.remove()
    try Files.remove(recordPath)
  }
}

extension NetlinkConnection where Transport: ~Copyable {
  /// Whether the bridge is there, up and with its address, told by the routing entry that follows
  /// from them: this query waits for no other process's work on links.
  mutating func isLive(_ network: BridgeNetwork) -> Bool {
    var batch = MessageBatch(capacity: 256)
    // Any address but the bridge's own, which has a route for itself.
    let last = network.subnet.last.value - 1
    let probe = IPv4Address(value: last == network.gateway.value ? last - 1 : last)
    LinkMessages.findRoute(to: probe, to: &batch)
    guard let replies = try? exchange(&batch, "look up route"),
      let route = replies.compactMap(Route.init).first
    else { return false }
    return route.destination == network.subnet && route.index == network.index
      && route.source == network.gateway
  }
}
