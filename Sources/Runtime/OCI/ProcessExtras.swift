import Linux

/// What a bundle can ask for its process beyond what `run` offers.
public struct ProcessExtras: Sendable, Equatable {
  /// SECCOMP_FILTER_FLAG_* for the filter; with the listener's flag somebody waits for its descriptor.
  public var seccompFlags: UInt32 = 0
  /// Whether it stays in the session keyring of whoever started it.
  public var keepsKeyring = false
  /// What is written into attr/exec (AppArmor) before the exec; nil for none.
  public var appArmorProfile: String?
  /// What is written into attr/exec (SELinux) before the exec; nil for none.
  public var selinuxLabel: String?
  /// For sched_setattr(2); nil keeps what is inherited.
  public var scheduler: SchedulerAttributes?
  /// Class and level as ioprio_set(2) takes them; nil keeps what is inherited.
  public var ioPriority: Int32?
  /// The processors that it may use, a bit for each (sched_setaffinity(2)); empty keeps what is inherited.
  public var affinity: [UInt8] = []
  /// For personality(2); nil keeps what is inherited.
  public var personality: UInt32?
  /// How many descriptors from 3 on the command keeps.
  public var preserved: UInt32 = 0
  /// Whether its user namespace forbids setgroups(2), so that it keeps the groups it has.
  public var keepsGroups = false

  /// Nothing of it.
  public init() {}

  /// Gives this process what needs the runtime's rights; labels have to wait for ``label(through:)``.
  func apply() throws(Failure) {
    if let personality { try ThisProcess.setPersonality(personality) }
    if let scheduler { try ThisProcess.setScheduler(scheduler) }
    if let ioPriority { try ThisProcess.setIOPriority(ioPriority) }
    if !affinity.isEmpty { try ThisProcess.setAffinity(affinity) }
  }

  /// Whether a label is asked for.
  var hasLabel: Bool { appArmorProfile != nil || selinuxLabel != nil }

  /// Has the next exec get the labels.
  ///
  /// - Parameter proc: a procfs that nothing of the container's can stand in for (security row 7).
  func label(through proc: borrowing Root) throws(Failure) {
    if let profile = appArmorProfile {
      // The module's own directory is there from Linux 5.8 on, the common one before.
      do throws(Failure) {
        try proc.openForWriting("thread-self/attr/apparmor/exec", links: true)
          .write(Array("exec \(profile)".utf8), object: profile)
      } catch  where error.isMissing {
        try proc.openForWriting("thread-self/attr/exec", links: true)
          .write(Array("exec \(profile)".utf8), object: profile)
      }
    }
    if let label = selinuxLabel {
      try proc.openForWriting("thread-self/attr/exec", links: true)
        .write(Array(label.utf8), object: label)
    }
  }
}

extension WireWriter {
  mutating func put(_ extras: ProcessExtras) {
    put(extras != ProcessExtras())
    guard extras != ProcessExtras() else { return }
    put(extras.seccompFlags)
    put(extras.keepsKeyring)
    put(extras.appArmorProfile) { $0.put($1) }
    put(extras.selinuxLabel) { $0.put($1) }
    put(extras.scheduler) {
      $0.put($1.policy)
      $0.put($1.flags)
      $0.put($1.nice)
      $0.put($1.priority)
      $0.put($1.runtime)
      $0.put($1.deadline)
      $0.put($1.period)
    }
    put(extras.ioPriority) { $0.put($1) }
    put(extras.affinity)
    put(extras.personality) { $0.put($1) }
    put(extras.preserved)
    put(extras.keepsGroups)
  }
}

extension ProcessExtras {
  init(_ reader: inout WireReader) throws(Failure) {
    self.init()
    guard try reader.getBool() else { return }
    seccompFlags = try reader.get()
    keepsKeyring = try reader.getBool()
    appArmorProfile = try reader.getOptional { (reader) throws(Failure) in
      try reader.getString()
    }
    selinuxLabel = try reader.getOptional { (reader) throws(Failure) in try reader.getString() }
    scheduler = try reader.getOptional { (reader) throws(Failure) in
      SchedulerAttributes(
        policy: try reader.get(), flags: try reader.get(), nice: try reader.get(),
        priority: try reader.get(), runtime: try reader.get(), deadline: try reader.get(),
        period: try reader.get())
    }
    ioPriority = try reader.getOptional { (reader) throws(Failure) in try reader.get() }
    affinity = try reader.getBytes()
    personality = try reader.getOptional { (reader) throws(Failure) in try reader.get() }
    preserved = try reader.get()
    keepsGroups = try reader.getBool()
  }
}
