import Linux
import Net

/// A container's connections: leases, links, names; made at its start or while it runs, and undone.
struct ContainerNetworks {
  let installation: Installation
  let store: ContainerStore
  let host: NetworkHost

  init(_ installation: Installation) {
    self.installation = installation
    store = ContainerStore(installation)
    host = installation.networkHost()
  }

  /// A connection whose addresses are reserved.
  struct Reserved {
    let attachment: NetworkAttachment
    let endpoint: Endpoint
    let networkID: String
  }

  /// Reserves addresses on a network.
  func reserve(
    _ attachment: NetworkAttachment, owner: String, link: String
  ) throws(Failure) -> Reserved {
    let store = store
    guard let network = try host.network(named: attachment.network) else {
      throw Failure(
        .notFound, "use network", attachment.network, reason: "no such network",
        remedy: "make it with minidock network create \(attachment.network)")
    }
    let (found, lease) = try host.reserve(
      owner: owner, on: network, attachment.request, isAlive: { store.mayBeAlive($0) },
      report: ContainerNetworks.report)
    return Reserved(
      attachment: attachment, endpoint: Endpoint(network: found, lease: lease, link: link),
      networkID: network.id)
  }

  /// Reserves addresses on all networks of a container: eth0 on the first, eth1 on the second …
  func reserve(_ attachments: [NetworkAttachment], owner: String) throws(Failure) -> [Reserved] {
    var reserved: [Reserved] = []
    for (number, attachment) in attachments.enumerated() {
      reserved.append(try reserve(attachment, owner: owner, link: "eth\(number)"))
    }
    return reserved
  }

  private static func report(_ notice: String) { Console.error("minidock: \(notice)") }

  /// Makes the links in a container's network namespace, configures them and lets them speak.
  func attach(
    _ reserved: [Reserved], owner: String, netns: Int32
  ) throws(Failure) {
    for item in reserved {
      try host.attach(owner: owner, netns: netns, endpoint: item.endpoint)
    }
    try host.configure(netns: netns, endpoints: reserved.map(\.endpoint))
    let store = store
    for item in reserved {
      let notice = try host.open(owner: owner, item.endpoint, isAlive: { store.mayBeAlive($0) })
      if let notice { ContainerNetworks.report(notice) }
    }
  }

  /// What the host's ports lead to: the first bridge network with a way out. An internal one alone is
  /// refused by the packet rules, which say what to do.
  static func published(_ reserved: [Reserved]) -> Lease? {
    let bridged = reserved.map(\.endpoint).filter { $0.network.driver == .bridge }
    return (bridged.first { !$0.network.isInternal } ?? bridged.first)?.lease
  }

  /// The same of a container that runs.
  func published(_ endpoints: [EndpointState]) -> EndpointState? {
    let bridged = endpoints.filter {
      (try? host.network(named: $0.network))??.driver == .bridge
    }
    return bridged.first { $0.gateway != nil } ?? bridged.first
  }

  /// Enters the container's names on networks that users have made.
  func enterNames(_ reserved: [Reserved], of record: ContainerRecord) throws(Failure) {
    for item in reserved where item.attachment.network != "bridge" {
      let lease = item.endpoint.lease
      try installation.nameBook.add(
        owner: record.id, network: item.attachment.network,
        names: [record.name] + item.attachment.aliases + [record.shortID],
        addresses: ["\(lease.address)"] + (lease.address6.map { ["\($0)"] } ?? []),
        isInternal: item.endpoint.network.isInternal)
    }
  }

  /// Gives back all that a container has on networks: names first, that nobody is sent to an address
  /// that is another's by then.
  func release(owner: String) {
    try? installation.nameBook.remove(owner: owner)
    try? host.release(owner: owner)
  }

  /// Enters the names of a running container anew, after it was renamed.
  func renameEntries(of record: ContainerRecord) throws(Failure) {
    for state in store.runFile(of: record.id)?.endpoints ?? [] where state.network != "bridge" {
      let attachment = record.attachments.first { $0.network == state.network }
      try installation.nameBook.add(
        owner: record.id, network: state.network,
        names: [record.name] + (attachment?.aliases ?? []) + [record.shortID],
        addresses: [state.address] + (state.address6.map { [$0] } ?? []),
        isInternal: try host.network(named: state.network)?.isInternal ?? false)
    }
  }

  /// Holds the network namespace of another container that runs, for one that shares it.
  ///
  /// - Throws: ``Failure/Code/notFound`` when it is gone, ``Failure/Code/inUse`` when it does not run.
  func namespace(ofContainer id: String) throws(Failure) -> Descriptor {
    let record = try store.find(id)
    func notRunning() -> Failure {
      Failure(
        .inUse, "join network of", record.name, reason: "the container does not run",
        remedy: "start it with minidock start \(record.name)")
    }
    guard let process = store.runFile(of: record.id)?.process, process.isAlive else {
      throw notRunning()
    }
    // Held by pidfd: should the pid be another process's by now, this tells.
    let handle = try Processes.open(pid: process.pid)
    guard let namespace = try? Descriptor.open("/proc/\(process.pid)/ns/net", .read) else {
      throw notRunning()
    }
    defer { _ = handle.raw }
    guard process.isAlive else { throw notRunning() }
    return namespace
  }
}
