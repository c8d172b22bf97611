import Linux

/// How a user namespace numbers ids (user_namespaces(7)).
enum IDMaps {
  /// The most ranges that the kernel takes (Linux 4.15).
  static let limit = 340

  /// Refuses ranges that the kernel would refuse, or read as others.
  static func check(_ mappings: [Spec.IDMapping], _ field: String) throws(Failure) {
    guard mappings.count <= limit else {
      throw Failure.field(
        field, "it has \(mappings.count) ranges, and the kernel takes \(limit)",
        remedy: "join neighbouring ranges")
    }
    for (index, range) in mappings.enumerated() {
      guard range.size > 0 else { throw Failure.field("\(field)[\(index)].size", "it is 0") }
      // The last number of all is no id.
      for (name, first) in [("containerID", range.containerID), ("hostID", range.hostID)]
      where UInt64(first) + UInt64(range.size) > UInt64(UInt32.max) {
        throw Failure.field(
          "\(field)[\(index)]", "\(name) \(first) and size \(range.size) reach beyond all ids")
      }
    }
    for (name, first) in [
      ("containerID", { (range: Spec.IDMapping) in range.containerID }),
      ("hostID", { (range: Spec.IDMapping) in range.hostID }),
    ] {
      let sorted = mappings.sorted { first($0) < first($1) }
      for index in sorted.indices.dropFirst()
      where UInt64(first(sorted[index - 1])) + UInt64(sorted[index - 1].size)
        > UInt64(first(sorted[index]))
      {
        throw Failure.field(field, "ranges of \(name) overlap at \(first(sorted[index]))")
      }
    }
    guard text(mappings).utf8.count < 4096 else {
      throw Failure.field(
        field, "as text it is longer than the kernel's 4095 bytes",
        remedy: "join neighbouring ranges")
    }
  }

  static func text(_ mappings: [Spec.IDMapping]) -> String {
    mappings.reduce(into: "") { $0 += $1.line }
  }

  /// Writes the mappings of a process that has just made its user namespace.
  ///
  /// Who is not root may map its own ids alone, after giving up setgroups(2) (CVE-2014-8989, security row
  /// 38); for more it needs newuidmap(1) and newgidmap(1), which ask /etc/subuid and /etc/subgid.
  static func write(
    _ uids: [Spec.IDMapping], _ gids: [Spec.IDMapping], of pid: Int32
  ) throws(Failure) {
    if ThisProcess.isRoot {
      try write(uids, "/proc/\(pid)/uid_map", "linux.uidMappings")
      try write(gids, "/proc/\(pid)/gid_map", "linux.gidMappings")
      return
    }
    let own = ThisProcess.effectiveUser
    let ownGroup = ThisProcess.effectiveGroup
    if uids.count == 1, uids[0].size == 1, uids[0].hostID == own {
      try write(uids, "/proc/\(pid)/uid_map", "linux.uidMappings")
    } else {
      try help("newuidmap", uids, pid, "linux.uidMappings")
    }
    if gids.count == 1, gids[0].size == 1, gids[0].hostID == ownGroup {
      try Files.write("deny", into: "/proc/\(pid)/setgroups")
      try write(gids, "/proc/\(pid)/gid_map", "linux.gidMappings")
    } else {
      try help("newgidmap", gids, pid, "linux.gidMappings")
    }
  }

  private static func write(
    _ mappings: [Spec.IDMapping], _ path: String, _ field: String
  ) throws(Failure) {
    do throws(Failure) { try Files.write(text(mappings), into: path) } catch {
      throw Failure(errno: error.errno, "use", field)
    }
  }

  private static func help(
    _ program: String, _ mappings: [Spec.IDMapping], _ pid: Int32, _ field: String
  ) throws(Failure) {
    let folders = ["/usr/bin", "/bin", "/usr/local/bin"]
    guard let path = folders.map({ "\($0)/\(program)" }).first(where: Files.isExecutable) else {
      throw Failure.field(
        field, "without root more than one's own id needs \(program)", code: .unsupported,
        remedy: "install the package uidmap, and give ranges in /etc/subuid and /etc/subgid")
    }
    let numbers = mappings.flatMap { [$0.containerID, $0.hostID, $0.size].map { String($0) } }
    // What it says has more lines than one, and the reason follows from the status.
    let null = try Descriptor.open("/dev/null", .write)
    let number = null.raw
    let child = try Processes.fork {
      try? ThisProcess.place(number, at: 2)
      _ = ThisProcess.execute(
        path, arguments: [program, String(pid)] + numbers, environment: ["PATH=/usr/bin:/bin"])
      return 127
    }
    guard try Processes.wait(pidfd: child.handle) == .exited(0) else {
      throw Failure.field(
        field, "\(program) refuses these ranges", code: .refused,
        remedy: "/etc/subuid and /etc/subgid tell which ids a user may map")
    }
  }
}
