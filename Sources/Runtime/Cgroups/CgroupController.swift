import Linux

/// A cgroup controller. The numbers are places in ``CgroupHierarchy``'s list of mounts.
enum CgroupController: Int, Sendable {
  case memory, cpu, cpuacct, cpuset, pids, blkio, devices, freezer, hugetlb, rdma
  case networkClass, networkPriority

  static let count = 12

  /// The v1 name, as in /proc/cgroups.
  var name: String {
    switch self {
    case .memory: "memory"
    case .cpu: "cpu"
    case .cpuacct: "cpuacct"
    case .cpuset: "cpuset"
    case .pids: "pids"
    case .blkio: "blkio"
    case .devices: "devices"
    case .freezer: "freezer"
    case .hugetlb: "hugetlb"
    case .rdma: "rdma"
    case .networkClass: "net_cls"
    case .networkPriority: "net_prio"
    }
  }

  /// The name in cgroup.controllers; nil when v2 has no such controller, because it does the work
  /// without one (freezer, devices, cpuacct) or not at all.
  var unifiedName: String? {
    switch self {
    case .blkio: "io"
    case .memory, .cpu, .cpuset, .pids, .hugetlb, .rdma: name
    case .cpuacct, .devices, .freezer, .networkClass, .networkPriority: nil
    }
  }

  /// The controller of a v1 name.
  init?(name: String) {
    for number in 0..<CgroupController.count {
      guard let controller = CgroupController(rawValue: number) else { continue }
      if controller.name == name {
        self = controller
        return
      }
    }
    return nil
  }
}

extension Resources {
  /// The name of a limit that needs a controller; nil when none does.
  func limit(needing controller: CgroupController) -> String? {
    switch controller {
    case .memory:
      guard let memory, memory != Memory() else { return nil }
      return memory.demandName
    case .cpu: return cpu?.setsTime == true ? cpu?.demandName : nil
    case .cpuset:
      guard let cpu, cpu.setsPlacement else { return nil }
      return (cpu.cpus ?? "").isEmpty ? "cpuset mems" : "cpuset cpus"
    case .pids: return pids?.limit == nil ? nil : "pids limit"
    case .blkio:
      guard let blockIO, blockIO != BlockIO() else { return nil }
      return blockIO.weight != nil ? "block io weight" : "block io limit"
    case .devices: return (devices ?? []).isEmpty ? nil : "device rules"
    case .hugetlb: return (hugepageLimits ?? []).isEmpty ? nil : "huge page limit"
    case .rdma: return (rdma ?? [:]).isEmpty ? nil : "rdma limit"
    case .networkClass: return network?.classID == nil ? nil : "network class"
    case .networkPriority: return (network?.priorities ?? []).isEmpty ? nil : "network priority"
    case .cpuacct, .freezer: return nil
    }
  }
}

extension Resources.Memory {
  fileprivate var demandName: String {
    if limit != nil { return "memory limit" }
    if swap != nil { return "memory and swap limit" }
    return reservation != nil ? "memory reservation" : "memory setting"
  }
}

extension Resources.CPU {
  fileprivate var demandName: String {
    if quota != nil || period != nil { return "cpu quota" }
    return shares != nil ? "cpu shares" : "cpu setting"
  }
}

/// The version of the cgroup file system that a controller's files are written for.
enum CgroupVersion: Sendable { case v1, v2 }

extension ControlDirectory {
  /// Writes a limit; a failure names the limit and, when its file is missing, what the kernel lacks.
  func set(
    _ limit: @autoclosure () -> String, _ name: String, _ value: String
  ) throws(Failure) {
    do throws(Failure) { try write(name, value) } catch {
      throw error.setting(limit(), value, file: name, in: self)
    }
  }
}

extension Failure {
  /// This failure of a write as the failure to set a limit.
  func setting(
    _ limit: String, _ value: String, file: String, in directory: ControlDirectory
  ) -> Failure {
    if isMissing {
      let controller = file.prefix { $0 != "." }
      var failure = Failure(
        .unsupported, "set", "\(limit) \(value)",
        reason: directory.exists
          ? "the \(controller) controller of this kernel has no \(file)"
          : "the group \(directory.path) is gone")
      failure.errno = errno
      return failure
    }
    var failure = Failure(
      errno: errno, "set", "\(limit) \(value)",
      reason: "\(errorText(errno)) from \(directory.file(file))")
    if isInvalid { failure.remedy = "the kernel does not accept this value here" }
    if isDenied { failure.remedy = "minidock needs root and a writable cgroup file system" }
    return failure
  }
}
