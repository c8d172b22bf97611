import Linux

/// What a request for limits needs of the host, worked out and checked before anything is changed.
struct CgroupPlan {
  /// For each controller's number, the name of a limit that needs it; nil when there is none.
  let limits: [String?]
  /// The v2 controllers, by their v2 names, that must be enabled for the group.
  let unifiedControllers: [String]
  /// The files of the unified map.
  let unifiedFiles: [String]
  /// The device rules, brought into order.
  let devices: DevicePolicy?

  /// - Throws: ``Failure/Code/invalid`` for contradictory limits, ``Failure/Code/unsupported`` for a
  ///   limit whose controller this host does not have.
  init(_ resources: Resources, _ hierarchy: CgroupHierarchy) throws(Failure) {
    try resources.memory?.validate()
    if let rules = resources.devices, !rules.isEmpty {
      devices = try DevicePolicy(rules)
    } else {
      devices = nil
    }
    var limits = [String?](repeating: nil, count: CgroupController.count)
    var unified: [String] = []
    for number in 0..<CgroupController.count {
      guard let controller = CgroupController(rawValue: number),
        let limit = resources.limit(needing: controller)
      else { continue }
      limits[number] = limit
      guard let version = hierarchy.version(of: controller) else {
        throw hierarchy.missing(controller, limit: limit)
      }
      if version == .v2, let name = controller.unifiedName { unified.append(name) }
    }
    unifiedFiles = resources.unified?.keys.sorted() ?? []
    if let values = resources.unified { try CgroupPlan.check(values, hierarchy, &unified) }
    self.limits = limits
    unifiedControllers = unified
  }

  /// The name of a limit that needs a controller of that v2 name; nil when it is only wanted.
  func limit(needingUnified name: String) -> String? {
    for number in 0..<CgroupController.count {
      if let limit = limits[number], CgroupController(rawValue: number)?.unifiedName == name {
        return limit
      }
    }
    for file in unifiedFiles where file.hasPrefix(name + ".") { return "unified \(file)" }
    return nil
  }

  private static func check(
    _ values: [String: String], _ hierarchy: CgroupHierarchy, _ needed: inout [String]
  ) throws(Failure) {
    try UnifiedController.validate(values)
    for file in values.keys.sorted() {
      let controller = String(file.prefix { $0 != "." })
      guard hierarchy.unified != nil, controller == "cgroup" || hierarchy.offers(controller) else {
        throw Failure(
          .unsupported, "set", "unified \(file)",
          reason: "this host has no \(controller) controller of cgroup v2",
          remedy: hierarchy.mode == .v2
            ? "enable it in the kernel"
            : "boot with cgroup v2 only (systemd.unified_cgroup_hierarchy=1), or use the v1 limit")
      }
      if controller != "cgroup" && !needed.contains(controller) { needed.append(controller) }
    }
  }
}

extension CgroupHierarchy {
  /// Whether the v2 tree offers a controller of that v2 name.
  func offers(_ controller: String) -> Bool { unifiedControllers.contains(controller) }
}

/// Makes the directories of a group and remembers which, to undo exactly that.
struct CgroupDirectories {
  let path: String
  let hierarchy: CgroupHierarchy
  /// Whether a directory that exists is taken even with somebody in it.
  var mayHaveProcesses = false
  private(set) var unified: ControlDirectory?
  private(set) var groups: [ControlDirectory] = []
  private var made: [ControlDirectory] = []

  init(path: String, hierarchy: CgroupHierarchy) {
    self.path = path
    self.hierarchy = hierarchy
  }

  /// Makes the directories that a plan needs and those wanted for figures, pausing and killing.
  mutating func make(_ plan: CgroupPlan, everywhere: Bool = false) throws(Failure) {
    if let tree = hierarchy.unified { try makeUnified(tree, plan) }
    for number in 0..<CgroupController.count where plan.limits[number] != nil {
      guard let controller = CgroupController(rawValue: number),
        hierarchy.version(of: controller) == .v1
      else { continue }
      // A v1 group that allows every device is its parent's setting: no group, no cost.
      if controller == .devices, plan.devices?.allowsEverything == true { continue }
      try makeV1(controller)
    }
    if everywhere { return try makeEverywhere() }
    // A group that nobody asked for helps where it can be made, and is no failure where not.
    for controller in wanted where hierarchy.version(of: controller) == .v1 {
      do throws(Failure) { try makeV1(controller) } catch  where error.isDenied {}
    }
  }

  private mutating func makeEverywhere() throws(Failure) {
    for number in 0..<CgroupController.count {
      guard let controller = CgroupController(rawValue: number),
        hierarchy.version(of: controller) == .v1
      else { continue }
      do throws(Failure) { try makeV1(controller) } catch  where error.isDenied {}
    }
  }

  private var wanted: [CgroupController] {
    if let unified, unified.has("cgroup.freeze") { return [.memory] }
    return [.memory, .cpuacct, .freezer]
  }

  private mutating func makeUnified(_ tree: String, _ plan: CgroupPlan) throws(Failure) {
    let directory = ControlDirectory(tree + path)
    let subtree = CgroupSubtree(tree: tree, path: path)
    // On v2, figures of memory, processes and block devices come from controllers too, and without cpu
    // a container with many threads would take the time of the others.
    var controllers = plan.unifiedControllers
    if hierarchy.mode == .v2 {
      for name in ["memory", "pids", "cpu", "io"]
      where hierarchy.offers(name) && !controllers.contains(name) {
        controllers.append(name)
      }
    }
    do throws(Failure) {
      if !controllers.isEmpty { try subtree.enable(controllers, for: plan) }
      try claim(directory)
      unified = directory
    } catch  where error.isDenied && hierarchy.mode == .hybrid && plan.unifiedControllers.isEmpty {
      // A read-only v2 tree beside writable v1 trees: do without it.
    }
  }

  /// Makes the group in a v1 controller's tree, unless that was done for a controller it shares it with.
  mutating func makeV1(_ controller: CgroupController) throws(Failure) {
    guard let tree = hierarchy.mount(controller) else { return }
    let directory = ControlDirectory(tree + path)
    if !groups.contains(directory) {
      try claim(directory)
      groups.append(directory)
    }
    if controller == .cpuset {
      try CpusetController(directory.path, .v1).inherit(upTo: tree)
    }
  }

  private mutating func claim(_ directory: ControlDirectory) throws(Failure) {
    do throws(Failure) {
      if try make(directory) { made.append(directory) }
    } catch {
      throw error.withRemedy(
        error.isDenied ? "minidock needs root and a writable cgroup file system" : "")
    }
  }

  private func make(_ directory: ControlDirectory) throws(Failure) -> Bool {
    do throws(Failure) {
      if try directory.make() { return true }
    } catch  where error.isMissing {
      try Files.makeDirectories(Files.parent(of: directory.path), mode: 0o755)
      if try directory.make() { return true }
    }
    // What a killed minidock left is used again; a group with somebody in it is not.
    guard let processes = directory.bytes("cgroup.procs") else {
      throw Failure(
        .invalid, "create cgroup", directory.path, reason: "the name is a control file's")
    }
    guard processes.isEmpty || mayHaveProcesses else {
      throw Failure(
        .inUse, "create cgroup", directory.path, reason: "it exists and has processes",
        remedy: "choose another name or stop them")
    }
    return false
  }

  /// Removes what was made, in reverse order.
  mutating func undo() {
    while let directory = made.popLast() { _ = try? directory.remove() }
  }
}
