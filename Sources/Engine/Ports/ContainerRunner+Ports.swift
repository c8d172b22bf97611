import Linux
import Net

extension ContainerRunner {
  /// Takes the host's ports that the user asks for, before anybody is told of the container. A container
  /// that its monitor starts again keeps those that it has.
  ///
  /// - Parameter lease: the addresses that they lead to; nil where no network is a bridge's.
  mutating func reservePorts(leadingTo lease: Lease?) throws(Failure) {
    if reservations == nil {
      let requests = options.portRequests(exposed: record.exposed)
      guard !requests.isEmpty, options.network.publishesPorts else { return }
      guard let lease else {
        throw Failure(
          .refused, "publish port", requests[0].key,
          reason:
            "no packet rules lead to a container on network \(options.network.name), which is no "
            + "bridge's: it has an address of its own there",
          remedy: "leave -p and -P out, or connect it to a bridge network as well")
      }
      let store = store
      reservations = try PortReservations.reserve(
        requests, defaultAddress: options.publishDefault, hasIPv6: lease.address6 != nil
      ) { store.name(ofMonitor: $0) }
    }
    run.ports = reservations?.ports ?? []
  }

  /// Lets the reserved ports lead to the container's address, which the packet rules know.
  func publishPorts(_ address: IPv4Address?) throws(Failure) {
    guard let address, !run.ports.isEmpty else { return }
    let store = store
    try installation.networkHost().firewall.publish(
      run.ports, at: address, owner: record.id, isAlive: { store.mayBeAlive($0) })
  }
}

extension NetworkMode {
  /// Whether a container's ports can be published: it has an address of its own.
  var publishesPorts: Bool {
    isManaged
  }
}

extension RunOptions {
  /// What `-p` and `-P` ask for together.
  ///
  /// - Parameter exposed: the container's ports that the image and `--expose` name.
  func portRequests(exposed: [String]) -> [PortRequest] {
    guard publishAll else { return publish }
    let named = Set(publish.map(\.key))
    return publish
      + exposed.filter { !named.contains($0) }.compactMap { text in
        guard let parsed = try? PortRequest.parse(publish: text) else { return nil }
        return parsed.first
      }
  }

  /// Words for a user whose ports cannot be published; nil when they can, or none are asked for.
  public var discardedPorts: String? {
    guard !publish.isEmpty || publishAll, !network.publishesPorts else { return nil }
    return "published ports are discarded: the container has no address of its own with --network "
      + network.name
  }
}

extension ContainerStore {
  /// The name of the container whose monitor has this process id; nil when there is none.
  func name(ofMonitor pid: Int32) -> String? {
    for id in (try? Files.list(installation.runs)) ?? [] where id.utf8.count == 64 {
      if runFile(of: id)?.monitor?.pid == pid { return (try? read(id))?.name }
    }
    return nil
  }
}
