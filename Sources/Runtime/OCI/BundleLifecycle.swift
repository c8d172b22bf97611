import Linux

/// `start`, `kill`, `delete`, `pause` and `resume`.
public struct BundleLifecycle: Sendable {
  let store: BundleStore

  /// The containers of a store.
  public init(_ store: BundleStore) { self.store = store }

  /// Lets the command of a created container run; returns when it does.
  ///
  /// - Throws: ``Failure/Code/inUse`` when it is not created; why the command cannot be executed; the failure
  ///   of a startContainer or poststart hook, after which the container is stopped.
  public func start(_ id: String) throws(Failure) {
    var record = try store.record(id)
    var status = store.status(of: record)
    // Whoever creates holds the lock: a hook that says `start` would wait for its own end.
    if status != .creating {
      let lock = try store.lock(id)
      defer { _ = lock.raw }
      record = try store.record(id)
      status = store.status(of: record)
      if status == .created { return try start(record) }
    }
    // runc's words.
    let reason =
      switch status {
      case .running: "cannot start an already running container"
      case .stopped: "cannot start a container that has stopped"
      default: "cannot start a container that is \(status.rawValue)"
      }
    throw Failure(.inUse, "start container", id, reason: reason)
  }

  private func start(_ record: BundleRecord) throws(Failure) {
    try release(record)
    guard record.hasHooks else { return }
    let spec = try Bundle.parse(
      try Files.read(store.config(record.id), limit: Bundle.documentLimit) ?? [],
      name: "config.json")
    do throws(Failure) {
      try HookRun.run(
        spec.hooks?.poststart ?? [], point: "poststart",
        state: record.document(status: .running, pid: record.process?.pid).compact)
    } catch {
      if let process = record.process { _ = try? Processes.signal(process, Signal.kill) }
      throw error
    }
  }

  // A byte into the one fifo; the other one ends when the command has been executed, or tells why not.
  private func release(_ record: BundleRecord) throws(Failure) {
    let result = try Fifos.openForReading(store.resultFifo(record.id))
    guard let fifo = try Fifos.openForWriting(store.startFifo(record.id)) else {
      throw Failure(
        .inUse, "start container", record.id, reason: "its first process does not wait for it")
    }
    try fifo.write([1], object: "exec.fifo")
    let report = try result.readToEnd(limit: 64 << 10, object: "result.fifo")
    try Files.remove(store.startFifo(record.id))
    try Files.remove(store.resultFifo(record.id))
    if report.isEmpty { return }
    var reader = WireReader(report)
    throw try Failure(&reader)
  }

  /// Sends a signal to the first process, or with `all` to every process of the container.
  ///
  /// - Throws: ``Failure/Code/notFound`` when the container does not run.
  public func kill(_ id: String, signal: Int32, all: Bool) throws(Failure) {
    let record = try store.record(id)
    guard record.isReady, let process = record.process else {
      throw Failure(.inUse, "kill container", id, reason: "container not running")
    }
    if all, !record.cgroup.isEmpty {
      return try killAll(record, signal)
    }
    guard try Processes.signal(process, signal) else {
      throw Failure(.notFound, "kill container", id, reason: "container not running")
    }
    // Without a pid namespace of its own the others would live on, which nobody wants of SIGKILL.
    if signal == Signal.kill, !record.hasPIDNamespace { try? killAll(record, signal) }
    // A frozen process does not take a signal before it thaws, but for this one on v2.
    if signal == Signal.kill, let group = group(of: record), group.isFrozen { try? group.thaw() }
  }

  private func killAll(_ record: BundleRecord, _ signal: Int32) throws(Failure) {
    guard let group = group(of: record) else { return }
    if signal == Signal.kill { return try group.kill() }
    for pid in group.processes() {
      guard let process = ProcessIdentity(of: pid) else { continue }
      _ = try Processes.signal(process, signal)
    }
  }

  private func group(of record: BundleRecord) -> Cgroup? {
    guard !record.cgroup.isEmpty, let hierarchy = try? CgroupHierarchy.detect() else {
      return nil
    }
    return Cgroup(existing: record.cgroup, in: hierarchy)
  }

  /// Removes a container that has stopped or was never started; with `force` any, whatever is left of it.
  ///
  /// - Throws: ``Failure/Code/notFound`` without such a container and `force`, ``Failure/Code/inUse`` when it
  ///   runs.
  public func delete(_ id: String, force: Bool) throws(Failure) {
    try BundleStore.validate(id: id)
    guard Files.exists(store.directory(id)) else {
      if force { return }
      throw BundleStore.missing(id)
    }
    let record: BundleRecord
    do throws(Failure) { record = try store.record(id) } catch {
      guard force else { throw error }
      return try removeRuin(id)
    }
    let status = store.status(of: record)
    guard force || [.stopped, .created].contains(status) else {
      throw Failure(
        .inUse, "delete container", id,
        reason: "cannot delete container \(id) that is not stopped: \(status.rawValue)",
        remedy: "kill it first, or use --force")
    }
    let hooks = record.hasHooks ? self.hooks(of: id) : nil
    try end(record)
    try Files.removeTree(store.directory(id))
    PostStop.run(hooks, record)
  }

  private func hooks(of id: String) -> Spec.Hooks? {
    guard let bytes = try? Files.read(store.config(id), limit: Bundle.documentLimit) else {
      return nil
    }
    return (try? Bundle.parse(bytes, name: "config.json"))?.hooks
  }

  private func end(_ record: BundleRecord) throws(Failure) {
    if let process = record.process, process.isAlive {
      try Processes.signal(process, Signal.kill)
    }
    guard let group = group(of: record), group.exists else {
      waitForEnd(of: record)
      return stopUnit(of: record)
    }
    let isEmpty = group.processes().isEmpty
    if record.process != nil, !isEmpty { try group.kill() }
    waitForEnd(of: record)
    // Without a process of its own recorded, whoever is in there is somebody else's.
    if record.process != nil || isEmpty { stopUnit(of: record) }
    try group.remove()
  }

  // A unit ends with its last process anyway, so nothing fails for want of a systemd to be reached.
  private func stopUnit(of record: BundleRecord) {
    guard !record.unit.isEmpty else { return }
    do throws(Failure) { try SystemdScope.stop(record.unit) } catch {
      Console.error("minidock-oci: warning: \(error)")
    }
  }

  // The kernel takes a moment for the end of a pid namespace. Whoever reaps it is another process.
  private func waitForEnd(of record: BundleRecord) {
    guard let process = record.process, process.isAlive,
      let handle = try? Processes.open(pid: process.pid)
    else { return }
    var watches = [Watch(handle.raw)]
    _ = try? Watch.wait(&watches, milliseconds: 10_000)
  }

  // Half made, or its state is damaged: the copy of config.json still tells the group.
  private func removeRuin(_ id: String) throws(Failure) {
    var record = BundleRecord()
    record.id = id
    if let bytes = try? Files.read(store.config(id), limit: Bundle.documentLimit),
      let spec = try? Bundle.parse(bytes, name: "config.json")
    {
      let path = spec.linux?.cgroupsPath ?? ""
      record.cgroup = path.isEmpty ? "/minidock-oci/" + id : path
      // Which driver it was is in the damaged file: a scope that is there tells.
      if path.isEmpty || SystemdUnit.hasForm(path),
        let isUser = try? SystemdAddress.here().isUser,
        let unit = try? SystemdUnit(path: path, id: id, isUser: isUser),
        let hierarchy = try? CgroupHierarchy.detect(),
        Cgroup(existing: unit.cgroup, in: hierarchy).exists
      {
        record.cgroup = unit.cgroup
        record.unit = unit.name
      }
    }
    if let group = group(of: record), group.exists {
      try group.kill()
      stopUnit(of: record)
      try group.remove()
    }
    try Files.removeTree(store.directory(id))
  }

  /// Freezes every process of a running container.
  public func pause(_ id: String) throws(Failure) {
    let record = try store.record(id)
    let status = store.status(of: record)
    guard status == .running || status == .created else {
      throw Failure(
        .inUse, "pause container", id, reason: "container not running: it is \(status.rawValue)")
    }
    guard let group = group(of: record) else {
      throw Failure(.unsupported, "pause container", id, reason: "it has no cgroup")
    }
    try group.freeze()
  }

  /// Lets the processes of a paused container go on.
  public func resume(_ id: String) throws(Failure) {
    let record = try store.record(id)
    guard store.status(of: record) == .paused, let group = group(of: record) else {
      throw Failure(.inUse, "resume container", id, reason: "container not paused")
    }
    try group.thaw()
  }

  /// Changes the limits of a container.
  public func update(_ id: String, _ resources: Resources) throws(Failure) {
    let record = try store.record(id)
    guard store.status(of: record) != .stopped, let group = group(of: record) else {
      throw Failure(.inUse, "update container", id, reason: "container not running")
    }
    var resources = resources
    if let rules = resources.devices, !rules.isEmpty {
      resources.devices = rules + DeviceRule.containerNodes
    }
    if !record.unit.isEmpty { try SystemdScope.update(record.unit, group, resources) }
    try group.apply(resources)
  }

  /// The pids of all processes, as this process's pid namespace numbers them.
  public func processes(_ id: String) throws(Failure) -> [Int32] {
    let record = try store.record(id)
    guard store.status(of: record) != .stopped else {
      throw Failure(.inUse, "list processes of", id, reason: "container not running")
    }
    if let group = group(of: record) { return group.processes() }
    return record.process.map { [$0.pid] } ?? []
  }

  /// What the container's group used so far and uses now: the document of `events`.
  public func statistics(_ id: String) throws(Failure) -> JSONValue {
    let record = try store.record(id)
    guard store.status(of: record) != .stopped, let group = group(of: record) else {
      throw Failure(.inUse, "read statistics of", id, reason: "container not running")
    }
    return BundleEvents.statistics(id, group)
  }

  /// Whether the container has a process, and how often the kernel killed one for want of memory, which the
  /// group tells until it is removed.
  public func life(_ id: String) -> (isAlive: Bool, oomKills: Int) {
    guard let record = try? store.record(id) else { return (false, 0) }
    // In this order, or the kill that ends the container would not be seen.
    let isAlive = store.status(of: record) != .stopped
    return (isAlive, group(of: record)?.oomKills() ?? 0)
  }
}
