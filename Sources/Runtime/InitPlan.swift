import Linux

/// Everything that the container's first process has to do, decided by its parent.
///
/// It travels to `minidock init` in one message (``InitMessage/plan(_:)``), so that the child reads
/// no file of the host's and takes no decision of its own.
public struct InitPlan: Sendable, Equatable {
  /// New namespaces, made by the child itself; the pid namespace is there already.
  public var namespaces: Namespaces = []
  /// Where the container's "/" comes from; it is mounted in the container's own mount namespace.
  public var root: RootSource = .directory(path: "/")
  /// Whether "/" ends up read-only; mounts below it keep their own mode.
  public var rootReadOnly = false
  /// How mount events of the host reach the container's namespace; never the other way.
  public var rootPropagation: Propagation = .slave
  /// The host name to set in the UTS namespace; "" keeps the one inherited.
  public var hostname = ""
  /// The NIS domain name to set in the UTS namespace; "" keeps the one inherited.
  public var domainname = ""
  /// What is done below the root before pivot_root, in this order.
  public var steps: [MountStep] = []
  /// Set after the parent's "go", since some belong to the container's network links.
  public var sysctls: [Sysctl] = []
  /// What the first process turns into, once the rest is done.
  public var process = ProcessPlan()
  /// Whether the child reports how long its steps take.
  public var traced = false

  /// An empty plan.
  public init() {}

  /// A kernel parameter of the container's namespaces: "net.ipv4.ip_forward".
  public struct Sysctl: Sendable, Equatable {
    /// Its path below /proc/sys with dots for slashes.
    public var name: String
    /// The text that is written into it.
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
  /// The command and its arguments; the first, without a slash, is searched for in PATH.
  public var arguments: [String] = []
  /// "NAME=value" entries; HOME is added from /etc/passwd when missing.
  public var environment: [String] = []
  /// An absolute path in the container.
  public var workingDirectory = "/"
  /// Whether a working directory that is missing is made, as a container's first process has it.
  public var makesWorkingDirectory = true
  /// Whether it goes on when the process that started it ends.
  public var outlivesParent = false
  /// The user as text ("1000:100", "www-data"), looked up in the container's own files; nil when
  /// `uid`, `gid` and `groups` say it already.
  public var userText: String?
  /// Of use when `userText` is nil.
  public var uid: UInt32 = 0
  /// The primary group when `userText` is nil.
  public var gid: UInt32 = 0
  /// Supplementary groups by number, added to those that `userText` brings.
  public var groups: [UInt32] = []
  /// Further groups as text, looked up like the user.
  public var groupTexts: [String] = []
  /// The file mode creation mask (umask(2)).
  public var umask: UInt32 = 0o022
  /// The sets that the process has at the exec; none by default.
  public var capabilities = CapabilityMasks()
  /// Whether no exec may add rights, by set-user-ID or file capabilities (PR_SET_NO_NEW_PRIVS).
  public var noNewPrivileges = false
  /// A compiled seccomp filter (an array of sock_filter); nil for none.
  public var seccomp: [UInt8]?
  /// Limits to set before the user changes; those not listed are inherited.
  public var rlimits: [ResourceLimit] = []
  /// -1000 (never killed) to 1000, for /proc/self/oom_score_adj; nil keeps the one inherited.
  public var oomScoreAdjust: Int32?
  /// Whether its standard streams are a new pseudo-terminal, the controlling one of its session.
  public var hasTerminal = false
  /// The size that the terminal starts with; nil leaves the kernel's 0 by 0.
  public var terminalSize: TerminalSize?
  /// Stay as pid 1, reap what is left to it and pass on signals, with the command as a child.
  public var reaps = false
  /// What only the specification of a bundle asks for.
  public var extras = ProcessExtras()

  /// An empty process.
  public init() {}
}

/// The five capability sets as bit masks (capabilities(7)).
public struct CapabilityMasks: Sendable, Equatable {
  /// What no exec can get beyond.
  public var bounding: UInt64 = 0
  /// What the kernel checks at each operation.
  public var effective: UInt64 = 0
  /// What the process may make effective.
  public var permitted: UInt64 = 0
  /// What an exec keeps for files that have it in their own inheritable set.
  public var inheritable: UInt64 = 0
  /// What an exec of a program without file capabilities keeps (Linux 4.3).
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
  /// The limit in force, which the process may raise up to the hard one.
  public var soft: UInt64
  /// The ceiling; raising it takes CAP_SYS_RESOURCE.
  public var hard: UInt64

  /// A limit; `UInt64.max` is no limit.
  public init(resource: Int32, soft: UInt64, hard: UInt64) {
    self.resource = resource
    self.soft = soft
    self.hard = hard
  }

  /// "RLIMIT_NOFILE".
  var name: String { "RLIMIT_" + ResourceLimit.names[Int(resource)] }

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
