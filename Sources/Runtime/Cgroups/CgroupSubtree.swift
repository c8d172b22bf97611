import Linux

/// Enables v2 controllers for a group: each directory from the root of the tree to the group's parent
/// must pass them on in its cgroup.subtree_control (cgroup-v2.rst, "Controlling Controllers").
struct CgroupSubtree {
  /// The tree's mount point.
  let tree: String
  /// The group's path below it.
  let path: String

  /// Makes the parents and enables the controllers in each.
  ///
  /// - Parameter plan: tells which controllers a limit needs; the others are left out where they cannot
  ///   be enabled.
  /// - Throws: ``Failure/Code/unsupported`` for a needed controller that a parent does not have,
  ///   ``Failure/Code/inUse`` when a parent has processes of its own.
  func enable(_ controllers: [String], for plan: CgroupPlan) throws(Failure) {
    // Nearly always another container's start has done it: one look at the group's parent tells.
    let above = ControlDirectory(Files.parent(of: tree + path))
    let enabled = above.words("cgroup.subtree_control")
    if controllers.allSatisfy({ enabled.contains($0) }) { return }
    var directory = ControlDirectory(tree)
    try enable(controllers, in: directory, plan)
    for component in path.split(separator: "/").dropLast() {
      directory = ControlDirectory(directory.file(String(component)))
      _ = try directory.make()
      try enable(controllers, in: directory, plan)
    }
  }

  private func enable(
    _ controllers: [String], in directory: ControlDirectory,
    _ plan: CgroupPlan
  ) throws(Failure) {
    let enabled = directory.words("cgroup.subtree_control")
    var absent = controllers.filter { !enabled.contains($0) }
    if absent.isEmpty { return }
    let available = directory.words("cgroup.controllers")
    for name in absent where !available.contains(name) {
      guard let limit = plan.limit(needingUnified: name) else { continue }
      throw Failure(
        .unsupported, "set", limit,
        reason: "the \(name) cgroup controller is not available in \(directory.path)",
        remedy: "enable it in cgroup.subtree_control of the parents")
    }
    absent.removeAll { !available.contains($0) }
    // One write of all is the usual case; when it is refused, one by one shows which.
    if (try? directory.write(
      "cgroup.subtree_control", absent.map { "+\($0)" }.joined(separator: " "))) != nil
    {
      return
    }
    for name in absent {
      do throws(Failure) { try directory.write("cgroup.subtree_control", "+\(name)") } catch {
        guard let limit = plan.limit(needingUnified: name) else { continue }
        throw CgroupSubtree.explain(error, limit, name, directory)
      }
    }
  }

  private static func explain(
    _ error: Failure, _ limit: String, _ controller: String, _ directory: ControlDirectory
  ) -> Failure {
    // A group passes resources on or has processes, not both; only the real root may do both.
    if error.isBusy {
      return Failure(
        .inUse, "set", limit,
        reason: "the \(controller) controller cannot be enabled in \(directory.path),"
          + " which has processes of its own",
        remedy: "move them into a group below it, or name another --cgroup-parent")
    }
    if error.isUnsupported {
      return Failure(
        .unsupported, "set", limit,
        reason:
          "\(directory.path) is a threaded cgroup, which cannot have the \(controller) controller",
        remedy: "name another --cgroup-parent")
    }
    return error.during(
      "set", limit, remedy: error.isDenied ? "minidock needs root and a writable cgroup2 mount" : ""
    )
  }
}
