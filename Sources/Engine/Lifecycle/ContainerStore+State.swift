import Linux
import Runtime

/// What a container is doing, from its files and the processes that exist.
extension ContainerStore {
  /// The state now, computed from the processes that exist.
  public func state(of record: ContainerRecord) -> ContainerState {
    state(of: record, Housekeeping.Findings())
  }

  /// The state, where a sweep may just have seen the container run.
  func state(of record: ContainerRecord, _ findings: Housekeeping.Findings) -> ContainerState {
    var state = ContainerState()
    if let seen = findings.running[record.id] {
      takeRunning(seen, into: &state)
      if findings.paused.contains(record.id), isPaused(record) { state.status = .paused }
      if record.hasHealthTest { state.health = health(of: record.id) }
      return state
    }
    if let bytes = try? Files.read(directory(record.id) + "/status") {
      take(StatusFile(FieldText(parsing: bytes)), into: &state)
    }
    if let run = runFile(of: record.id) { take(run, of: record, into: &state) }
    if record.hasHealthTest, state.status.isActive { state.health = health(of: record.id) }
    return state
  }

  private static let lost = "the monitor was killed, and the container with it"

  private func take(_ file: StatusFile, into state: inout ContainerState) {
    state.status = .exited
    state.started = file.started
    state.finished = file.finished
    state.exitCode = file.exitCode
    state.signal = file.signal
    state.oomKilled = file.oomKilled
    state.error = file.error
    state.restarts = file.restarts
    state.memoryPeak = file.memoryPeak
    if file.finished == nil {
      // Nobody wrote the end down: the machine or the monitor ended first.
      let rebooted = file.boot != Processes.bootIdentity()
      state.finished = file.started
      state.exitCode = rebooted ? 255 : 137
      state.error =
        rebooted
        ? "the host was restarted while it ran" : ContainerStore.lost
    }
  }

  private func takeRunning(_ run: RunFile, into state: inout ContainerState) {
    state.monitor = run.monitor
    state.process = run.process
    state.status = .running
    state.started = run.started
    state.finished = nil
    (state.exitCode, state.signal, state.oomKilled, state.error) = (0, 0, false, "")
    state.address = run.address
    state.gateway = run.gateway
    state.prefixLength = run.prefixLength
    state.macAddress = run.macAddress
    state.endpoints = run.endpoints
    state.ports = run.ports
  }

  private func take(_ run: RunFile, of record: ContainerRecord, into state: inout ContainerState) {
    state.monitor = run.monitor
    let monitorLives = run.monitor?.isAlive ?? false
    if run.process?.isAlive == true {
      takeRunning(run, into: &state)
      if isPaused(record) { state.status = .paused }
    } else if monitorLives && run.isRestarting {
      state.status = .restarting
    } else if !monitorLives && state.status == .created {
      // With --rm there is no status file.
      state.status = .exited
      (state.started, state.finished) = (run.started, run.started)
      (state.exitCode, state.error) = (137, ContainerStore.lost)
    } else if monitorLives && state.error == ContainerStore.lost {
      // The command has ended, and its monitor is about to write that down.
      state.error = ""
    }
  }

  // Only a container that was paused by name is looked at: reading every freezer would cost each list.
  private func isPaused(_ record: ContainerRecord) -> Bool {
    guard Files.exists(pausedPath(record.id)), let hierarchy = try? CgroupHierarchy.detect() else {
      return false
    }
    return Cgroup(existing: record.cgroupPath, in: hierarchy).isFrozen
  }

  func pausedPath(_ id: String) -> String { runFilePath(id) + ".paused" }

  /// The name of the socket beside the run files on which a container's monitor listens.
  func socketName(_ id: String) -> String { id + ".sock" }

  func health(of id: String) -> HealthState {
    guard let bytes = try? Files.read(directory(id) + "/health") else { return HealthState() }
    return HealthState(FieldText(parsing: bytes))
  }

  /// What the container was asked to be.
  func options(of record: ContainerRecord) -> RunOptions {
    let bytes = try? Files.read(directory(record.id) + "/options", limit: 16 << 20)
    return RunOptions(FieldText(parsing: bytes ?? []), record)
  }

  // MARK: - What a user has said since

  /// Whether a user has stopped the container since it was started.
  func isStopped(_ id: String) -> Bool { Files.exists(directory(id) + "/stopped") }

  /// Remembers that a user has stopped the container, or has started it again.
  func setStopped(_ id: String, _ isStopped: Bool) {
    let path = directory(id) + "/stopped"
    if isStopped {
      _ = try? Descriptor.open(path, .create(mode: 0o600))
    } else {
      try? Files.remove(path)
    }
  }

  func lockPath(_ id: String) -> String { directory(id) + "/lock" }

  /// The lock of everything that changes a container: start, remove, rename, update.
  func lock(_ id: String) throws(Failure) -> FileLock {
    do throws(Failure) { return try FileLock.acquire(lockPath(id)) } catch
      where error.errno == ErrorNumber.noEntry
    {
      throw Failure(
        .notFound, "find container", String(id.prefix(12)), reason: "it has just been removed")
    }
  }
}
