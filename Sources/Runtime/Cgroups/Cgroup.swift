import Linux

/// One container's group: a directory in the v2 tree, and on a v1 or hybrid host one in the tree of each
/// v1 controller that is in use.
///
/// On a hybrid host the v2 directory exists too, though its tree has few or no controllers: it freezes,
/// kills and counts CPU time without any, and a child is born in it (CLONE_INTO_CGROUP), where each v1
/// group costs a join. A process gets its cgroup namespace after it has joined (unshare(2), not clone
/// flags), or the namespace would show its parent's group.
public struct Cgroup: Sendable, Equatable {
  /// The path below the root of every tree, with a slash in front.
  public let path: String
  /// The trees.
  public let hierarchy: CgroupHierarchy
  /// The group's directory in the v2 tree.
  let unified: ControlDirectory?
  /// The group's directories in v1 trees; each tree once, even when two controllers share it.
  let groups: [ControlDirectory]

  /// Makes the group and applies the limits; whatever fails, nothing that was made remains.
  ///
  /// - Parameters:
  ///   - path: such as "/minidock/ID", checked by ``validate(path:)``; parents are made and stay.
  ///   - resources: what is nil is not limited. A v1 tree that no limit needs gets no group, except
  ///     memory, which also counts the kills for want of memory.
  /// - Throws: ``Failure/Code/unsupported`` naming the limit and the controller that is missing;
  ///   ``Failure/Code/inUse`` when the group exists and has processes; the failure of a system call.
  ///   - everywhere: makes it in the tree of every v1 controller, as engines expect that read there.
  ///   - settingLimits: false leaves the limits to ``setInitialLimits(_:)``, which must follow before the
  ///     group's process does anything of its own.
  public static func create(
    path: String, resources: Resources, in hierarchy: CgroupHierarchy, settingLimits: Bool = true,
    everywhere: Bool = false
  ) throws(Failure) -> Cgroup {
    try validate(path: path)
    let plan = try CgroupPlan(resources, hierarchy)
    let path = normalize(path)
    var made = CgroupDirectories(path: path, hierarchy: hierarchy)
    do throws(Failure) {
      try made.make(plan, everywhere: everywhere)
      let cgroup = Cgroup(
        path: path, hierarchy: hierarchy, unified: made.unified, groups: made.groups)
      if settingLimits { try cgroup.set(resources, plan, isNew: true) }
      return cgroup
    } catch {
      made.undo()
      throw error
    }
  }

  /// Applies the limits that the group was created for.
  ///
  /// - Throws: as ``create(path:resources:in:settingLimits:)``; the group stays.
  public func setInitialLimits(_ resources: Resources) throws(Failure) {
    try set(resources, try CgroupPlan(resources, hierarchy), isNew: true)
  }

  /// A group made earlier, perhaps by another process; parts that do not exist are left out.
  public init(existing path: String, in hierarchy: CgroupHierarchy) {
    let path = Cgroup.normalize(path)
    let unified = hierarchy.unified.map { ControlDirectory($0 + path) }
    self.init(
      path: path, hierarchy: hierarchy, unified: unified.flatMap { $0.exists ? $0 : nil },
      groups: hierarchy.trees.map { ControlDirectory($0 + path) }.filter(\.exists))
  }

  init(
    path: String, hierarchy: CgroupHierarchy, unified: ControlDirectory?,
    groups: [ControlDirectory]
  ) {
    self.path = path
    self.hierarchy = hierarchy
    self.unified = unified
    self.groups = groups
  }

  /// A group that systemd has made around a process: parts that it leaves out are made, and the limits
  /// applied.
  ///
  /// - Throws: as ``create(path:resources:in:settingLimits:everywhere:)``; directories that were made stay
  ///   until ``remove()``.
  static func takeOver(
    path: String, of pid: Int32, resources: Resources, in hierarchy: CgroupHierarchy
  ) throws(Failure) -> Cgroup {
    try validate(path: path)
    let plan = try CgroupPlan(resources, hierarchy)
    var made = CgroupDirectories(path: normalize(path), hierarchy: hierarchy)
    made.mayHaveProcesses = true
    try made.make(plan, everywhere: true)
    let cgroup = Cgroup(
      path: normalize(path), hierarchy: hierarchy, unified: made.unified, groups: made.groups)
    for directory in [made.unified].compactMap({ $0 }) + made.groups
    where !directory.words("cgroup.procs").contains(String(pid)) {
      try directory.write("cgroup.procs", String(pid))
    }
    try cgroup.set(resources, plan, isNew: false)
    return cgroup
  }

  /// The same with the group in systemd's own v1 tree, where there is one: a process that joins the others
  /// alone would not be the unit's to systemd.
  func joiningUnit() -> Cgroup {
    guard hierarchy.mode != .v2,
      let tree = CgroupHierarchy.unitTree(
        mountinfo: ControlDirectory.bytes(of: "/proc/self/mountinfo"))
    else { return self }
    let directory = ControlDirectory(tree + path)
    guard directory.exists, !groups.contains(directory) else { return self }
    return Cgroup(
      path: path, hierarchy: hierarchy, unified: unified, groups: groups + [directory])
  }

  /// Files into which a single-threaded child writes "0" to join the v1 groups. `tasks`, not
  /// `cgroup.procs`: moving only itself, a task needs no lock of all threads of the machine.
  public var joinPaths: [String] { groups.map { $0.file("tasks") } }

  /// The directory to open for CLONE_INTO_CGROUP (Linux 5.7); nil on a pure v1 host.
  public var directoryForClone: String? { unified?.path }

  /// The file for joining the v2 group where CLONE_INTO_CGROUP cannot be used; nil on a pure v1 host.
  public var unifiedJoinPath: String? { unified?.file("cgroup.procs") }

  /// Whether any part of the group exists.
  public var exists: Bool { unified?.exists == true || groups.contains { $0.exists } }

  /// Changes limits of the group while it runs; what is nil stays.
  ///
  /// A v1 controller that had no group yet gets one, with the processes moved in.
  /// - Throws: as ``create(path:resources:in:)``; limits already changed stay changed.
  public func apply(_ resources: Resources) throws(Failure) {
    let plan = try CgroupPlan(resources, hierarchy)
    var added = CgroupDirectories(path: path, hierarchy: hierarchy)
    if !plan.unifiedControllers.isEmpty, let tree = hierarchy.unified {
      try CgroupSubtree(tree: tree, path: path).enable(plan.unifiedControllers, for: plan)
    }
    for number in 0..<CgroupController.count where plan.limits[number] != nil {
      guard let controller = CgroupController(rawValue: number),
        hierarchy.version(of: controller) == .v1,
        let directory = hierarchy.directory(of: controller, path), !directory.exists
      else { continue }
      try added.makeV1(controller)
      try adopt(into: directory)
    }
    try set(resources, plan, isNew: false)
  }

  // Processes may fork while they are moved, so it goes on until nobody new is found.
  private func adopt(into directory: ControlDirectory) throws(Failure) {
    var moved: Set<Int32> = []
    while true {
      let remaining = processes().filter { !moved.contains($0) }
      if remaining.isEmpty { return }
      for process in remaining {
        moved.insert(process)
        // A process that has ended in between needs no group.
        do throws(Failure) { try directory.write("cgroup.procs", String(process)) } catch {
          if ProcessIdentity(of: process) != nil { throw error }
        }
      }
    }
  }

  private func set(
    _ resources: Resources, _ plan: CgroupPlan, isNew: Bool
  ) throws(Failure) {
    for number in 0..<CgroupController.count where plan.limits[number] != nil {
      guard let controller = CgroupController(rawValue: number),
        let version = hierarchy.version(of: controller),
        let directory = hierarchy.directory(of: controller, path)
      else { continue }
      let root = directory.path
      switch controller {
      case .memory: try MemoryController(root, version).apply(resources.memory ?? .init())
      case .cpu: try CPUController(root, version).apply(resources.cpu ?? .init())
      case .cpuset: try CpusetController(root, version).apply(resources.cpu ?? .init())
      case .pids: try PidsController(root).apply(resources.pids ?? .init())
      case .blkio: try BlockIOController(root, version).apply(resources.blockIO ?? .init())
      case .hugetlb: try HugetlbController(root, version).apply(resources.hugepageLimits ?? [])
      case .rdma: try RDMAController.apply(resources.rdma ?? [:], root: root)
      case .networkClass:
        try NetworkController.apply(classID: resources.network?.classID ?? 0, root: root)
      case .networkPriority:
        try NetworkController.apply(
          priorities: resources.network?.priorities ?? [], root: root)
      case .devices:
        // A new v1 group that may use every device is not made at all: its parent allows it.
        if let policy = plan.devices, !(isNew && policy.allowsEverything) {
          try DevicesController(root, version).apply(policy, isNew: isNew)
        }
      case .freezer, .cpuacct: break
      }
    }
    if let values = resources.unified, let unified {
      try UnifiedController.apply(values, root: unified.path)
    }
  }
}

extension CgroupHierarchy {
  /// The v1 mount points, each once.
  var trees: [String] {
    var seen: [String] = []
    for case let mount? in mounts where !seen.contains(mount) { seen.append(mount) }
    return seen
  }

  /// The directory where a controller's files of the group at `path` are or would be.
  func directory(of controller: CgroupController, _ path: String) -> ControlDirectory? {
    switch version(of: controller) {
    case .v1: mount(controller).map { ControlDirectory($0 + path) }
    case .v2: unified.map { ControlDirectory($0 + path) }
    case nil: nil
    }
  }
}
