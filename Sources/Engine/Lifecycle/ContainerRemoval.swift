import Linux
import Runtime

/// `minidock rm`.
public struct ContainerRemoval {
  let installation: Installation
  let store: ContainerStore
  /// `-f`: kills a container that runs.
  public var force = false
  /// `-v`: removes its anonymous volumes as well.
  public var volumes = false

  /// Removals in an installation.
  public init(_ installation: Installation) {
    self.installation = installation
    store = ContainerStore(installation)
  }

  /// A container that is about to be removed, killed already when it ran.
  public struct Pending {
    let record: ContainerRecord
    /// nil when there was nothing to kill.
    let killed: ContainerStop.Pending?
    let monitor: ProcessIdentity?
  }

  /// Finds a container and kills it if need be, so that several can die at the same time;
  /// ``finish(_:)`` follows.
  ///
  /// - Throws: ``Failure/Code/notFound``; ``Failure/Code/inUse`` when it runs and is not to be killed.
  public func begin(_ text: String) throws(Failure) -> Pending {
    let record = try store.find(text)
    let state = store.state(of: record)
    if state.status == .created && store.mayBeAlive(record.id) {
      throw Failure(
        .inUse, "remove container", text, reason: "it is about to start", remedy: "try again")
    }
    // By force, also one whose monitor may be about to start it again.
    guard state.status.isInUse || force && state.monitor?.isAlive == true else {
      return Pending(record: record, killed: nil, monitor: state.monitor)
    }
    guard force else {
      throw Failure(
        .inUse, "remove container", text, reason: "it is \(state.status.rawValue)",
        remedy: "stop it first, or use minidock rm -f")
    }
    var stop = ContainerStop(installation)
    stop.timeout = 0
    stop.signal = "KILL"
    let pending = try stop.begin(record.id)
    return Pending(record: record, killed: pending, monitor: state.monitor)
  }

  /// Removes the container once it has ended.
  public func finish(_ pending: Pending) throws(Failure) {
    if let killed = pending.killed, killed.process.raw >= 0 {
      var ended = [Watch(killed.process.raw)]
      guard try Watch.wait(&ended, milliseconds: 10_000) else {
        throw Failure(
          .system, "kill container", pending.record.name,
          reason: "it has not ended within 10 seconds",
          remedy: "a process of it may hang in the kernel; see minidock inspect and dmesg")
      }
    }
    // Its monitor records the end and may remove it by itself: let it finish first.
    let stop = ContainerStop(installation)
    try stop.waitForMonitor(of: pending.record, pending.monitor)
    guard Files.exists(store.directory(pending.record.id)) else { return }
    let lock = try? store.lock(pending.record.id)
    defer { _ = lock }
    guard let record = try store.read(pending.record.id) else { return }
    // Somebody may have started it meanwhile.
    let state = store.state(of: record)
    guard !state.status.isInUse else {
      throw Failure(
        .inUse, "remove container", record.name, reason: "it has been started again meanwhile",
        remedy: "try again")
    }
    let group = Cgroup(existing: record.cgroupPath, in: try CgroupHierarchy.detect())
    if group.exists {
      try? group.kill()
      try? group.remove()
    }
    ContainerCleanup(installation).discard(record, volumes: volumes)
    EventLog(installation).append([Event(container: record, "destroy")])
  }

  /// Removes a container; see ``begin(_:)``.
  public func remove(_ text: String) throws(Failure) { try finish(try begin(text)) }

  /// Deletes the files of what was removed.
  public func emptyTrash() { ContainerCleanup.emptyTrash(installation) }
}
