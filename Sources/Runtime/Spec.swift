/// A container as the OCI runtime specification describes it (runtime-spec 1.2, config.json).
///
/// The property names are the specification's, so the type encodes to and decodes from config.json as
/// it stands.
public struct Spec: Codable, Sendable, Equatable {
  public var ociVersion: String = "1.2.0"
  public var root: Root?
  public var hostname: String?
  public var domainname: String?
  public var mounts: [Mount]?
  public var process: Process?
  public var annotations: [String: String]?
  public var linux: Linux?

  /// An empty specification.
  public init() {}

  /// The container's root file system.
  public struct Root: Codable, Sendable, Equatable {
    /// Absolute, or relative to the bundle.
    public var path: String
    public var readonly: Bool?

    /// A root at a path.
    public init(path: String, readonly: Bool? = nil) {
      self.path = path
      self.readonly = readonly
    }
  }

  /// A mount beyond the root, in the order in which it is made.
  public struct Mount: Codable, Sendable, Equatable {
    public var destination: String
    public var type: String?
    public var source: String?
    public var options: [String]?

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
  public struct Process: Codable, Sendable, Equatable {
    public var terminal: Bool?
    public var consoleSize: ConsoleSize?
    public var cwd: String = "/"
    public var env: [String]?
    public var args: [String]?
    public var rlimits: [Rlimit]?
    public var capabilities: Capabilities?
    public var noNewPrivileges: Bool?
    public var oomScoreAdj: Int?
    public var user: User = User()

    /// A process with no arguments yet.
    public init() {}
  }

  /// The size of the process's terminal in cells.
  public struct ConsoleSize: Codable, Sendable, Equatable {
    public var height: UInt16
    public var width: UInt16

    /// A size.
    public init(height: UInt16, width: UInt16) {
      self.height = height
      self.width = width
    }
  }

  /// A resource limit (setrlimit(2)).
  public struct Rlimit: Codable, Sendable, Equatable {
    /// "RLIMIT_NOFILE" and so on.
    public var type: String
    public var hard: UInt64
    public var soft: UInt64

    /// A limit; `UInt64.max` stands for RLIM_INFINITY.
    public init(type: String, hard: UInt64, soft: UInt64) {
      self.type = type
      self.hard = hard
      self.soft = soft
    }
  }

  /// Capability names in the five sets of capabilities(7).
  public struct Capabilities: Codable, Sendable, Equatable {
    public var bounding: [String]?
    public var effective: [String]?
    public var inheritable: [String]?
    public var permitted: [String]?
    public var ambient: [String]?

    /// Empty sets.
    public init() {}
  }

  /// The user that the process runs as.
  public struct User: Codable, Sendable, Equatable {
    public var uid: UInt32 = 0
    public var gid: UInt32 = 0
    public var umask: UInt32?
    public var additionalGids: [UInt32]?

    /// Root.
    public init() {}
  }

  /// The parts that only Linux has.
  public struct Linux: Codable, Sendable, Equatable {
    public var namespaces: [Namespace]?
    public var devices: [Device]?
    public var cgroupsPath: String?
    public var resources: Resources?
    public var rootfsPropagation: String?
    public var seccomp: SeccompProfile?
    public var sysctl: [String: String]?
    public var maskedPaths: [String]?
    public var readonlyPaths: [String]?

    /// Nothing of it.
    public init() {}
  }

  /// A namespace: a new one, or with a path the one to join.
  public struct Namespace: Codable, Sendable, Equatable {
    public var type: String
    public var path: String?

    /// A namespace of a kind ("pid", "network", "ipc", "uts", "mount", "cgroup", "user", "time").
    public init(type: String, path: String? = nil) {
      self.type = type
      self.path = path
    }
  }

  /// A device node in the container's /dev.
  public struct Device: Codable, Sendable, Equatable {
    public var type: String
    public var path: String
    public var major: Int64?
    public var minor: Int64?
    public var fileMode: UInt32?
    public var uid: UInt32?
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
