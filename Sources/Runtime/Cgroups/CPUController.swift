import Linux

/// The cpu controller of one group (Documentation/scheduler/sched-bwc.rst, cgroup-v2.rst).
struct CPUController {
  let directory: ControlDirectory
  let version: CgroupVersion

  init(_ root: String, _ version: CgroupVersion) {
    directory = ControlDirectory(root)
    self.version = version
  }

  /// Applies the limits of time that are set (not cpus and mems: ``CpusetController``).
  func apply(_ cpu: Resources.CPU) throws(Failure) {
    switch version {
    case .v1: try applyV1(cpu)
    case .v2: try applyV2(cpu)
    }
  }

  private func applyV1(_ cpu: Resources.CPU) throws(Failure) {
    if let shares = cpu.shares, shares != 0 {
      try directory.set("cpu shares", "cpu.shares", String(shares))
      // The kernel clamps silently; a value that did not arrive is an error, as in runc.
      if let arrived = directory.number("cpu.shares"), arrived != Int64(clamping: shares) {
        throw Failure(
          .invalid, "set", "cpu shares \(shares)",
          reason: "the kernel takes \(arrived < shares ? "at most" : "at least") \(arrived)")
      }
    }
    if let idle = cpu.idle { try directory.set("cpu idle", "cpu.idle", String(idle)) }
    // A period that is refused beside the old quota is accepted after the new one.
    var retryPeriod = false
    if let period = cpu.period, period != 0 {
      do throws(Failure) {
        try directory.set("cpu period", "cpu.cfs_period_us", String(period))
      } catch  where error.isInvalid && (cpu.quota ?? 0) != 0 {
        retryPeriod = true
      }
    }
    if let burst = cpu.burst, burst > 0, (cpu.quota ?? 0) == 0 {
      try directory.set("cpu burst", "cpu.cfs_burst_us", String(burst))
    }
    if let quota = cpu.quota, quota != 0 {
      // The old burst may be larger than the new quota.
      if cpu.burst != nil, directory.has("cpu.cfs_burst_us") {
        try directory.set("cpu burst", "cpu.cfs_burst_us", "0")
      }
      try directory.set("cpu quota", "cpu.cfs_quota_us", String(quota))
      if retryPeriod {
        try directory.set("cpu period", "cpu.cfs_period_us", String(cpu.period ?? 0))
      }
      if let burst = cpu.burst, burst > 0 {
        try directory.set("cpu burst", "cpu.cfs_burst_us", String(burst))
      }
    }
    if let period = cpu.realtimePeriod, period != 0 {
      try directory.set("cpu real-time period", "cpu.rt_period_us", String(period))
    }
    if let runtime = cpu.realtimeRuntime, runtime != 0 {
      try directory.set("cpu real-time runtime", "cpu.rt_runtime_us", String(runtime))
    }
  }

  private func applyV2(_ cpu: Resources.CPU) throws(Failure) {
    if cpu.setsRealtime {
      throw Failure(
        .unsupported, "set", "cpu real-time limit",
        reason: "the cpu controller of cgroup v2 has none")
    }
    if let idle = cpu.idle { try directory.set("cpu idle", "cpu.idle", String(idle)) }
    if let shares = cpu.shares, shares != 0 {
      let weight = CPUController.weight(shares: shares)
      try directory.set("cpu shares", "cpu.weight", String(weight))
    }
    if let text = maximumV2(cpu) {
      if let burst = cpu.burst, burst > 0 {
        // As on v1: the old burst may be larger than the new quota, the new one than the old.
        try directory.set("cpu burst", "cpu.max.burst", "0")
      }
      try directory.set("cpu quota", "cpu.max", text)
    }
    if let burst = cpu.burst { try directory.set("cpu burst", "cpu.max.burst", String(burst)) }
  }

  // cpu.max holds quota and period together: the one that is not set keeps its value.
  private func maximumV2(_ cpu: Resources.CPU) -> String? {
    let quota = cpu.quota ?? 0
    let period = cpu.period ?? 0
    guard quota != 0 || period != 0 else { return nil }
    var text = quota > 0 ? String(quota) : "max"
    if quota == 0, let current = directory.words("cpu.max").first { text = current }
    return period == 0 ? text : "\(text) \(period)"
  }

  /// The v2 weight (1...10000, default 100) of v1 shares (2...262144, default 1024): the quadratic in
  /// log2(shares) through both ends and the default that runc and crun use,
  /// `10^((l² + 125 l) / 612 - 7/34)`, rounded up.
  static func weight(shares: UInt64) -> UInt64 {
    if shares <= 2 { return 1 }
    if shares >= 262_144 { return 10_000 }
    let l = binaryLogarithm(Double(shares))
    let exponent = (l * l + 125 * l) / 612 - 7.0 / 34
    // Without the margin the default would round up to 101 for a last bit.
    return UInt64((powerOfTen(exponent) - 1e-9).rounded(.up))
  }

  /// Nanoseconds of CPU time of the group since it was made, with the part in user and kernel mode.
  static func read(
    accounting: ControlDirectory, version: CgroupVersion, into statistics: inout CgroupStatistics
  ) {
    switch version {
    case .v1:
      statistics.cpuUsage = UInt64(max(0, accounting.number("cpuacct.usage") ?? 0))
      statistics.cpuUser = UInt64(max(0, accounting.number("cpuacct.usage_user") ?? 0))
      statistics.cpuSystem = UInt64(max(0, accounting.number("cpuacct.usage_sys") ?? 0))
    case .v2:
      func microseconds(_ key: String) -> UInt64 {
        UInt64(max(0, accounting.number("cpu.stat", key: key) ?? 0)) * 1000
      }
      statistics.cpuUsage = microseconds("usage_usec")
      statistics.cpuUser = microseconds("user_usec")
      statistics.cpuSystem = microseconds("system_usec")
    }
  }

  /// Adds how often and how long the quota held the group back.
  func readThrottling(into statistics: inout CgroupStatistics) {
    statistics.throttledPeriods = UInt64(
      max(0, directory.number("cpu.stat", key: "nr_throttled") ?? 0))
    statistics.throttledTime =
      version == .v1
      ? UInt64(max(0, directory.number("cpu.stat", key: "throttled_time") ?? 0))
      : UInt64(max(0, directory.number("cpu.stat", key: "throttled_usec") ?? 0)) * 1000
  }
}
