import Linux

extension ProcessExtras {
  /// What a specification's process asks for.
  ///
  /// - Parameter field: how messages name the process.
  /// - Throws: the field that makes no sense, or that this host cannot give.
  init(_ process: Spec.Process, _ field: String) throws(Failure) {
    self.init()
    if let profile = process.apparmorProfile, !profile.isEmpty {
      guard Files.text("/sys/module/apparmor/parameters/enabled") == "Y" else {
        throw Failure.field(
          field + ".apparmorProfile", "AppArmor is not enabled on this host", code: .unsupported)
      }
      appArmorProfile = profile
    }
    if let label = process.selinuxLabel, !label.isEmpty {
      guard Files.exists("/sys/fs/selinux/enforce") else {
        throw Failure.field(
          field + ".selinuxLabel", "SELinux is not enabled on this host", code: .unsupported)
      }
      selinuxLabel = label
    }
    if let scheduler = process.scheduler {
      self.scheduler = try SchedulerAttributes(scheduler, field + ".scheduler")
    }
    if let priority = process.ioPriority {
      ioPriority = try ProcessExtras.ioPriority(priority, field + ".ioPriority")
    }
    if let affinity = process.execCPUAffinity {
      for (name, list) in [("initial", affinity.initial), ("final", affinity.final)] {
        guard let list, !list.isEmpty else { continue }
        guard let mask = ProcessExtras.mask(list) else {
          throw Failure.field(
            "\(field).execCPUAffinity.\(name)", "\"\(list)\" is no list of processors")
        }
        // The command gets the final one; the start itself is too short for the first to matter.
        if name == "final" || self.affinity.isEmpty { self.affinity = mask }
      }
    }
  }

  private static func ioPriority(
    _ priority: Spec.IOPriority, _ field: String
  ) throws(Failure) -> Int32 {
    let classes = ["IOPRIO_CLASS_RT", "IOPRIO_CLASS_BE", "IOPRIO_CLASS_IDLE"]
    guard let index = classes.firstIndex(of: priority.type) else {
      throw Failure.field(field + ".class", "\"\(priority.type)\" is no class")
    }
    guard (0...7).contains(priority.priority) else {
      throw Failure.field(field + ".priority", "\(priority.priority) is not between 0 and 7")
    }
    return Int32(index + 1) << 13 | priority.priority
  }

  /// The bits of "0-3,7"; nil when it is no such list.
  static func mask(_ list: String) -> [UInt8]? {
    var mask: [UInt8] = []
    for part in list.split(separator: ",", omittingEmptySubsequences: false) {
      let ends = part.trimmed.split(separator: "-", omittingEmptySubsequences: false)
      guard ends.count <= 2, let first = UInt16(ends[0]), let last = UInt16(ends[ends.count - 1]),
        first <= last, last < 8192
      else { return nil }
      for processor in first...last {
        let byte = Int(processor) / 8
        while mask.count <= byte { mask.append(0) }
        mask[byte] |= 1 << (processor % 8)
      }
    }
    // The kernel wants whole words.
    while mask.count % 8 != 0 { mask.append(0) }
    return mask
  }
}

extension SchedulerAttributes {
  fileprivate init(_ scheduler: Spec.Scheduler, _ field: String) throws(Failure) {
    let policies: [(name: String, number: UInt32)] = [
      ("SCHED_OTHER", 0), ("SCHED_FIFO", 1), ("SCHED_RR", 2), ("SCHED_BATCH", 3),
      ("SCHED_ISO", 4), ("SCHED_IDLE", 5), ("SCHED_DEADLINE", 6),
    ]
    guard let policy = policies.first(where: { $0.name == scheduler.policy }) else {
      throw Failure.field(field + ".policy", "\"\(scheduler.policy)\" is no policy")
    }
    let known: [(name: String, bit: UInt64)] = [
      ("SCHED_FLAG_RESET_ON_FORK", 1), ("SCHED_FLAG_RECLAIM", 2), ("SCHED_FLAG_DL_OVERRUN", 4),
      ("SCHED_FLAG_KEEP_POLICY", 8), ("SCHED_FLAG_KEEP_PARAMS", 0x10),
      ("SCHED_FLAG_UTIL_CLAMP_MIN", 0x20), ("SCHED_FLAG_UTIL_CLAMP_MAX", 0x40),
    ]
    var flags: UInt64 = 0
    for (index, name) in (scheduler.flags ?? []).enumerated() {
      guard let flag = known.first(where: { $0.name == name }) else {
        throw Failure.field("\(field).flags[\(index)]", "\"\(name)\" is no flag")
      }
      flags |= flag.bit
    }
    let priority = scheduler.priority ?? 0
    let isRealTime = policy.number == 1 || policy.number == 2
    guard isRealTime ? (1...99).contains(priority) : priority == 0 else {
      throw Failure.field(
        field + ".priority",
        isRealTime
          ? "\(priority) is not between 1 and 99" : "only SCHED_FIFO and SCHED_RR have one")
    }
    if let nice = scheduler.nice, !(-20...19).contains(nice) {
      throw Failure.field(field + ".nice", "\(nice) is not between -20 and 19")
    }
    self.init(
      policy: policy.number, flags: flags, nice: scheduler.nice ?? 0,
      priority: UInt32(priority), runtime: scheduler.runtime ?? 0,
      deadline: scheduler.deadline ?? 0, period: scheduler.period ?? 0)
  }
}
