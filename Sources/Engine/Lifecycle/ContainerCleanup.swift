import Linux
import Net
import Runtime

/// Undoes what a container made on the host, once it has ended.
struct ContainerCleanup {
  let installation: Installation
  let store: ContainerStore

  init(_ installation: Installation) {
    self.installation = installation
    store = ContainerStore(installation)
  }

  /// Records how the container ended and gives back what it held; one with --rm is removed.
  ///
  /// Each part can be repeated: a kill in between leaves work for ``Housekeeping``, never damage.
  func finish(_ record: ContainerRecord, _ status: StatusFile) {
    if record.autoRemove {
      discard(record)
    } else {
      try? store.write(status, of: record.id)
      release(record)
    }
  }

  /// Gives back the lease and forgets the processes.
  func release(_ record: ContainerRecord) {
    // By its id alone: it may have been connected and disconnected while it ran.
    if record.network.ownsNamespace { ContainerNetworks(installation).release(owner: record.id) }
    try? Files.remove(installation.runs + "/" + store.socketName(record.id))
    try? Files.remove(store.pausedPath(record.id))
    try? Files.remove(store.runFilePath(record.id))
  }

  /// Writes down the end of a container that nobody has seen, as its monitor was killed, and gives back
  /// what it held.
  ///
  /// - Returns: what happened, for the user; nil when somebody looks after the container after all.
  @discardableResult
  func settle(_ record: ContainerRecord) -> String? {
    // Whoever starts a container holds its lock until the run file names the new monitor.
    guard let lock = (try? FileLock.tryAcquire(store.lockPath(record.id))) ?? nil else {
      return nil
    }
    defer { _ = lock }
    guard let run = store.runFile(of: record.id), run.monitor?.isAlive != true,
      run.process?.isAlive != true
    else { return nil }
    if let hierarchy = try? CgroupHierarchy.detect(), !record.cgroupPath.isEmpty {
      let group = Cgroup(existing: record.cgroupPath, in: hierarchy)
      if group.exists {
        try? group.kill()
        try? group.remove()
      }
    }
    let reason =
      "its monitor (process \(run.monitor?.pid ?? 0)) was killed, and the container with it"
    var status = StatusFile()
    if let bytes = (try? Files.read(store.directory(record.id) + "/status")) ?? nil {
      status = StatusFile(FieldText(parsing: bytes))
    }
    // One that waited to be started again has ended as its status says.
    if !run.isRestarting || status.finished == nil {
      status.started = run.started ?? status.started
      status.finished = .now
      status.exitCode = 137
      status.signal = Signal.kill
      status.error = reason
    }
    EventLog(installation).append([
      Event(container: record, "die", [("exitCode", String(status.exitCode))])
    ])
    finish(record, status)
    return "container \(record.name) has ended: \(reason)"
  }

  /// Removes the container's record and files. What takes time (the files of its layer) is moved out of
  /// sight at once and deleted by ``emptyTrash(installation:)``.
  ///
  /// - Parameter volumes: removes its anonymous volumes as well; those of `--rm` always go.
  func discard(_ record: ContainerRecord, volumes: Bool = false) {
    // Removed before the directory: a name that points nowhere is free, a directory without a record is
    // swept, but a record without a name could not be told from a running one's.
    try? Files.remove(installation.names + "/" + record.name)
    let takesVolumes = (volumes || record.autoRemove) && record.hasAnonymousVolumes
    moveToTrash(record.id, takesVolumes ? ContainerCleanup.withVolumes : "")
    if takesVolumes { ContainerCleanup.discardVolumes(installation, record) }
    release(record)
  }

  // What stands behind the id of a discarded container whose volumes have to be discarded yet.
  private static let withVolumes = ".volumes"

  private func moveToTrash(_ id: String, _ suffix: String) {
    let target = installation.trash + "/" + id + suffix
    if (try? Files.rename(store.directory(id), to: target)) != nil { return }
    try? Files.makeDirectories(installation.trash)
    try? Files.rename(store.directory(id), to: target)
  }

  // They go into the container's own discarded directory and are deleted with it.
  private static func discardVolumes(_ installation: Installation, _ record: ContainerRecord) {
    let path = installation.trash + "/" + record.id
    VolumeRemoval(installation).discardAnonymous(of: record, into: path + withVolumes)
    try? Files.rename(path + withVolumes, to: path)
  }

  /// Deletes what was discarded.
  static func emptyTrash(_ installation: Installation) {
    for name in (try? Files.list(installation.trash)) ?? [] {
      let path = installation.trash + "/" + name
      if name.hasSuffix(withVolumes), let bytes = (try? Files.read(path + "/record")) ?? nil,
        let record = try? ContainerRecord(FieldText(parsing: bytes), path: path)
      {
        discardVolumes(installation, record)
        try? Files.removeTree(installation.trash + "/" + record.id)
      }
      try? Files.removeTree(path)
    }
  }

  /// Deletes what was discarded of a container: at once when that is little, else in a process of its
  /// own, which the caller does not wait for.
  func deleteDiscarded(_ id: String) {
    let path = installation.trash + "/" + id
    guard Files.exists(path) else { return }
    if (try? Files.removeSmallTree(path, limit: 100)) == true { return }
    let installation = installation
    _ = try? Processes.fork {
      // Away from the caller's session and descriptors: nobody must wait for this process by accident.
      ThisProcess.leadSession()
      ThisProcess.closeDescriptors(from: 0, atExec: false)
      ContainerCleanup.emptyTrash(installation)
      return 0
    }
  }
}
