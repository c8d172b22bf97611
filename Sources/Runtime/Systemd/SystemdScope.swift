import Linux

/// A container's group by the systemd driver: a scope that systemd makes around its first process and
/// delegates, and in it whatever systemd has no property for, written by the cgroupfs driver.
enum SystemdScope {
  /// Makes the scope with a process in it, and applies the limits.
  ///
  /// - Throws: why it cannot be had: ``Failure/Code/exists`` when the scope is somebody else's. Otherwise it
  ///   may be there; it is the caller's to end the process and to ``stop()`` it.
  static func start(
    _ unit: SystemdUnit, id: String, pid: Int32, resources: Resources,
    annotations: [(key: String, value: String)], in hierarchy: CgroupHierarchy
  ) throws(Failure) -> Cgroup {
    // Whatever the host cannot do is refused before systemd hears of it.
    _ = try CgroupPlan(resources, hierarchy)
    var properties = SystemdProperties.scope(unit, id: id, pid: pid, mode: hierarchy.mode)
    var manager = try SystemdManager.connect(try SystemdAddress.here())
    let limits = SystemdLimits(mode: hierarchy.mode, version: try manager.version())
    for (name, value) in try limits.properties(resources).list { properties.set(name, value) }
    try SystemdAnnotations.add(annotations, to: &properties)
    let path = try manager.start(unit.name, properties)
    return try Cgroup.takeOver(path: path, of: pid, resources: resources, in: hierarchy)
  }

  /// Changes limits: the unit's properties first, or systemd would round what is written into the group.
  static func update(
    _ unit: String, _ group: Cgroup, _ resources: Resources
  ) throws(Failure) {
    _ = try CgroupPlan(resources, group.hierarchy)
    var manager = try SystemdManager.connect(try SystemdAddress.here())
    var limits = SystemdLimits(
      mode: group.hierarchy.mode, version: try manager.version())
    limits.current = group.quota
    let properties = try limits.properties(resources)
    if !properties.list.isEmpty { try manager.set(unit, properties) }
  }

  /// Whether only systemd can move a process into the group: without root nobody else may, from outside of
  /// what is delegated to the user.
  static func mustAttach(_ unit: String) -> Bool {
    guard !unit.isEmpty, let address = try? SystemdAddress.here() else { return false }
    return address.isUser
  }

  /// Has a further process moved into the scope's group, or one below.
  static func attach(_ pid: Int32, to unit: String, below path: String?) throws(Failure) {
    var manager = try SystemdManager.connect(try SystemdAddress.here())
    let path = (path ?? "").isEmpty || path == "/" ? "" : ("/" + (path ?? "")).tidyPath
    try manager.attach(pid, to: unit, below: path)
  }

  /// Ends a scope whose processes have been killed: one that ignores SIGTERM would keep systemd waiting.
  static func stop(_ unit: String) throws(Failure) {
    var manager = try SystemdManager.connect(try SystemdAddress.here())
    try manager.stop(unit)
  }
}

extension Cgroup {
  /// The group's present quota and period.
  var quota: SystemdLimits.CPU {
    var found = SystemdLimits.CPU()
    guard let directory = hierarchy.directory(of: .cpu, path) else { return found }
    if hierarchy.version(of: .cpu) == .v1 {
      found.quota = directory.number("cpu.cfs_quota_us").flatMap { $0 > 0 ? $0 : nil }
      found.period = directory.number("cpu.cfs_period_us").map { UInt64(max(1, $0)) } ?? 100_000
    } else {
      let words = directory.words("cpu.max")
      found.quota = words.first.flatMap { Int64($0) }
      found.period = words.count > 1 ? UInt64(words[1]) ?? 100_000 : 100_000
    }
    return found
  }
}

extension CgroupHierarchy {
  /// The v1 tree without a controller in which systemd keeps its units, where it does; nil elsewhere.
  static func unitTree(mountinfo: [UInt8]?) -> String? {
    guard let mountinfo else { return nil }
    var found: String?
    CgroupMounts.each(in: mountinfo) { mount in
      if found == nil, mount.hasOption("name=systemd") { found = mount.point }
    }
    return found
  }
}
