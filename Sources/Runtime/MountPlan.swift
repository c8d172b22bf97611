import Linux

/// Turns a specification into the list of steps that make its file system.
public enum MountPlan {
  /// The steps in order: mounts, the standard and the requested devices, the terminal, then the masked
  /// and read-only paths, which must come last so that nothing is mounted over them.
  ///
  /// - Parameter cgroupMounts: what a mount of type "cgroup" becomes on this host.
  /// - Throws: ``Failure/Code/invalid`` naming the field that makes no sense.
  public static func steps(
    for spec: Spec, cgroupMounts: (_ target: String, _ readOnly: Bool) -> [MountStep]
  ) throws(Failure) -> [MountStep] {
    var steps: [MountStep] = []
    var ownsDev = false
    for mount in spec.mounts ?? [] {
      guard mount.destination.hasPrefix("/") else {
        throw Failure(
          .invalid, "mount", mount.destination, reason: "the destination is not an absolute path")
      }
      let options = MountOptions(mount.options ?? [])
      if options.copiesUp && (options.isRemount || options.isBind || mount.type != "tmpfs") {
        throw Failure(
          .invalid, "mount", mount.destination, reason: "tmpcopyup is an option of a tmpfs alone")
      }
      if options.isRemount {
        steps.append(.adjust(target: mount.destination, options: bindOptions(options)))
      } else if options.isBind || mount.type == "bind" {
        steps.append(try bind(mount, options))
      } else if mount.type == "cgroup" || mount.type == "cgroup2" {
        steps += cgroupMounts(mount.destination, options.set.contains(.readOnly))
      } else {
        if mount.destination == "/dev" && mount.type == "tmpfs" { ownsDev = true }
        try append(mount, options, label: spec.linux?.mountLabel ?? "", to: &steps)
      }
    }
    // A /dev that is bound from elsewhere has its nodes already.
    if ownsDev {
      steps += standardDevices
      for device in spec.linux?.devices ?? [] { steps.append(try step(for: device)) }
    }
    if spec.process?.terminal == true { steps.append(.console) }
    for path in spec.linux?.readonlyPaths ?? [] { steps.append(.readOnly(path: path)) }
    for path in spec.linux?.maskedPaths ?? [] { steps.append(.mask(path: path)) }
    return steps
  }

  private static func append(
    _ mount: Spec.Mount, _ options: MountOptions, label: String, to steps: inout [MountStep]
  ) throws(Failure) {
    let target = mount.destination
    if options.copiesUp { steps.append(.copyUp(target: target)) }
    if options.idmap != nil {
      throw Failure(
        .unsupported, "mount", target, reason: "idmap is an option of a bind mount alone")
    }
    var data = options.data
    // SELinux labels the files of these itself.
    if !label.isEmpty, !["proc", "sysfs", "mqueue"].contains(mount.type) {
      data.append("context=" + label)
    }
    steps.append(
      .fileSystem(
        type: mount.type ?? "none", source: mount.source ?? mount.type ?? "none", target: target,
        options: data, attributes: options.set.union(options.recursiveSet)))
    if let propagation = options.propagation {
      var change = BindOptions()
      change.propagation = propagation
      change.isPropagationRecursive = options.isPropagationRecursive
      steps.append(.adjust(target: target, options: change))
    }
  }

  private static func bindOptions(_ options: MountOptions) -> BindOptions {
    var bind = BindOptions()
    bind.recursive = options.isRecursive
    bind.set = options.set
    bind.clear = options.clear
    bind.recursiveSet = options.recursiveSet
    bind.recursiveClear = options.recursiveClear
    bind.propagation = options.propagation
    bind.isPropagationRecursive = options.isPropagationRecursive
    return bind
  }

  private static func bind(
    _ mount: Spec.Mount, _ options: MountOptions
  ) throws(Failure) -> MountStep {
    guard let source = mount.source, source.hasPrefix("/") else {
      throw Failure(
        .invalid, "mount", mount.destination,
        reason: "the source of a bind mount is not an absolute path")
    }
    if let unknown = options.data.first(where: { $0 != "async" }) {
      throw Failure(
        .invalid, "mount", mount.destination, reason: "a bind mount has no option \"\(unknown)\"")
    }
    return .bind(
      source: source, target: mount.destination, options: bindOptions(options))
  }

  private static func step(for device: Spec.Device) throws(Failure) -> MountStep {
    let kind: DeviceKind
    switch device.type {
    case "c", "u": kind = .character
    case "b": kind = .block
    case "p": kind = .fifo
    default:
      throw Failure(
        .invalid, "create device", device.path, reason: "unknown type \"\(device.type)\"")
    }
    guard device.path.hasPrefix("/dev/") else {
      throw Failure(.invalid, "create device", device.path, reason: "the path is not below /dev")
    }
    return .device(
      path: device.path, kind: kind, major: UInt32(truncatingIfNeeded: device.major ?? 0),
      minor: UInt32(truncatingIfNeeded: device.minor ?? 0), mode: device.fileMode ?? 0o666,
      uid: device.uid ?? 0, gid: device.gid ?? 0)
  }

  /// The nodes and links that runtime-spec's "Default Devices" and "/dev symbolic links" ask for.
  static let standardDevices: [MountStep] =
    [
      ("null", 1, 3), ("zero", 1, 5), ("full", 1, 7), ("random", 1, 8), ("urandom", 1, 9),
      ("tty", 5, 0),
    ].map { (name: String, major: UInt32, minor: UInt32) in
      MountStep.device(
        path: "/dev/" + name, kind: .character, major: major, minor: minor, mode: 0o666, uid: 0,
        gid: 0)
    } + [
      .symlink(target: "/proc/self/fd", path: "/dev/fd"),
      .symlink(target: "/proc/self/fd/0", path: "/dev/stdin"),
      .symlink(target: "/proc/self/fd/1", path: "/dev/stdout"),
      .symlink(target: "/proc/self/fd/2", path: "/dev/stderr"),
      .symlink(target: "/proc/kcore", path: "/dev/core"),
      .symlink(target: "pts/ptmx", path: "/dev/ptmx"),
    ]
}
