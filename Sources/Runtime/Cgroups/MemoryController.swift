import Linux

/// The memory controller of one group (Documentation/admin-guide/cgroup-v1/memory.rst, cgroup-v2.rst).
struct MemoryController {
  let directory: ControlDirectory
  let version: CgroupVersion

  init(_ root: String, _ version: CgroupVersion) {
    directory = ControlDirectory(root)
    self.version = version
  }

  /// Applies the limits that are set.
  ///
  /// - Throws: ``Failure/Code/invalid`` for a contradiction between them, ``Failure/Code/unsupported``
  ///   for one that this kernel or version of cgroups does not have.
  func apply(_ memory: Resources.Memory) throws(Failure) {
    try memory.validate()
    if memory.checkBeforeUpdate == true { try checkUsage(memory) }
    switch version {
    case .v1: try applyV1(memory)
    case .v2: try applyV2(memory)
    }
  }

  private var usageFile: String { version == .v1 ? "memory.usage_in_bytes" : "memory.current" }

  private func checkUsage(_ memory: Resources.Memory) throws(Failure) {
    guard let limit = memory.limit, limit > 0, let usage = directory.number(usageFile),
      usage > limit
    else { return }
    throw Failure(
      .refused, "set", "memory limit \(limit)", reason: "the group uses \(usage) bytes now",
      remedy: "choose a larger limit, or unset checkBeforeUpdate to let the kernel reclaim and kill"
    )
  }

  // MARK: v1

  private func applyV1(_ memory: Resources.Memory) throws(Failure) {
    var swap = memory.swap ?? 0
    // Lifting the memory limit alone would leave it above memory+swap, which the kernel refuses.
    if memory.limit == -1 && swap == 0 && directory.has("memory.memsw.limit_in_bytes") { swap = -1 }
    let limit = memory.limit ?? 0
    // The kernel keeps memory <= memory+swap at every step: raise the upper limit first, lower it last.
    let current = limit != 0 && swap != 0 ? directory.number("memory.limit_in_bytes") ?? 0 : 0
    if limit != 0 && swap != 0 && (swap == -1 || current < swap) {
      try setSwapV1(swap)
      try setLimitV1(limit)
    } else {
      if limit != 0 { try setLimitV1(limit) }
      if swap != 0 { try setSwapV1(swap) }
    }
    if let reservation = memory.reservation, reservation != 0 {
      try directory.set(
        "memory reservation", "memory.soft_limit_in_bytes", String(reservation))
    }
    if let swappiness = memory.swappiness {
      try directory.set("memory swappiness", "memory.swappiness", String(swappiness))
    }
    if memory.disableOOMKiller == true {
      try directory.set("oom killer", "memory.oom_control", "1")
    }
    if let limit = memory.kernelTCP, limit != 0 {
      try directory.set("kernel tcp memory limit", "memory.kmem.tcp.limit_in_bytes", String(limit))
    }
    // memory.kernel has been without effect since Linux 5.16 and is ignored, as the specification of
    // linux.resources.memory says it SHOULD be.
  }

  private func setLimitV1(_ limit: Int64) throws(Failure) {
    do throws(Failure) {
      try directory.set("memory limit", "memory.limit_in_bytes", String(limit))
    } catch  where error.isBusy {
      // The limit is below what is used and reclaim did not help.
      let usage = directory.number("memory.usage_in_bytes") ?? 0
      throw Failure(
        .inUse, "set", "memory limit \(limit)", reason: "the group uses \(usage) bytes now",
        remedy: "choose a larger limit")
    }
  }

  private func setSwapV1(_ swap: Int64) throws(Failure) {
    guard directory.has("memory.memsw.limit_in_bytes") else {
      throw Failure(
        .unsupported, "set", "memory and swap limit \(swap)",
        reason: "the kernel does not account swap",
        remedy: "boot with swapaccount=1, or leave the swap limit out")
    }
    try directory.set("memory and swap limit", "memory.memsw.limit_in_bytes", String(swap))
  }

  // MARK: v2

  private func applyV2(_ memory: Resources.Memory) throws(Failure) {
    if memory.disableOOMKiller == true {
      throw Failure(
        .unsupported, "set", "oom killer", reason: "cgroup v2 cannot switch it off",
        remedy: "leave --oom-kill-disable out")
    }
    if memory.swappiness != nil {
      throw Failure(
        .unsupported, "set", "memory swappiness", reason: "cgroup v2 has none for each group",
        remedy: "leave --memory-swappiness out")
    }
    if (memory.kernelTCP ?? 0) != 0 {
      throw Failure(
        .unsupported, "set", "kernel tcp memory limit",
        reason: "cgroup v2 counts it as part of the memory limit")
    }
    if let swap = try memory.swapMaximum() {
      do throws(Failure) {
        try directory.set("memory and swap limit", "memory.swap.max", swap)
      } catch  where error.isMissing && (swap == "max" || swap == "0") {
        // Without swap accounting there is none to be limited or forbidden.
      }
    }
    if let limit = memory.limit, limit != 0 {
      try directory.set("memory limit", "memory.max", limit < 0 ? "max" : String(limit))
    }
    if let reservation = memory.reservation, reservation != 0 {
      try directory.set(
        "memory reservation", "memory.low", reservation < 0 ? "max" : String(reservation))
    }
  }

  // MARK: Figures

  /// How often the kernel killed a process of the group for want of memory.
  func oomKills() -> Int {
    switch version {
    case .v1: Int(directory.number("memory.oom_control", key: "oom_kill") ?? 0)
    case .v2: Int(directory.number("memory.events", key: "oom_kill") ?? 0)
    }
  }

  /// Adds the group's figures.
  func read(into statistics: inout CgroupStatistics) {
    switch version {
    case .v1:
      statistics.memoryUsage = unsigned("memory.usage_in_bytes") ?? 0
      statistics.memoryPeak = unsigned("memory.max_usage_in_bytes")
      statistics.inactiveFile =
        directory.number("memory.stat", key: "total_inactive_file").map(UInt64.init) ?? 0
      // "Unlimited" reads as the largest page-aligned number.
      let limit = unsigned("memory.limit_in_bytes")
      statistics.memoryLimit = limit.flatMap { $0 >= UInt64(Int64.max) & ~0xffff ? nil : $0 }
    case .v2:
      statistics.memoryUsage = unsigned("memory.current") ?? 0
      statistics.memoryPeak = unsigned("memory.peak")
      statistics.inactiveFile =
        directory.number("memory.stat", key: "inactive_file").map(UInt64.init) ?? 0
      statistics.memoryLimit = unsigned("memory.max")
    }
    statistics.oomKills = oomKills()
  }

  private func unsigned(_ file: String) -> UInt64? {
    directory.number(file).map { UInt64(max(0, $0)) }
  }
}

extension Resources.Memory {
  /// Refuses limits that contradict each other or are no limits.
  func validate() throws(Failure) {
    func refuse(_ what: String, _ reason: String, _ remedy: String = "") -> Failure {
      Failure(.invalid, "set", what, reason: reason, remedy: remedy)
    }
    for (name, value) in [
      ("memory limit", limit), ("memory and swap limit", swap), ("memory reservation", reservation),
    ] {
      if let value, value < -1 { throw refuse("\(name) \(value)", "it is negative") }
    }
    if let swappiness, swappiness > 100 {
      throw refuse("memory swappiness \(swappiness)", "it is not between 0 and 100")
    }
    if let limit, let swap, limit > 0, swap > 0, swap < limit {
      throw refuse(
        "memory and swap limit \(swap)", "it is smaller than the memory limit \(limit)",
        "it counts memory and swap together")
    }
    if let limit, let swap, limit == -1, swap > 0 {
      throw refuse("memory and swap limit \(swap)", "the memory limit is unlimited")
    }
  }

  /// What v2's memory.swap.max, which counts swap alone, is to hold; nil leaves it.
  ///
  /// - Throws: ``Failure/Code/invalid`` for a limit of both without one of memory: the share of swap is
  ///   unknown then.
  func swapMaximum() throws(Failure) -> String? {
    if swap == -1 || (limit == -1 && (swap ?? 0) == 0) { return "max" }
    guard let swap, swap != 0 else { return nil }
    guard let limit, limit > 0 else {
      throw Failure(
        .invalid, "set", "memory and swap limit \(swap)", reason: "there is no memory limit",
        remedy: "set a memory limit too")
    }
    return String(swap - limit)
  }
}
