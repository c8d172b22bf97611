import Linux
import Net

/// `minidock network connect` and `disconnect`.
public struct NetworkConnection {
  let installation: Installation
  let store: ContainerStore
  let networks: ContainerNetworks

  /// Changes connections in an installation.
  public init(_ installation: Installation) {
    self.installation = installation
    store = ContainerStore(installation)
    networks = ContainerNetworks(installation)
  }

  /// Connects a container with a network: at once when it runs, and at each of its starts.
  ///
  /// - Throws: ``Failure/Code/exists`` when it is connected already; ``Failure/Code/refused`` for a
  ///   container that shares another's network or the host's.
  public func connect(
    container text: String, to wish: NetworkAttachment
  ) throws(Failure) {
    let network = try networks.host.find(network: wish.network)
    try checkManaged(network, "connect")
    var wish = wish
    wish.network = network.name
    for alias in wish.aliases { _ = try NameBook.checked(alias) }
    let lock = try store.lock(try store.find(text).id)
    defer { _ = lock }
    var record = try reread(text)
    guard record.network.ownsNamespace else {
      throw Failure(
        .refused, "connect container", record.name,
        reason: "its network is \(record.network.name), not its own",
        remedy: "create the container with --network \(network.name)")
    }
    if record.attachments.contains(where: { $0.network == network.name }) {
      guard isHalfMade(record, network) else {
        throw Failure(
          .exists, "connect container", record.name,
          reason: "it is connected to network \(network.name) already")
      }
      networks.forget(record.id, network)
      record.attachments.removeAll { $0.network == network.name }
    }
    record.attachments.append(wish)
    let previous = record.network
    if record.network == .none || record.attachments.count == 1 {
      record.network = try NetworkMode(network.name)
    }
    if var run = store.runFile(of: record.id), run.process?.isAlive == true {
      // Remembered first: what a kill leaves half made is made whole by the next start or `connect`, or
      // undone by `disconnect`.
      try store.write(record)
      do throws(Failure) { try connect(record, wish, &run) } catch {
        networks.forget(record.id, network)
        record.attachments.removeLast()
        record.network = previous
        try? store.write(record)
        throw error
      }
      wakeMonitor(record)
    } else {
      try store.write(record)
    }
    note("connect", network, record)
  }

  // The names, which the default network does without, come last; before them the packet rules.
  private func isHalfMade(_ record: ContainerRecord, _ network: NetworkRecord) -> Bool {
    guard let run = store.runFile(of: record.id), run.process?.isAlive == true else { return false }
    guard let state = run.endpoints.first(where: { $0.network == network.name }) else {
      return true
    }
    if network.name != "bridge" {
      return !installation.nameBook.isEntered(owner: record.id, network: network.name)
    }
    return !networks.host.firewall.endpoints().contains {
      $0.owner == record.id && "\($0.address)" == state.address
    }
  }

  private func connect(
    _ record: ContainerRecord, _ wish: NetworkAttachment, _ run: inout RunFile
  ) throws(Failure) {
    guard let process = run.process else { return }
    let namespace = try networks.namespace(ofContainer: record.id)
    let taken = run.endpoints.map(\.link)
    let number = (0...).first { !taken.contains("eth\($0)") } ?? taken.count
    let reserved = try networks.reserve(wish, owner: record.id, link: "eth\(number)")
    guard process.isAlive else {
      throw Failure(.inUse, "connect container", record.name, reason: "it has just ended")
    }
    run.endpoints.append(EndpointState(reserved.endpoint, networkID: reserved.networkID))
    run.takeFirst()
    // Written before the link is there: a list then shows what is about to be.
    try store.write(run, of: record.id)
    try networks.attach([reserved], owner: record.id, netns: namespace.raw)
    try networks.enterNames([reserved], of: record)
  }

  /// Disconnects a container from a network: at once when it runs, and for its later starts.
  ///
  /// - Parameter force: a container or connection that is gone is no failure.
  public func disconnect(
    container text: String, from networkText: String, force: Bool
  ) throws(Failure) {
    let network = try networks.host.find(network: networkText)
    try checkManaged(network, "disconnect")
    let lock = try store.lock(try store.find(text).id)
    defer { _ = lock }
    var record = try reread(text)
    let had = record.attachments.count
    record.attachments.removeAll { $0.network == network.name }
    let run = store.runFile(of: record.id)
    let isRunning = run?.process?.isAlive == true
    guard
      had > record.attachments.count
        || run?.endpoints.contains(where: { $0.network == network.name }) == true
    else {
      if force { return }
      throw Failure(
        .notFound, "disconnect container", record.name,
        reason: "it is not connected to network \(network.name)")
    }
    if isRunning, var run { try disconnect(record, network, &run) }
    if let first = record.attachments.first {
      record.network = try NetworkMode(first.network)
    } else {
      record.network = .none
    }
    try store.write(record)
    note("disconnect", network, record)
  }

  private func disconnect(
    _ record: ContainerRecord, _ network: NetworkRecord, _ run: inout RunFile
  ) throws(Failure) {
    try? installation.nameBook.remove(owner: record.id, network: network.name)
    let namespace = try networks.namespace(ofContainer: record.id)
    let link = run.endpoints.first { $0.network == network.name }?.link ?? ""
    try networks.host.detach(
      owner: record.id, netns: namespace.raw, network: network, link: link)
    run.endpoints.removeAll { $0.network == network.name }
    run.takeFirst()
    // The default route may have gone with the link: the next network with a way out gets it.
    try networks.host.restoreRoutes(
      netns: namespace.raw,
      routes: run.endpoints.map { ($0.link, $0.gateway, $0.gateway6) })
    try store.write(run, of: record.id)
    try networks.host.release(owner: record.id, on: network.name)
    // The rules of its published ports have gone with the address that they led to.
    guard !run.ports.isEmpty, let next = run.endpoints.first(where: { $0.gateway != nil }),
      let address = IPv4Address(next.address)
    else { return }
    let store = store
    try networks.host.firewall.publish(
      run.ports, at: address, owner: record.id, isAlive: { store.mayBeAlive($0) })
  }

  // MARK: -

  private func reread(_ text: String) throws(Failure) -> ContainerRecord {
    guard let record = try store.read(try store.find(text).id) else {
      throw Failure(.notFound, "find container", text, reason: "it has just been removed")
    }
    return record
  }

  private func checkManaged(_ network: NetworkRecord, _ operation: String) throws(Failure) {
    guard network.driver != .host, network.driver != .none else {
      throw Failure(
        .refused, "\(operation) network", network.name,
        reason: "containers use it from their start or not at all",
        remedy: "create the container with --network \(network.name)")
    }
  }

  private func note(_ action: String, _ network: NetworkRecord, _ record: ContainerRecord) {
    EventLog(installation).append([
      Event(
        type: "network", action, id: network.id,
        [("container", record.id), ("name", network.name), ("type", network.driver.rawValue)])
    ])
  }

  private func wakeMonitor(_ record: ContainerRecord) { ContainerStop(installation).wake(record) }
}

extension ContainerNetworks {
  /// Takes back what a connection that failed half-way has made.
  func forget(_ owner: String, _ network: NetworkRecord) {
    try? installation.nameBook.remove(owner: owner, network: network.name)
    if var run = store.runFile(of: owner) {
      if let namespace = try? namespace(ofContainer: owner) {
        let link = run.endpoints.first { $0.network == network.name }?.link ?? ""
        try? host.detach(owner: owner, netns: namespace.raw, network: network, link: link)
      }
      run.endpoints.removeAll { $0.network == network.name }
      run.takeFirst()
      try? store.write(run, of: owner)
    }
    try? host.release(owner: owner, on: network.name)
  }
}
