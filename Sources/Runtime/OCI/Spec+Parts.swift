/// The parts of the specification that only bundles made by others ask for.
extension Spec {
  /// A range of ids: `size` ids from `containerID` on are those from `hostID` on outside.
  public struct IDMapping: Sendable, Equatable {
    /// The first id inside.
    public var containerID: UInt32
    /// The first id outside.
    public var hostID: UInt32
    /// How many.
    public var size: UInt32

    /// A range.
    public init(containerID: UInt32, hostID: UInt32, size: UInt32) {
      self.containerID = containerID
      self.hostID = hostID
      self.size = size
    }

    // The line of /proc/PID/uid_map.
    var line: String { "\(containerID) \(hostID) \(size)\n" }
  }

  /// A difference between two clocks (time_namespaces(7)).
  public struct TimeOffset: Sendable, Equatable {
    /// Seconds.
    public var secs: Int64
    /// Nanoseconds on top, below one second.
    public var nanosecs: UInt32

    /// A difference.
    public init(secs: Int64, nanosecs: UInt32) {
      self.secs = secs
      self.nanosecs = nanosecs
    }
  }

  /// An execution domain.
  public struct Personality: Sendable, Equatable {
    /// "LINUX" or "LINUX32".
    public var domain: String
    /// Flags: the specification names none yet.
    public var flags: [String]?

    /// A domain.
    public init(domain: String) { self.domain = domain }
  }

  /// A link of the host.
  public struct NetDevice: Sendable, Equatable {
    /// Its name inside; nil keeps the host's.
    public var name: String?

    /// A link by its name inside.
    public init(name: String? = nil) { self.name = name }
  }

  /// What sched_setattr(2) takes.
  public struct Scheduler: Sendable, Equatable {
    /// "SCHED_FIFO" and so on.
    public var policy: String
    /// -20 to 19, for SCHED_OTHER and SCHED_BATCH.
    public var nice: Int32?
    /// 1 to 99, for SCHED_FIFO and SCHED_RR.
    public var priority: Int32?
    /// "SCHED_FLAG_RESET_ON_FORK" and so on.
    public var flags: [String]?
    /// Nanoseconds, for SCHED_DEADLINE.
    public var runtime: UInt64?
    /// Nanoseconds, for SCHED_DEADLINE.
    public var deadline: UInt64?
    /// Nanoseconds, for SCHED_DEADLINE.
    public var period: UInt64?

    /// A policy.
    public init(policy: String) { self.policy = policy }
  }

  /// What ioprio_set(2) takes.
  public struct IOPriority: Sendable, Equatable {
    /// "IOPRIO_CLASS_RT", "IOPRIO_CLASS_BE" or "IOPRIO_CLASS_IDLE".
    public var type: String
    /// 0 (first) to 7.
    public var priority: Int32

    /// A class and priority.
    public init(type: String, priority: Int32) {
      self.type = type
      self.priority = priority
    }
  }

  /// Lists of processors, "0-3,7".
  public struct CPUAffinity: Sendable, Equatable {
    /// Until the process has joined the container's group.
    public var initial: String?
    /// From then on.
    public var final: String?

    /// Two lists.
    public init(initial: String? = nil, final: String? = nil) {
      self.initial = initial
      self.final = final
    }
  }

  /// A program to run at a point of the container's life.
  public struct Hook: Sendable, Equatable {
    /// An absolute path.
    public var path: String
    /// The arguments, the program's name first; nil is the path alone.
    public var args: [String]?
    /// The whole environment; nil is none.
    public var env: [String]?
    /// Seconds after which it is killed; nil is never.
    public var timeout: Int32?

    /// A program.
    public init(path: String, args: [String]? = nil, env: [String]? = nil, timeout: Int32? = nil) {
      self.path = path
      self.args = args
      self.env = env
      self.timeout = timeout
    }
  }

  /// The programs of each point.
  public struct Hooks: Sendable, Equatable {
    /// In the runtime's namespaces, once the container's are there (deprecated by the specification).
    public var prestart: [Hook]?
    /// In the runtime's namespaces, after ``prestart``.
    public var createRuntime: [Hook]?
    /// In the container's namespaces, before its root is "/".
    public var createContainer: [Hook]?
    /// In the container, before the command.
    public var startContainer: [Hook]?
    /// In the runtime's namespaces, once the command runs.
    public var poststart: [Hook]?
    /// In the runtime's namespaces, once the container is removed.
    public var poststop: [Hook]?

    /// No programs.
    public init() {}

    /// The names of the specification with the programs, in the order of time.
    var points: [(name: String, hooks: [Hook])] {
      [
        ("prestart", prestart ?? []), ("createRuntime", createRuntime ?? []),
        ("createContainer", createContainer ?? []), ("startContainer", startContainer ?? []),
        ("poststart", poststart ?? []), ("poststop", poststop ?? []),
      ]
    }
  }
}
