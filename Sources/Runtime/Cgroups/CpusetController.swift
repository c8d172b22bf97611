import Linux

/// The cpuset controller of one group (Documentation/admin-guide/cgroup-v1/cpusets.rst).
struct CpusetController {
  let directory: ControlDirectory
  let version: CgroupVersion

  init(_ root: String, _ version: CgroupVersion) {
    directory = ControlDirectory(root)
    self.version = version
  }

  /// Places the group on CPUs and memory nodes.
  func apply(_ cpu: Resources.CPU) throws(Failure) {
    if let cpus = cpu.cpus, !cpus.isEmpty { try set("cpuset cpus", "cpuset.cpus", cpus) }
    if let mems = cpu.mems, !mems.isEmpty { try set("cpuset mems", "cpuset.mems", mems) }
  }

  private func set(_ limit: String, _ file: String, _ list: String) throws(Failure) {
    guard CpusetController.isList(list) else {
      throw Failure(
        .invalid, "set", "\(limit) \"\(list)\"", reason: "it is no list of numbers",
        remedy: "write it like 0-2,7")
    }
    do throws(Failure) { try directory.set(limit, file, list) } catch
      where error.isDenied || error.isInvalid
    {
      // EACCES: not a subset of the parent's; ERANGE, EINVAL: not among the machine's.
      let parent = ControlDirectory(Files.parent(of: directory.path))
      let effective = version == .v1 ? file : file + ".effective"
      let available = parent.text(effective) ?? "unknown"
      throw Failure(
        .invalid, "set", "\(limit) \(list)", reason: "not all of them are there",
        remedy: "available: \(available)")
    }
  }

  /// Gives a v1 group just made, and its parents up to `root`, the CPUs and nodes of the group above:
  /// v1 makes them empty, and no process can join an empty one.
  func inherit(upTo root: String) throws(Failure) {
    guard version == .v1, directory.path != root, directory.path.hasPrefix(root) else { return }
    for file in ["cpuset.cpus", "cpuset.mems"] where (directory.text(file) ?? "").isEmpty {
      let parent = CpusetController(Files.parent(of: directory.path), .v1)
      try parent.inherit(upTo: root)
      guard let list = parent.directory.text(file), !list.isEmpty else { continue }
      try directory.set("cpuset", file, list)
    }
  }

  /// Whether text is a list of the form that the kernel's bitmap parser takes: "0-2,7".
  static func isList(_ text: String) -> Bool {
    text.split(separator: ",", omittingEmptySubsequences: false).allSatisfy { part in
      let ends = part.split(separator: "-", omittingEmptySubsequences: false)
      let numbers = ends.compactMap { end in
        end.utf8.allSatisfy { (48...57).contains($0) } ? UInt32(end) : nil
      }
      guard numbers.count == ends.count, (1...2).contains(numbers.count) else { return false }
      return numbers[0] <= numbers[numbers.count - 1]
    }
  }
}
