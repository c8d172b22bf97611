import Linux

/// Stops and continues all processes of one group (cgroup-v1/freezer-subsystem.rst; cgroup.freeze of
/// v2, Linux 5.2).
struct FreezerController {
  let directory: ControlDirectory
  let version: CgroupVersion

  init(_ root: String, _ version: CgroupVersion) {
    directory = ControlDirectory(root)
    self.version = version
  }

  /// Freezes and waits until every process is.
  ///
  /// - Throws: ``Failure/Code/inUse`` when that takes more than two seconds; the group is thawed then.
  func freeze() throws(Failure) {
    try write(frozen: true)
    for attempt in 0..<1000 {
      if isFrozen { return }
      pause(microseconds: attempt < 50 ? 50 : 2000)
      // A v1 group can stay FREEZING while its processes fork; writing again restarts the freezer.
      if version == .v1 && attempt % 50 == 49 { try write(frozen: true) }
    }
    try? write(frozen: false)
    throw Failure(
      .inUse, "freeze", directory.path, reason: "not all processes stopped in 2 seconds")
  }

  /// Lets the processes go on.
  func thaw() throws(Failure) { try write(frozen: false) }

  /// Whether every process of the group is stopped.
  var isFrozen: Bool {
    switch version {
    case .v1: directory.text("freezer.state") == "FROZEN"
    case .v2: directory.number("cgroup.events", key: "frozen") == 1
    }
  }

  private func write(frozen: Bool) throws(Failure) {
    let (file, value) =
      version == .v1
      ? ("freezer.state", frozen ? "FROZEN" : "THAWED") : ("cgroup.freeze", frozen ? "1" : "0")
    do throws(Failure) { try directory.write(file, value) } catch {
      throw error.during(frozen ? "freeze" : "thaw", directory.path)
    }
  }
}
