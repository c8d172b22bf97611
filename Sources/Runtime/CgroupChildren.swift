import Linux

extension Cgroup {
  /// The names of the groups directly below `path` in any tree of the host.
  ///
  /// - Parameter known: how many of them the caller knows; a tree that has just as many is not read.
  public static func children(
    of path: String, in hierarchy: CgroupHierarchy, known: Int = 0
  ) -> Set<String> {
    var names: Set<String> = []
    let trees = hierarchy.trees + [hierarchy.unified].compactMap { $0 }
    for tree in trees {
      // The links of a group's directory count its groups; reading hundreds of names takes milliseconds.
      if let links = try? FileStatus(tree + path).links, links == 2 + UInt64(known) { continue }
      // A control file is no group; its name has a dot, a container's id none.
      let entries = (try? Files.list(tree + path)) ?? []
      names.formUnion(entries.filter { !$0.contains(".") })
    }
    return names
  }
}
