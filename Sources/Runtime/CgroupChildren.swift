import Linux

extension Cgroup {
  /// The names of the groups directly below `path` in any tree of the host.
  public static func children(of path: String, in hierarchy: CgroupHierarchy) -> Set<String> {
    var names: Set<String> = []
    let trees = hierarchy.trees + [hierarchy.unified].compactMap { $0 }
    for tree in trees {
      // A control file is no group; its name has a dot, a container's id none.
      let entries = (try? Files.list(tree + path)) ?? []
      names.formUnion(entries.filter { !$0.contains(".") })
    }
    return names
  }
}
