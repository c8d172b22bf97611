import Linux

/// The `unified` map of linux.resources: v2 files written as they are given.
enum UnifiedController {
  /// Refuses keys that are no plain v2 file of a group.
  static func validate(_ values: [String: String]) throws(Failure) {
    for (file, value) in values {
      guard file.contains("."), !file.hasPrefix("."), file.utf8.count < 256,
        file.utf8.allSatisfy({
          (97...122).contains($0) || (65...90).contains($0) || (48...57).contains($0)
            || "._-".utf8.contains($0)
        })
      else {
        throw Failure(
          .invalid, "set", "unified \"\(file)\"", reason: "it is no cgroup v2 file name",
          remedy: "write it like memory.high")
      }
      // Membership and delegation are not limits: writing them would undo the group itself.
      if ["cgroup.procs", "cgroup.threads", "cgroup.subtree_control", "cgroup.kill", "cgroup.type"]
        .contains(file)
      {
        throw Failure(.refused, "set", "unified \(file)", reason: "it is no limit")
      }
      guard !value.utf8.contains(0) else {
        throw Failure(.invalid, "set", "unified \(file)", reason: "its value has a zero byte")
      }
    }
  }

  /// Writes the values, each line of one by a write of its own.
  static func apply(_ values: [String: String], root: String) throws(Failure) {
    for (file, value) in values.sorted(by: { $0.key < $1.key }) {
      for line in value.split(separator: "\n") {
        try ControlDirectory(root).set("unified \(file)", file, String(line))
      }
    }
  }
}
