import Linux

/// Judges a specification before anything is made for it: what contradicts itself, and what this host or
/// minidock cannot do, is refused by the name of its field.
struct BundleCheck {
  let spec: Spec
  let bundle: String

  func run() throws(Failure) {
    try checkVersion()
    try checkRoot()
    try checkMounts()
    try checkProcess(spec.process, "process")
    try checkNames()
    guard let linux = spec.linux else {
      throw Failure.field("linux", "it is missing")
    }
    try LinuxCheck(spec: spec, linux: linux).run()
  }

  // Any version of the first series: what later ones of it add is either known here or optional.
  private func checkVersion() throws(Failure) {
    let version = spec.ociVersion
    let numbers = version.prefix { $0 != "-" && $0 != "+" }.split(
      separator: ".", omittingEmptySubsequences: false)
    guard numbers.count == 3, numbers.allSatisfy({ UInt16($0) != nil }) else {
      throw Failure.field("ociVersion", "\"\(version)\" is no version")
    }
    guard numbers[0] == "1" else {
      throw Failure.field(
        "ociVersion", "version \(version) is not known", code: .unsupported,
        remedy: "minidock reads versions 1.x.y")
    }
  }

  private func checkRoot() throws(Failure) {
    guard let root = spec.root, !root.path.isEmpty else {
      throw Failure.field("root.path", "it is missing")
    }
    guard root.path.staysBelow else {
      throw Failure.field("root.path", "\"\(root.path)\" leads out of the bundle")
    }
    let path = root.path.hasPrefix("/") ? root.path : bundle + "/" + root.path
    guard let status = try? FileStatus(path) else {
      throw Failure.field("root.path", "stat \(path): no such file or directory", code: .notFound)
    }
    guard status.kind == .directory else {
      throw Failure.field("root.path", "\(path) is not a directory")
    }
  }

  private func checkMounts() throws(Failure) {
    // Mounts at one place cover one another, as containerd's CRI plugin has it for /dev/shm; the same one
    // twice is nobody's intention.
    var entries: [(key: String, index: Int)] = []
    for (index, mount) in (spec.mounts ?? []).enumerated() {
      let field = "mounts[\(index)]"
      guard mount.destination.hasPrefix("/") else {
        throw Failure.field(
          field + ".destination", "\"\(mount.destination)\" is not an absolute path")
      }
      let options = MountOptions(mount.options ?? [])
      if options.isRemount {
        // What is mounted there has a source and a type already.
      } else if options.isBind || mount.type == "bind" {
        guard let source = mount.source, !source.isEmpty else {
          throw Failure.field(field + ".source", "it is missing")
        }
        guard source.staysBelow else {
          throw Failure.field(field + ".source", "\"\(source)\" leads out of the bundle")
        }
      } else if (mount.type ?? "").isEmpty {
        throw Failure.field(field + ".type", "it is missing")
      }
      try checkMapping(mount, options, field)
      if options.isRemount { continue }
      let key = [mount.destination.tidyPath, mount.type ?? "", mount.source ?? ""]
      entries.append(((key + (mount.options ?? [])).joined(separator: "\0"), index))
    }
    entries.sort { ($0.key, $0.index) < ($1.key, $1.index) }
    for index in entries.indices.dropFirst() where entries[index].key == entries[index - 1].key {
      throw Failure.field(
        "mounts[\(entries[index].index)]", "it is mounts[\(entries[index - 1].index)] again")
    }
  }

  private func checkMapping(
    _ mount: Spec.Mount, _ options: MountOptions, _ field: String
  ) throws(Failure) {
    let hasMapping = !(mount.uidMappings ?? []).isEmpty || !(mount.gidMappings ?? []).isEmpty
    if hasMapping {
      guard !(mount.uidMappings ?? []).isEmpty, !(mount.gidMappings ?? []).isEmpty else {
        throw Failure.field(field, "it has only one of uidMappings and gidMappings")
      }
      try IDMaps.check(mount.uidMappings ?? [], field + ".uidMappings")
      try IDMaps.check(mount.gidMappings ?? [], field + ".gidMappings")
    } else if options.idmap != nil, (spec.linux?.uidMappings ?? []).isEmpty {
      throw Failure.field(
        field + ".options", "idmap has neither mappings of its own nor a user namespace's")
    }
    if hasMapping || options.idmap != nil {
      guard options.isBind || mount.type == "bind" else {
        throw Failure.field(
          field, "ids can be mapped of a bind mount alone", code: .unsupported)
      }
    }
  }

  private func checkNames() throws(Failure) {
    func has(_ type: String) -> Bool {
      (spec.linux?.namespaces ?? []).contains { $0.type == type }
    }
    for (field, name, limit) in [
      ("hostname", spec.hostname, 64), ("domainname", spec.domainname, 64),
    ] {
      guard let name, !name.isEmpty else { continue }
      guard has("uts") else {
        throw Failure.field(field, "the container has no UTS namespace of its own")
      }
      guard name.utf8.count <= limit else {
        throw Failure.field(field, "it has more than \(limit) bytes")
      }
    }
  }
}

extension BundleCheck {
  /// Judges a process: a bundle's, or one that joins later.
  func checkProcess(_ process: Spec.Process?, _ field: String) throws(Failure) {
    guard let process else { throw Failure.field(field, "it is missing") }
    guard let command = process.args?.first, !command.isEmpty else {
      throw Failure.field(field + ".args", "it names no command")
    }
    guard process.cwd.hasPrefix("/") else {
      throw Failure.field(field + ".cwd", "\"\(process.cwd)\" is not an absolute path")
    }
    try checkUser(process.user, field + ".user")
    var seen: [String] = []
    for (index, limit) in (process.rlimits ?? []).enumerated() {
      let place = field + ".rlimits[\(index)]"
      guard limit.type.hasPrefix("RLIMIT_"), ResourceLimit.number(limit.type) != nil else {
        throw Failure.field(place + ".type", "\"\(limit.type)\" is no resource limit")
      }
      guard limit.soft <= limit.hard else {
        throw Failure.field(
          place, "the soft limit \(limit.soft) is above the hard limit \(limit.hard)")
      }
      guard !seen.contains(limit.type) else {
        throw Failure.field(place + ".type", "\(limit.type) is given twice")
      }
      seen.append(limit.type)
    }
    if let adjust = process.oomScoreAdj, !(-1000...1000).contains(adjust) {
      throw Failure.field(field + ".oomScoreAdj", "\(adjust) is not between -1000 and 1000")
    }
    _ = try ProcessExtras(process, field)
  }

  private func checkUser(_ user: Spec.User, _ field: String) throws(Failure) {
    // The last number stands for "none" in the calls that set ids (security row 14).
    for (name, id) in [("uid", user.uid), ("gid", user.gid)] where id == UInt32.max {
      throw Failure.field(field + "." + name, "\(id) is no id")
    }
    for (index, id) in (user.additionalGids ?? []).enumerated() where id == UInt32.max {
      throw Failure.field(field + ".additionalGids[\(index)]", "\(id) is no id")
    }
    if let umask = user.umask, umask > 0o777 {
      throw Failure.field(field + ".umask", "\(umask) is no mask of permissions")
    }
  }
}
