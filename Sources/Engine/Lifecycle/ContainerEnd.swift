import Linux
import Runtime

/// What a monitor does when its container's command has ended.
struct ContainerEnd {
  let installation: Installation
  let record: ContainerRecord
  let started: Timestamp
  let restarts: Int

  /// How it ended, with what the cgroup tells, which is killed and removed.
  func status(_ exit: ExitStatus) -> StatusFile {
    var status = StatusFile()
    status.started = started
    status.finished = .now
    status.exitCode = exit.code
    if case .signaled(let signal) = exit { status.signal = signal }
    status.restarts = restarts
    if !record.autoRemove {
      status.pid = ContainerStore(installation).runFile(of: record.id)?.process?.pid ?? 0
    }
    guard let hierarchy = try? CgroupHierarchy.detect() else { return status }
    let cgroup = Cgroup(existing: record.cgroupPath, in: hierarchy)
    status.oomKilled = cgroup.oomKills() > 0
    // Only a container with a limit has a use for it, and reading it takes as long as a system call.
    if record.memory > 0 { status.memoryPeak = cgroup.statistics().memoryPeak }
    if (try? cgroup.remove()) == nil {
      // A process that was put into the group from outside, or one that hangs in the kernel.
      try? cgroup.kill()
      try? cgroup.remove()
    }
    return status
  }

  /// Tells what happened.
  func announce(_ status: StatusFile) {
    var events: [Event] = []
    if status.oomKilled { events.append(Event(container: record, "oom")) }
    events.append(
      Event(container: record, "die", [("exitCode", String(status.exitCode))]))
    if record.autoRemove { events.append(Event(container: record, "destroy")) }
    EventLog(installation).append(events)
  }

  /// Records the final end and gives back what the container held.
  func finish(_ status: StatusFile) {
    let cleanup = ContainerCleanup(installation)
    // Not between a start's look at the state and its own run file, which this would remove.
    let lock = try? ContainerStore(installation).lock(record.id)
    cleanup.finish(record, status)
    _ = consume lock
    if record.autoRemove { cleanup.deleteDiscarded(record.id) }
  }
}
