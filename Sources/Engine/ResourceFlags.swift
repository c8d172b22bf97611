import Linux
import Runtime

/// docker's resource flags, turned into OCI resources.
public struct ResourceFlags: Sendable {
  /// `--memory`, a size of at least 6m; nil and "0" are no limit.
  public var memory: String?
  /// `--memory-swap`, of memory and swap together: "-1" is no limit, "0" twice the memory, nil the
  /// same where the host can limit swap.
  public var memorySwap: String?
  /// `--memory-reservation`, the soft limit: a size not above the memory; nil and "0" are none.
  public var memoryReservation: String?
  /// `--cpus`, a decimal number of processors from 0.01 to the host's; nil and "0" are no limit.
  public var cpus: String?
  /// `--cpu-shares`, the weight of cgroup v1; nil and 0 are the kernel's default.
  public var cpuShares: UInt64?
  /// `--cpu-quota`, microseconds in each period; not together with ``cpus``.
  public var cpuQuota: Int64?
  /// `--cpu-period`, microseconds; not together with ``cpus``.
  public var cpuPeriod: UInt64?
  /// `--cpuset-cpus`, a list such as "0-2,7"; nil is all.
  public var cpusetCPUs: String?
  /// `--cpuset-mems`, a list of NUMA nodes; nil is all.
  public var cpusetMems: String?
  /// `--pids-limit`, the most tasks; 0 and less are no limit, nil leaves it unset.
  public var pidsLimit: Int64?
  /// `--blkio-weight`, 10 to 1000; nil is the kernel's default.
  public var blkioWeight: UInt16?
  /// `--oom-kill-disable`: processes wait for memory instead of being killed (cgroup v1).
  public var oomKillDisable = false

  /// No limits.
  public init() {}

  /// The limits in OCI form.
  ///
  /// - Parameter swapIsLimitable: whether docker's default of twice the memory for memory and swap can
  ///   be set; one asked for is set in any case, or refused by the host.
  /// - Throws: ``Failure/Code/invalid`` naming the flag.
  public func resources(swapIsLimitable: Bool) throws(Failure) -> Resources {
    var resources = Resources()
    try addMemory(&resources, swapIsLimitable)
    try addCPU(&resources)
    if let pidsLimit {
      // Docker's 0 and -1 are no limit.
      resources.pids = Resources.Pids(limit: pidsLimit <= 0 ? -1 : pidsLimit)
    }
    if let blkioWeight {
      // Docker's 0 is no weight.
      guard blkioWeight == 0 || (10...1000).contains(blkioWeight) else {
        throw invalid("--blkio-weight", "\(blkioWeight)", "it is not from 10 to 1000")
      }
      if blkioWeight > 0 { resources.blockIO = Resources.BlockIO(weight: blkioWeight) }
    }
    return resources
  }

  private func addMemory(
    _ resources: inout Resources, _ swapIsLimitable: Bool
  ) throws(Failure) {
    var memory = Resources.Memory()
    if let text = self.memory {
      let limit = try ByteCount(text, flag: "--memory").bytes
      guard limit == 0 || limit >= 6 << 20 else {
        throw invalid("--memory", text, "the least is 6m")
      }
      if limit > 0 { memory.limit = limit }
    }
    if let text = memoryReservation {
      let soft = try ByteCount(text, flag: "--memory-reservation").bytes
      if let limit = memory.limit, soft > limit {
        throw invalid("--memory-reservation", text, "it is above --memory")
      }
      // Docker's 0 is none; as a limit it would put the container first in line for reclaim.
      if soft > 0 { memory.reservation = soft }
    }
    if let text = memorySwap {
      let swap = try ByteCount(text, flag: "--memory-swap", allowUnlimited: true).bytes
      if let limit = memory.limit {
        guard swap == -1 || swap == 0 || swap >= limit else {
          throw invalid("--memory-swap", text, "memory and swap together are below --memory")
        }
        memory.swap = swap == 0 ? doubled(limit) : swap
      } else if swap > 0 {
        throw invalid("--memory-swap", text, "it needs --memory")
      }
    } else if let limit = memory.limit, swapIsLimitable {
      memory.swap = doubled(limit)
    }
    if oomKillDisable { memory.disableOOMKiller = true }
    if memory != Resources.Memory() { resources.memory = memory }
  }

  private func addCPU(_ resources: inout Resources) throws(Failure) {
    var cpu = Resources.CPU()
    if let text = cpus {
      guard let number = Double(text), number.isFinite, number >= 0 else {
        throw invalid("--cpus", text, "it is not a number of processors")
      }
      guard cpuQuota == nil, cpuPeriod == nil else {
        throw invalid("--cpus", text, "it cannot be combined with --cpu-period or --cpu-quota")
      }
      if number > 0 {
        let most = Double(SystemLimits.processors)
        guard number >= 0.01, number <= most else {
          throw invalid(
            "--cpus", text, "it is not from 0.01 to \(Int(most)), the host's processors")
        }
        cpu.period = 100_000
        // 0.29 × 100000 is 28999.999… in binary.
        cpu.quota = Int64((number * 100_000).rounded())
      }
    }
    if let cpuShares, cpuShares > 0 { cpu.shares = cpuShares }
    if let cpuQuota { cpu.quota = cpuQuota }
    if let cpuPeriod { cpu.period = cpuPeriod }
    cpu.cpus = cpusetCPUs
    cpu.mems = cpusetMems
    if cpu != Resources.CPU() { resources.cpu = cpu }
  }

  private func doubled(_ limit: Int64) -> Int64 { limit > .max / 2 ? .max : limit * 2 }

  private func invalid(_ flag: String, _ text: String, _ reason: String) -> Failure {
    Failure(.invalid, "parse", "\(flag)=\(text)", reason: reason)
  }
}

/// Parses `--ulimit TYPE=SOFT[:HARD]`.
public func parseUlimit(_ text: String) throws(Failure) -> Spec.Rlimit {
  func wrong(_ reason: String) -> Failure {
    Failure(
      .invalid, "parse", "--ulimit=\(text)", reason: reason,
      remedy: "write TYPE=SOFT[:HARD], such as nofile=1024:2048")
  }
  let parts = text.split(separator: "=", maxSplits: 1).map(String.init)
  guard parts.count == 2, ResourceLimit.number(parts[0]) != nil else {
    throw wrong("unknown limit \"\(parts.first ?? "")\"")
  }
  func number(_ text: Substring) -> UInt64? {
    text == "-1" || text == "unlimited" ? UInt64.max : UInt64(text)
  }
  let values = parts[1].split(separator: ":", omittingEmptySubsequences: false)
  guard (1...2).contains(values.count), let soft = number(values[0]),
    let hard = values.count == 2 ? number(values[1]) : soft
  else { throw wrong("it has no number") }
  guard soft <= hard else { throw wrong("the soft limit is above the hard limit") }
  return Spec.Rlimit(type: "RLIMIT_" + parts[0].uppercased(), hard: hard, soft: soft)
}
