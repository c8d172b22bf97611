import Linux

extension Cgroup {
  private var freezer: FreezerController? {
    if let unified, unified.has("cgroup.freeze") { return FreezerController(unified.path, .v2) }
    guard let directory = hierarchy.directory(of: .freezer, path), directory.exists else {
      return nil
    }
    return FreezerController(directory.path, .v1)
  }

  /// Stops every process of the group and returns when all have stopped.
  ///
  /// - Throws: ``Failure/Code/unsupported`` without a freezer, ``Failure/Code/inUse`` after 2 seconds.
  public func freeze() throws(Failure) { try requireFreezer("freeze").freeze() }

  /// Lets the processes of a frozen group go on.
  public func thaw() throws(Failure) { try requireFreezer("thaw").thaw() }

  /// Whether the group is frozen.
  public var isFrozen: Bool { freezer?.isFrozen ?? false }

  private func requireFreezer(_ operation: String) throws(Failure) -> FreezerController {
    if let freezer { return freezer }
    throw Failure(
      .unsupported, operation, path, reason: "the group has no freezer",
      remedy: "a freezer cgroup controller or cgroup v2 on Linux 5.2 is needed")
  }

  /// Kills every process of the group, those in groups below included, frozen or not.
  ///
  /// Returns when the kernel has taken the order (cgroup.kill, Linux 5.14) or no process is left.
  /// - Throws: ``Failure/Code/inUse`` when processes remain after two seconds, ``Failure/Code/invalid`` for
  ///   a path that is no group's.
  public func kill() throws(Failure) {
    // A path from a damaged record must not reach the host's own processes.
    try Cgroup.validate(path: path)
    if let unified, unified.has("cgroup.kill") {
      do throws(Failure) { return try unified.write("cgroup.kill", "1") } catch
        where error.isMissing
      {
        return
      }
    }
    let freezer = freezer
    for attempt in 0..<400 {
      // Frozen processes cannot fork away from the list; killed, they must thaw to die.
      try? freezer?.freeze()
      let remaining = processes()
      for pid in remaining {
        guard let identity = ProcessIdentity(of: pid) else { continue }
        _ = try Processes.signal(identity, 9 /* SIGKILL */)
      }
      try? freezer?.thaw()
      if remaining.isEmpty { return }
      pause(microseconds: attempt < 20 ? 200 : 5000)
    }
    throw Failure(.inUse, "kill", path, reason: "processes remain after 2 seconds")
  }

  /// The processes of the group and of groups below it, by pid in this process's pid namespace.
  public func processes() -> [Int32] {
    var found: Set<Int32> = []
    for directory in [unified].compactMap({ $0 }) + groups {
      Cgroup.collect(directory, &found)
      if !found.isEmpty { break }
    }
    return found.sorted()
  }

  private static func collect(_ directory: ControlDirectory, _ found: inout Set<Int32>) {
    // 0 stands for a process of another pid namespace.
    for pid in directory.words("cgroup.procs").compactMap({ Int32($0) }) where pid > 0 {
      found.insert(pid)
    }
    for name in directory.subdirectories() {
      collect(ControlDirectory(directory.file(name)), &found)
    }
  }

  /// Removes the group's directories, and those that its processes made below; the parent stays.
  ///
  /// A group whose last process has just ended may be busy for a moment: it is tried again for up to two
  /// seconds. A group that is gone already is no failure.
  /// - Throws: ``Failure/Code/inUse`` when processes remain, ``Failure/Code/invalid`` for a path that is no
  ///   group's.
  public func remove() throws(Failure) {
    try Cgroup.validate(path: path)
    var failure: Failure?
    // Every tree, as an update may have added groups; the last made first.
    var directories = hierarchy.trees.map { ControlDirectory($0 + path) }
    if let tree = hierarchy.unified { directories.append(ControlDirectory(tree + path)) }
    for directory in directories {
      do throws(Failure) { try Cgroup.remove(directory) } catch { failure = failure ?? error }
    }
    if let failure { throw failure }
  }

  private static func remove(_ directory: ControlDirectory) throws(Failure) {
    var wait: UInt32 = 100
    var waited: UInt32 = 0
    while true {
      do throws(Failure) {
        try directory.remove()
        return
      } catch  where error.isBusy {
        for name in directory.subdirectories() {
          try remove(ControlDirectory(directory.file(name)))
        }
        if waited >= 2_000_000 {
          let count = directory.words("cgroup.procs").count
          throw Failure(
            .inUse, "remove cgroup", directory.path, reason: "\(count) processes remain in it",
            remedy: "kill them first")
        }
        pause(microseconds: wait)
        waited += wait
        wait = min(wait * 2, 50_000)
      }
    }
  }
}
