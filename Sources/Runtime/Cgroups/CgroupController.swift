import Linux

/// A cgroup controller, by the kernel's v1 name (which is v2's too but for ``blkio``).
enum CgroupController: String, Sendable, CaseIterable {
  case memory, cpu, cpuacct, cpuset, pids, blkio, devices, freezer, hugetlb, rdma
  case networkClass = "net_cls"
  case networkPriority = "net_prio"

  /// The name in cgroup.controllers; nil when v2 has no such controller, because it does the work
  /// without one (freezer, devices, cpuacct) or not at all.
  var unifiedName: String? {
    switch self {
    case .blkio: "io"
    case .memory, .cpu, .cpuset, .pids, .hugetlb, .rdma: rawValue
    case .cpuacct, .devices, .freezer, .networkClass, .networkPriority: nil
    }
  }

  /// The controller a v2 file such as "memory.high" belongs to; nil for core files and unknown ones.
  static func owning(unifiedFile file: String) -> CgroupController? {
    let prefix = file.prefix { $0 != "." }
    return allCases.first { $0.unifiedName.map { $0 == prefix } ?? false }
  }
}

extension Resources {
  /// The controllers that these limits need, each with the name of a limit that needs it.
  var demands: [(controller: CgroupController, limit: String)] {
    var list: [(CgroupController, String)] = []
    if let memory, memory != Memory() { list.append((.memory, memory.demandName)) }
    if let cpu {
      if cpu.setsTime { list.append((.cpu, cpu.demandName)) }
      if cpu.setsPlacement {
        list.append((.cpuset, cpu.cpus != nil ? "cpuset cpus" : "cpuset mems"))
      }
    }
    if pids?.limit != nil { list.append((.pids, "pids limit")) }
    if let blockIO, blockIO != BlockIO() {
      list.append((.blkio, blockIO.weight != nil ? "block io weight" : "block io limit"))
    }
    if let devices, !devices.isEmpty { list.append((.devices, "device rules")) }
    if let hugepageLimits, !hugepageLimits.isEmpty { list.append((.hugetlb, "huge page limit")) }
    if network?.classID != nil { list.append((.networkClass, "network class")) }
    if !(network?.priorities ?? []).isEmpty { list.append((.networkPriority, "network priority")) }
    if let rdma, !rdma.isEmpty { list.append((.rdma, "rdma limit")) }
    return list.map { (controller: $0.0, limit: $0.1) }
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
