import CLinux
import Glibc

/// What sched_setattr(2) takes.
public struct SchedulerAttributes: Sendable, Equatable {
  /// SCHED_*.
  public var policy: UInt32
  /// SCHED_FLAG_*.
  public var flags: UInt64
  /// -20 to 19.
  public var nice: Int32
  /// 1 to 99 for the real-time policies, else 0.
  public var priority: UInt32
  /// Nanoseconds.
  public var runtime: UInt64
  /// Nanoseconds.
  public var deadline: UInt64
  /// Nanoseconds.
  public var period: UInt64

  /// All the fields.
  public init(
    policy: UInt32, flags: UInt64, nice: Int32, priority: UInt32, runtime: UInt64,
    deadline: UInt64, period: UInt64
  ) {
    self.policy = policy
    self.flags = flags
    self.nice = nice
    self.priority = priority
    self.runtime = runtime
    self.deadline = deadline
    self.period = period
  }
}

extension ThisProcess {
  /// Sets how the kernel schedules this process (sched_setattr(2), Linux 3.14).
  public static func setScheduler(_ attributes: SchedulerAttributes) throws(Failure) {
    try check("set", "process.scheduler") {
      clx_sched_setattr(
        attributes.policy, attributes.flags, attributes.nice, attributes.priority,
        attributes.runtime, attributes.deadline, attributes.period)
    }
  }

  /// Sets the class and level of this process's block input and output (ioprio_set(2)).
  public static func setIOPriority(_ priority: Int32) throws(Failure) {
    try check("set", "process.ioPriority") { clx_ioprio_set(priority) }
  }

  /// Sets the processors that this process may use, a bit for each (sched_setaffinity(2)).
  public static func setAffinity(_ mask: [UInt8]) throws(Failure) {
    try check("set", "process.execCPUAffinity") {
      mask.withUnsafeBytes { clx_sched_setaffinity($0.baseAddress, $0.count) }
    }
  }

  /// Sets the execution domain of this process (personality(2)).
  public static func setPersonality(_ persona: UInt32) throws(Failure) {
    try check("set", "linux.personality") { clx_personality(UInt(persona)) }
  }
}
