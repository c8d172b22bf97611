import Image
import Linux
import Net
import Runtime

/// Makes and starts one container: the order of a run is the order of this file.
///
/// What is made on the host can be found again by the container's id alone (its directory, its cgroup,
/// its lease), so that whatever a kill leaves is found and undone by ``Housekeeping``.
struct ContainerRunner: ~Copyable {
  let installation: Installation
  let store: ContainerStore
  let options: RunOptions
  var record: ContainerRecord
  let image: ImageRecord
  var trace: Trace
  /// How often its restart policy has started it before.
  var restarts = 0
  /// Whether its monitor starts it again, so that it runs in nobody's eyes.
  var isRestart = false
  /// Whether the container does not exist yet.
  let isNew: Bool
  private var cgroup: Cgroup?
  var run = RunFile()
  /// The host's ports that it has; what its monitor held before, when that starts it again.
  var reservations: PortReservations?
  /// The limits with the device rules.
  private var resources = Resources()

  init(
    installation: Installation, options: RunOptions, record: ContainerRecord, image: ImageRecord,
    trace: Trace, isNew: Bool
  ) {
    self.installation = installation
    store = ContainerStore(installation)
    self.options = options
    self.record = record
    self.image = image
    self.trace = trace
    self.isNew = isNew
  }

  /// Starts the container with `stdio` as its first three descriptors; its command runs when this
  /// returns. On failure everything made is undone, but for the record of a container without --rm.
  mutating func start(stdio: [Int32]) throws(Failure) -> StartedContainer {
    do throws(Failure) {
      return try attemptStart(stdio)
    } catch {
      recordFailure(error)
      throw error.addingDiskRemedy()
    }
  }

  private mutating func attemptStart(_ stdio: [Int32]) throws(Failure) -> StartedContainer {
    let own = ProcessIdentity(of: ThisProcess.id)
    run.monitor = own
    if isNew {
      record.creator = own
      record.boot = Processes.bootIdentity()
    }
    try store.announce(record.id, by: own)
    if !isNew { try prepareAnew() }
    let cgroup = try makeCgroup()
    // The child loads and links minidock while its plan is being made.
    var launch = try spawn(stdio, cgroup)
    let ownNetwork = options.network.ownsNamespace
    try launch.begin(
      try InitPlan.namespaces(SpecBuilder.namespaces(ownNetwork: ownNetwork)),
      traced: options.traced)
    trace.mark("spawn")
    if defersLimits { try cgroup.setInitialLimits(resources) }
    trace.mark("limits")
    if isNew { try createRecord() } else { try volumes.make() }
    try volumes.fill(from: image)
    trace.mark("record")
    let reserved = try reserveAddresses()
    let published = ContainerNetworks.published(reserved)
    try reservePorts(leadingTo: published)
    trace.mark("address")
    try ContainerFiles(installation, bundle: bundle, options: options, hostname: record.hostname)
      .write(reserved.map(\.endpoint))
    let spec = try SpecBuilder(
      options: options, record: record, bundle: bundle, ownNetwork: ownNetwork,
      volumes: installation.volumes
    ).build()
    trace.mark("spec")
    try launch.send(try plan(for: spec, cgroup))
    trace.mark("seccomp and plan")
    try launch.waitForNamespaces()
    trace.mark("wait for namespaces")
    do throws(Failure) {
      try connect(pid: launch.child.pid, reserved)
      try publishPorts(published?.address)
    } catch {
      // A child that has ended meanwhile had a reason of its own, which says more.
      throw launch.failureOfChild() ?? error
    }
    // Before the command runs: its first question must be heard.
    let names = try serveNames(pid: launch.child.pid)
    trace.mark("network")
    try launch.waitUntilReady()
    trace.mark("wait for root")
    try recordRunning(launch.child.pid)
    try launch.go()
    // Nobody needs the bundle's document before the container runs; the child is busy meanwhile.
    try writeSpec(spec)
    trace.mark("config.json")
    try launch.waitForExec()
    trace.mark("exec")
    let created = isNew ? [Event(container: record, "create")] : []
    EventLog(installation).append(
      created + volumes.mountEvents + [Event(container: record, "start")])
    trace.add(launch.timings)
    let terminal = launch.takeTerminal()
    return StartedContainer(
      child: launch.intoChild(), terminal: terminal, names: names,
      reservations: reservations,
      record: record, started: run.started ?? .now)
  }

  private var bundle: String { store.directory(record.id) }

  // MARK: - Steps

  private mutating func makeCgroup() throws(Failure) -> Cgroup {
    record.cgroupPath = installation.cgroupParent(options.cgroupParent) + "/" + record.id
    resources = options.resources
    let devices = try SpecBuilder(
      options: options, record: record, bundle: bundle, ownNetwork: options.network.ownsNamespace
    ).deviceRules()
    resources.devices = devices
    let made = try Cgroup.create(
      path: record.cgroupPath, resources: resources, in: try CgroupHierarchy.detect(),
      settingLimits: !defersLimits)
    cgroup = made
    trace.mark("cgroup")
    return made
  }

  // The child does nothing of its own before its plan, so most limits can be set while it starts; but
  // nobody can join a v1 cpuset that has no processors yet.
  private var defersLimits: Bool { resources.cpu?.cpus == nil && resources.cpu?.mems == nil }

  private mutating func createRecord() throws(Failure) {
    var created = record
    defer { record = created }
    try volumes.make { () throws(Failure) in
      try store.create(&created, name: options.name, options: options)
    }
    try ContainerIDFile.write(record, options)
  }

  private var volumes: ContainerVolumes { ContainerVolumes(installation, record, options) }

  // What the last run left: overlayfs marks its work directory (and refuses a volatile one), and the
  // user's stop is over.
  private func prepareAnew() throws(Failure) {
    try Files.removeTree(bundle + "/work")
    try Files.claimDirectory(bundle + "/work", mode: 0o755)
    // A stop that came while the monitor began to start it again is still to be obeyed.
    if !isRestart { store.setStopped(record.id, false) }
    try? Files.remove(bundle + "/health")
    try? Files.remove(store.pausedPath(record.id))
  }

  private mutating func reserveAddresses() throws(Failure) -> [ContainerNetworks.Reserved] {
    guard !record.attachments.isEmpty else { return [] }
    let reserved = try ContainerNetworks(installation).reserve(
      record.attachments, owner: record.id)
    run.endpoints = reserved.map { EndpointState($0.endpoint, networkID: $0.networkID) }
    run.takeFirst()
    return reserved
  }

  // A container that shares another's network is born there; this process, which has one thread, is
  // back home when the child exists.
  private func spawn(_ stdio: [Int32], _ cgroup: Cgroup) throws(Failure) -> ContainerLaunch {
    guard case .container(let id) = options.network else {
      return try ContainerLaunch.spawn(stdio: stdio, cgroup: cgroup)
    }
    let namespace = try ContainerNetworks(installation).namespace(ofContainer: id)
    return try NetworkNamespace.inside(namespace.raw) { () throws(Failure) in
      try ContainerLaunch.spawn(stdio: stdio, cgroup: cgroup)
    }
  }

  private func plan(for spec: Spec, _ cgroup: Cgroup) throws(Failure) -> InitPlan {
    let filter = try SeccompFilter(options: options, installation: installation)
      .compiled(
        capabilities: try CapabilitySets.mask(of: spec.process?.capabilities?.bounding ?? []))
    var plan = try InitPlan(spec: spec, root: try overlay(), seccomp: filter) { target, readOnly in
      cgroup.mountSteps(target: target, readOnly: readOnly)
    }
    plan.process.userText = record.user
    plan.process.groupTexts = options.groups
    plan.process.reaps = options.usesInit
    plan.traced = options.traced
    return plan
  }

  // Paths below the root are given relative to it: mount(2) takes no more than a page of them.
  private func overlay() throws(Failure) -> RootSource {
    let root = installation.root
    let lower = image.layers.map { layer in
      layer.path.hasPrefix(root + "/") ? String(layer.path.dropFirst(root.count + 1)) : layer.path
    }
    let directory = "containers/\(record.id)"
    return .overlay(
      Overlay(
        base: root, lower: lower, upper: directory + "/upper", work: directory + "/work",
        target: bundle + "/rootfs", volatile: record.autoRemove))
  }

  private func connect(
    pid: Int32, _ reserved: [ContainerNetworks.Reserved]
  ) throws(Failure) {
    guard options.network.ownsNamespace else { return }
    let namespace = try Descriptor.open("/proc/\(pid)/ns/net", .read)
    guard !reserved.isEmpty else {
      var socket = try NetlinkSocket.open(inNamespaceOf: namespace.raw)
      return try installation.networkHost().loopbackUp(netlink: &socket)
    }
    let networks = ContainerNetworks(installation)
    try networks.attach(reserved, owner: record.id, netns: namespace.raw)
    try networks.enterNames(reserved, of: record)
  }

  private func serveNames(pid: Int32) throws(Failure) -> NameServerSockets? {
    guard record.attachments.contains(where: { $0.network != "bridge" }) else { return nil }
    guard !installation.nameBook.networks(of: record.id).isEmpty else { return nil }
    let namespace = try Descriptor.open("/proc/\(pid)/ns/net", .read)
    return try NameServerSockets.open(inNamespaceOf: namespace.raw)
  }

  private func writeSpec(_ spec: Spec) throws(Failure) {
    let file = try Descriptor.open(bundle + "/config.json", .create(mode: 0o600))
    try file.write(Array(spec.document.compact.utf8), object: "config.json")
  }

  private mutating func recordRunning(_ pid: Int32) throws(Failure) {
    run.process = ProcessIdentity(of: pid)
    run.processInode = Processes.inode(of: pid)
    run.boot = record.boot.isEmpty || !isNew ? Processes.bootIdentity() : record.boot
    run.started = .now
    run.cgroupPath = record.cgroupPath
    // What `run --rm` leaves after a crash is removed, whatever it was doing.
    if !record.autoRemove || !isNew {
      var status = StatusFile()
      status.started = run.started
      status.boot = run.boot
      status.restarts = restarts
      status.pid = pid
      try store.write(status, of: record.id)
    }
    try store.write(run, of: record.id)
    store.withdraw(record.id)
  }

  private func recordFailure(_ failure: Failure) {
    if let cgroup {
      try? cgroup.kill()
      try? cgroup.remove()
    }
    defer { store.withdraw(record.id) }
    if isRestart {
      // Its monitor lives and decides what comes next: the run file has to go on naming it.
      if options.network.isManaged { ContainerNetworks(installation).release(owner: record.id) }
      return
    }
    guard Files.exists(bundle + "/record") else { return }
    var status = StatusFile()
    status.restarts = restarts
    status.finished = .now
    status.exitCode = failure.exitCode
    status.error = failure.description
    let cleanup = ContainerCleanup(installation)
    cleanup.finish(record, status)
    // A container that never came to exist is no record worth keeping when its name was refused or
    // the disk is full; docker keeps those whose command could not be started.
    if isNew, failure.code != .commandNotFound, failure.code != .notExecutable, !record.autoRemove {
      cleanup.discard(record, volumes: true)
    }
    cleanup.deleteDiscarded(record.id)
  }
}

/// A container whose command runs.
struct StartedContainer: ~Copyable {
  var child: Child
  /// The master of its terminal.
  var terminal: Descriptor?
  /// Where it asks for names; nil when none of its networks has any.
  let names: NameServerSockets?
  /// The host's ports that lead to it.
  let reservations: PortReservations?
  let record: ContainerRecord
  let started: Timestamp
}

extension Failure {
  /// Docker's exit status for a failure of `run`: 127 and 126 for the command, else 125.
  public var exitCode: Int32 {
    switch code {
    case .commandNotFound: 127
    case .notExecutable: 126
    default: 125
    }
  }
}
