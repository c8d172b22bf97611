import Linux

/// Everything that the container's first process has to do, decided by its parent.
///
/// It travels to `minidock init` in one message (``InitMessage/plan(_:)``), so that the child reads
/// no file of the host's and takes no decision of its own.
public struct InitPlan: Sendable, Equatable {
  /// New namespaces, made by the child itself; the pid namespace is there already.
  public var namespaces: Namespaces = []
  public var root: RootSource = .directory(path: "/")
  public var rootReadOnly = false
  /// How mount events of the host reach the container's namespace; never the other way.
  public var rootPropagation: Propagation = .slave
  public var hostname = ""
  public var domainname = ""
  public var steps: [MountStep] = []
  public var sysctls: [Sysctl] = []
  public var process = ProcessPlan()
  /// Whether the child reports how long its steps take.
  public var traced = false

  /// An empty plan.
  public init() {}

  /// A kernel parameter of the container's namespaces: "net.ipv4.ip_forward".
  public struct Sysctl: Sendable, Equatable {
    public var name: String
    public var value: String

    /// A parameter.
    public init(name: String, value: String) {
      self.name = name
      self.value = value
    }
  }
}

/// The process to execute in a container, for its first process as for a later one.
public struct ProcessPlan: Sendable, Equatable {
  public var arguments: [String] = []
  public var environment: [String] = []
  public var workingDirectory = "/"
  /// The user as text ("1000:100", "www-data"), looked up in the container's own files; nil when
  /// `uid`, `gid` and `groups` say it already.
  public var userText: String?
  public var uid: UInt32 = 0
  public var gid: UInt32 = 0
  public var groups: [UInt32] = []
  /// Further groups as text, looked up like the user.
  public var groupTexts: [String] = []
  public var umask: UInt32 = 0o022
  public var capabilities = CapabilityMasks()
  public var noNewPrivileges = false
  /// A compiled seccomp filter (an array of sock_filter); nil for none.
  public var seccomp: [UInt8]?
  public var rlimits: [ResourceLimit] = []
  public var oomScoreAdjust: Int32?
  public var hasTerminal = false
  public var terminalSize: TerminalSize?
  /// Stay as pid 1, reap what is left to it and pass on signals, with the command as a child.
  public var reaps = false

  /// An empty process.
  public init() {}
}

/// The five capability sets as bit masks (capabilities(7)).
public struct CapabilityMasks: Sendable, Equatable {
  public var bounding: UInt64 = 0
  public var effective: UInt64 = 0
  public var permitted: UInt64 = 0
  public var inheritable: UInt64 = 0
  public var ambient: UInt64 = 0

  /// Nothing in any set.
  public init() {}

  /// The same capabilities bounding, effective and permitted; nothing inheritable or ambient
  /// (security row 12).
  public init(allowing mask: UInt64) {
    bounding = mask
    effective = mask
    permitted = mask
  }
}

/// A limit of setrlimit(2).
public struct ResourceLimit: Sendable, Equatable {
  /// RLIMIT_* as the kernel numbers it.
  public var resource: Int32
  public var soft: UInt64
  public var hard: UInt64

  /// A limit; `UInt64.max` is no limit.
  public init(resource: Int32, soft: UInt64, hard: UInt64) {
    self.resource = resource
    self.soft = soft
    self.hard = hard
  }

  /// Names without RLIMIT_ in the kernel's order of numbers (x86-64 and arm64).
  public static let names = [
    "CPU", "FSIZE", "DATA", "STACK", "CORE", "RSS", "NPROC", "NOFILE", "MEMLOCK", "AS", "LOCKS",
    "SIGPENDING", "MSGQUEUE", "NICE", "RTPRIO", "RTTIME",
  ]

  /// The number of "RLIMIT_NOFILE" or docker's "nofile"; nil when unknown.
  public static func number(_ name: String) -> Int32? {
    var name = name.uppercased()
    if name.hasPrefix("RLIMIT_") { name.removeFirst(7) }
    return names.firstIndex(of: name).map { Int32($0) }
  }
}
