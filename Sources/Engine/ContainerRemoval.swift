import Linux
import Runtime

/// `minidock rm`.
public struct ContainerRemoval {
  let installation: Installation

  /// Removals in an installation.
  public init(_ installation: Installation) { self.installation = installation }

  /// Removes a container by name, id or prefix.
  ///
  /// - Parameter force: kills it first when it runs.
  /// - Throws: ``Failure/Code/notFound``; ``Failure/Code/inUse`` when it runs and is not to be killed.
  public func remove(_ text: String, force: Bool) throws(Failure) {
    let store = ContainerStore(installation)
    let record = try store.find(text)
    let state = store.state(of: record)
    if state.status.isActive {
      guard force else {
        throw Failure(
          .inUse, "remove container", text, reason: "it is running",
          remedy: "stop it first, or use minidock rm -f")
      }
      try kill(record, state)
    } else if record.creator?.isAlive == true, store.runFile(of: record.id) == nil,
      !Files.exists(store.directory(record.id) + "/status")
    {
      throw Failure(
        .inUse, "remove container", text, reason: "it is about to start", remedy: "try again")
    }
    let group = Cgroup(existing: record.cgroupPath, in: try CgroupHierarchy.detect())
    if group.exists {
      try? group.kill()
      try? group.remove()
    }
    let cleanup = ContainerCleanup(installation)
    cleanup.discard(record)
    ContainerCleanup.emptyTrash(installation)
  }

  private func kill(_ record: ContainerRecord, _ state: ContainerState) throws(Failure) {
    guard let process = state.process else { return }
    // The handle is taken before the signal, to wait for exactly this process.
    let handle = try? Processes.open(pid: process.pid)
    try Processes.signal(process, Signal.kill)
    if let handle {
      var ended = [Watch(handle.raw)]
      if try !Watch.wait(&ended, milliseconds: 10_000) {
        throw Failure(
          .system, "kill container", record.name, reason: "it has not ended within 10 seconds",
          remedy: "a process of it may hang in the kernel; see minidock inspect and dmesg")
      }
    }
    // Its monitor records the end and may remove it by itself: let it finish first.
    if let monitor = state.monitor, let handle = try? Processes.open(pid: monitor.pid),
      monitor.isAlive
    {
      var ended = [Watch(handle.raw)]
      try Watch.wait(&ended, milliseconds: 5_000)
    }
  }
}
