import Linux

/// Where this host keeps its cgroup controllers.
///
/// On a v2 host all are in one tree; on a v1 host each (or each few) has a tree of its own; a hybrid
/// host has v1 trees and a v2 tree, usually at /sys/fs/cgroup/unified, that holds the rest, if any. So a
/// controller is looked up here and nowhere assumed.
public struct CgroupHierarchy: Sendable, Equatable {
  /// Which of the three arrangements the host has.
  public enum Mode: String, Sendable { case v2, hybrid, v1 }

  /// The arrangement.
  public let mode: Mode
  /// The mount point of the v2 tree; nil on a pure v1 host.
  public let unified: String?
  /// The controllers that the v2 tree offers at its root, by their v2 names.
  public let unifiedControllers: [String]
  /// v1 mount points by the controllers' numbers.
  let mounts: [String?]

  init(unified: String?, unifiedControllers: [String], mounts: [String?]) {
    self.unified = unified
    self.unifiedControllers = unifiedControllers
    self.mounts = mounts
    mode = unified == nil ? .v1 : mounts.contains { $0 != nil } ? .hybrid : .v2
  }

  /// Asks the kernel what is mounted: nearly always cgroup2 at /sys/fs/cgroup, else
  /// /proc/self/mountinfo tells; then reads the v2 root's cgroup.controllers.
  ///
  /// - Throws: ``Failure/Code/unsupported`` when no cgroup file system is mounted.
  public static func detect() throws(Failure) -> CgroupHierarchy {
    let usual = ControlDirectory("/sys/fs/cgroup")
    if usual.isUnifiedCgroup {
      return CgroupHierarchy(
        unified: usual.path, unifiedControllers: usual.words("cgroup.controllers"),
        mounts: [String?](repeating: nil, count: CgroupController.count))
    }
    guard let mountinfo = ControlDirectory.bytes(of: "/proc/self/mountinfo") else {
      throw Failure(
        .unsupported, "find cgroups", "/proc/self/mountinfo", reason: "it cannot be read",
        remedy: "mount /proc")
    }
    return try CgroupHierarchy(mountinfo: mountinfo)
  }

  /// The hierarchy that a mountinfo text describes (proc_pid_mountinfo(5)).
  init(mountinfo: [UInt8]) throws(Failure) {
    var unified: String?
    var mounts = [String?](repeating: nil, count: CgroupController.count)
    CgroupMounts.each(in: mountinfo) { mount in
      // The first mount of a tree counts: later ones are bind mounts, often of a subgroup.
      if mount.isUnified {
        if unified == nil { unified = mount.point }
        return
      }
      for number in 0..<mounts.count where mounts[number] == nil {
        guard let controller = CgroupController(rawValue: number) else { continue }
        if mount.hasOption(controller.name) { mounts[number] = mount.point }
      }
    }
    let controllers = unified.map { ControlDirectory($0).words("cgroup.controllers") } ?? []
    self.init(unified: unified, unifiedControllers: controllers, mounts: mounts)
    guard unified != nil || mounts.contains(where: { $0 != nil }) else {
      throw Failure(
        .unsupported, "find cgroups", "", reason: "no cgroup file system is mounted",
        remedy: "mount -t cgroup2 cgroup2 /sys/fs/cgroup")
    }
  }

  /// The v1 mount point of a controller.
  func mount(_ controller: CgroupController) -> String? { mounts[controller.rawValue] }

  /// Where a controller's files are for groups of this host; nil when it has no such controller.
  ///
  /// On v2, freezer, devices (eBPF) and CPU accounting belong to every group.
  func version(of controller: CgroupController) -> CgroupVersion? {
    if mount(controller) != nil { return .v1 }
    guard unified != nil else { return nil }
    switch controller {
    case .freezer, .devices, .cpuacct: return .v2
    case .networkClass, .networkPriority: return nil
    default: return unifiedControllers.contains(controller.unifiedName ?? "") ? .v2 : nil
    }
  }

  /// Whether limits of swap can be set here: memory and swap are accounted together on v1 only with
  /// `swapaccount=1` on the kernel's command line, and on v2 only in a kernel built with CONFIG_SWAP.
  public var accountsSwap: Bool {
    if let mount = mount(.memory) {
      return ControlDirectory(mount).has("memory.memsw.limit_in_bytes")
    }
    guard let unified, unifiedControllers.contains("memory") else { return false }
    // The root has no memory.swap.max; any group below with the memory controller tells.
    let root = ControlDirectory(unified)
    for name in root.subdirectories() {
      let group = ControlDirectory(root.file(name))
      if group.has("memory.max") { return group.has("memory.swap.max") }
    }
    return ControlDirectory("/proc/sys/vm").has("swappiness")
  }

  /// The failure to report when a limit is asked for whose controller is missing.
  func missing(_ controller: CgroupController, limit: String) -> Failure {
    let name = mode == .v1 ? controller.name : controller.unifiedName ?? controller.name
    return Failure(
      .unsupported, "set", limit, reason: "this host has no \(name) cgroup controller",
      remedy: mode == .v2
        ? "enable it in the kernel, or for this container's parent in cgroup.subtree_control"
        : "enable it in the kernel (see /proc/cgroups) and mount it, or leave the limit out")
  }
}
