/// A container as the OCI runtime specification describes it (runtime-spec 1.2, config.json).
///
/// The property names are the specification's, so the type encodes to and decodes from config.json as
/// it stands.
public struct Spec: Sendable, Equatable {
  /// The version of the specification that the document follows.
  public var ociVersion: String = "1.2.0"
  /// Only `readonly` is taken from it: where the root comes from is said to ``InitPlan``
  /// separately.
  public var root: Root?
  /// The UTS namespace's host name; nil keeps the one inherited.
  public var hostname: String?
  /// The UTS namespace's NIS domain name; nil keeps the one inherited.
  public var domainname: String?
  /// Mounts beyond the root, in the order in which they are made; nil is none.
  public var mounts: [Mount]?
  /// What is executed; without it there is no command and the start fails.
  public var process: Process?
  /// Metadata under reverse-domain keys, for other tools: they change nothing in the container.
  public var annotations: [String: String]?
  /// Programs to run at points of the container's life; nil is none.
  public var hooks: Hooks?
  /// minidock refuses a container without it: the mount namespace is named here.
  public var linux: Linux?

  /// An empty specification.
  public init() {}

  /// The container's root file system.
  public struct Root: Sendable, Equatable {
    /// Absolute, or relative to the bundle.
    public var path: String
    /// Makes the root's own mount read-only, not those below it; nil is false.
    public var readonly: Bool?

    /// A root at a path.
    public init(path: String, readonly: Bool? = nil) {
      self.path = path
      self.readonly = readonly
    }
  }

  /// A mount beyond the root, in the order in which it is made.
  public struct Mount: Sendable, Equatable {
    /// An absolute path in the container; links in it are resolved inside the root.
    public var destination: String
    /// A type of file system, or "cgroup" for the container's view of its groups; not looked at with
    /// the option "bind" or "rbind".
    public var type: String?
    /// The absolute host path of a bind; for others a label, the type when nil.
    public var source: String?
    /// As mount(8) names them: "bind" or "rbind", attributes, propagation, and the file system's
    /// own.
    public var options: [String]?
    /// The ids of files below this mount as the container sees them, with ``gidMappings`` (Linux 5.12).
    public var uidMappings: [IDMapping]?
    /// The groups' ids.
    public var gidMappings: [IDMapping]?

    /// A mount.
    public init(
      destination: String, type: String? = nil, source: String? = nil, options: [String]? = nil
    ) {
      self.destination = destination
      self.type = type
      self.source = source
      self.options = options
    }
  }

  /// The container's process.
  public struct Process: Sendable, Equatable {
    /// Whether a pseudo-terminal is made for the standard streams and /dev/console; nil is false.
    public var terminal: Bool?
    /// The size that the terminal starts with; without effect when there is none.
    public var consoleSize: ConsoleSize?
    /// An absolute path in the container; made when missing.
    public var cwd: String = "/"
    /// "NAME=value" entries, as execve(2) takes them; nil is none.
    public var env: [String]?
    /// The command and its arguments; the first, without a slash, is searched for in PATH.
    public var args: [String]?
    /// Those not listed are inherited from minidock.
    public var rlimits: [Rlimit]?
    /// nil is no capability in any set.
    public var capabilities: Capabilities?
    /// Whether no exec may add rights (PR_SET_NO_NEW_PRIVS); nil is false.
    public var noNewPrivileges: Bool?
    /// -1000 to 1000, for /proc/self/oom_score_adj (proc(5)); nil keeps the one inherited.
    public var oomScoreAdj: Int?
    /// Ids by number; names are no part of the specification on Linux.
    public var user: User = User()
    /// The AppArmor profile that the process gets at its exec; nil or "" is none.
    public var apparmorProfile: String?
    /// The SELinux context that the process gets at its exec; nil or "" is none.
    public var selinuxLabel: String?
    /// How the kernel schedules the process; nil keeps what is inherited.
    public var scheduler: Scheduler?
    /// The weight of its block input and output; nil keeps what is inherited.
    public var ioPriority: IOPriority?
    /// The processors of a process that joins later; nil keeps those of its group.
    public var execCPUAffinity: CPUAffinity?

    /// A process with no arguments yet.
    public init() {}
  }

  /// The size of the process's terminal in cells.
  public struct ConsoleSize: Sendable, Equatable {
    /// Rows.
    public var height: UInt16
    /// Columns.
    public var width: UInt16

    /// A size.
    public init(height: UInt16, width: UInt16) {
      self.height = height
      self.width = width
    }
  }

  /// A resource limit (setrlimit(2)).
  public struct Rlimit: Sendable, Equatable {
    /// "RLIMIT_NOFILE" and so on.
    public var type: String
    /// The ceiling for `soft`, not below it.
    public var hard: UInt64
    /// The limit in force.
    public var soft: UInt64

    /// A limit; `UInt64.max` stands for RLIM_INFINITY.
    public init(type: String, hard: UInt64, soft: UInt64) {
      self.type = type
      self.hard = hard
      self.soft = soft
    }
  }

  /// Capability names in the five sets of capabilities(7).
  public struct Capabilities: Sendable, Equatable {
    /// What no exec can get beyond; nil is nothing, as in the other sets.
    public var bounding: [String]?
    /// What the kernel checks at each operation.
    public var effective: [String]?
    /// What an exec keeps for files that have it in their own inheritable set.
    public var inheritable: [String]?
    /// What the process may make effective.
    public var permitted: [String]?
    /// What an exec of a program without file capabilities keeps.
    public var ambient: [String]?

    /// Empty sets.
    public init() {}
  }

  /// The user that the process runs as.
  public struct User: Sendable, Equatable {
    /// As the container's user namespace numbers it.
    public var uid: UInt32 = 0
    /// The primary group.
    public var gid: UInt32 = 0
    /// The file mode creation mask; nil is 0022.
    public var umask: UInt32?
    /// Supplementary groups; nil is none.
    public var additionalGids: [UInt32]?

    /// Root.
    public init() {}
  }

  /// The parts that only Linux has.
  public struct Linux: Sendable, Equatable {
    /// One of them must be "mount"; kinds not listed are shared with the host, but for the pid
    /// namespace: that is always new.
    public var namespaces: [Namespace]?
    /// Nodes beyond the standard ones, made where /dev is a tmpfs of the container's own.
    public var devices: [Device]?
    /// The group's path below each hierarchy's mount point; the group is made by whoever makes the
    /// plan.
    public var cgroupsPath: String?
    /// Limits of that group; nil is none.
    public var resources: Resources?
    /// How a new user namespace numbers users; needs one.
    public var uidMappings: [IDMapping]?
    /// How a new user namespace numbers groups; needs one.
    public var gidMappings: [IDMapping]?
    /// By how much the clocks of a new time namespace differ from the host's: "monotonic", "boottime".
    public var timeOffsets: [String: TimeOffset]?
    /// The SELinux context of the container's mounts; nil or "" is none.
    public var mountLabel: String?
    /// The execution domain (personality(2)) of the process.
    public var personality: Personality?
    /// Whether Intel's Resource Director Technology is asked for, which minidock does not have.
    public var asksForIntelRdt: Bool?
    /// Whether a memory policy is asked for, which minidock does not have.
    public var asksForMemoryPolicy: Bool?
    /// Links of the host to be moved into the container's network namespace.
    public var netDevices: [String: NetDevice]?
    /// "private", "slave", "shared", "unbindable" or these with an "r" in front; nil is "rslave".
    public var rootfsPropagation: String?
    /// The system call filter; ``InitPlan`` takes it compiled instead of from here.
    public var seccomp: SeccompProfile?
    /// Values by dotted name ("net.ipv4.ip_forward"), of the container's own namespaces.
    public var sysctl: [String: String]?
    /// Paths hidden behind an empty directory or the null device; those that do not exist are
    /// skipped.
    public var maskedPaths: [String]?
    /// Paths that cannot be written through; those that do not exist are skipped.
    public var readonlyPaths: [String]?

    /// Nothing of it.
    public init() {}
  }

  /// A namespace: a new one, or with a path the one to join.
  public struct Namespace: Sendable, Equatable {
    /// The specification's word for it, which is not always the kernel's: "network", "mount".
    public var type: String
    /// A file such as /proc/PID/ns/net to join, which ``InitPlan`` does not support yet; nil makes
    /// a new one.
    public var path: String?

    /// A namespace of a kind ("pid", "network", "ipc", "uts", "mount", "cgroup", "user", "time").
    public init(type: String, path: String? = nil) {
      self.type = type
      self.path = path
    }
  }

  /// A device node in the container's /dev.
  public struct Device: Sendable, Equatable {
    /// "c" or "u" for a character device, "b" for a block device, "p" for a FIFO.
    public var type: String
    /// Where the node is made: absolute and below /dev.
    public var path: String
    /// The driver's number; nil is 0, as a FIFO has none.
    public var major: Int64?
    /// The device's number within its driver; nil is 0.
    public var minor: Int64?
    /// Permission bits; nil is 0666.
    public var fileMode: UInt32?
    /// The node's owner; nil is 0.
    public var uid: UInt32?
    /// The node's group; nil is 0.
    public var gid: UInt32?

    /// A device.
    public init(
      type: String, path: String, major: Int64?, minor: Int64?, fileMode: UInt32? = nil,
      uid: UInt32? = nil, gid: UInt32? = nil
    ) {
      self.type = type
      self.path = path
      self.major = major
      self.minor = minor
      self.fileMode = fileMode
      self.uid = uid
      self.gid = gid
    }
  }
}
