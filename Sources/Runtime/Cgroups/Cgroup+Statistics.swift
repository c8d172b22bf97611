import Linux

extension Cgroup {
  /// What the group used so far and uses now.
  public func statistics() -> CgroupStatistics {
    var statistics = CgroupStatistics()
    if let (directory, version) = place(.cpuacct) {
      CPUController.read(accounting: directory, version: version, into: &statistics)
    } else if let unified {
      // Every v2 group counts CPU time, whatever tree the controllers are in.
      CPUController.read(accounting: unified, version: .v2, into: &statistics)
    }
    if let (directory, version) = place(.cpu) {
      CPUController(directory.path, version).readThrottling(into: &statistics)
    }
    if let (directory, version) = place(.memory) {
      MemoryController(directory.path, version).read(into: &statistics)
    }
    if let (directory, _) = place(.pids) {
      PidsController(directory.path).read(into: &statistics)
    } else {
      statistics.pids = countTasks()
    }
    if let (directory, version) = place(.blkio) {
      BlockIOController(directory.path, version).read(into: &statistics)
    }
    return statistics
  }

  /// How often the kernel killed a process of the group for want of memory; also right after the
  /// processes have ended, until the group is removed.
  public func oomKills() -> Int {
    guard let (directory, version) = place(.memory) else { return 0 }
    return MemoryController(directory.path, version).oomKills()
  }

  // Where a controller's files of this group are, if it has any.
  func place(
    _ controller: CgroupController
  ) -> (directory: ControlDirectory, version: CgroupVersion)? {
    guard let version = hierarchy.version(of: controller),
      let directory = hierarchy.directory(of: controller, path), directory.exists
    else { return nil }
    return (directory, version)
  }

  private func countTasks() -> UInt64 {
    if let unified { return UInt64(unified.words("cgroup.threads").count) }
    return UInt64(groups.first?.words("tasks").count ?? 0)
  }
}
