import Image
import Linux
import Runtime

/// What a user asks of a new container: docker's flags, parsed.
public struct RunOptions: Sendable {
  public var image = ""
  /// The words after the image.
  public var command: [String] = []
  public var name: String?
  public var autoRemove = false
  public var interactive = false
  public var terminal = false
  /// "NAME=value"; a later entry replaces an earlier one.
  public var environment: [String] = []
  public var workingDirectory: String?
  public var user: String?
  public var groups: [String] = []
  public var hostname: String?
  public var domainname: String?
  /// nil leaves the image's entrypoint, an empty list removes it.
  public var entrypoint: [String]?
  public var mounts: [MountRequest] = []
  public var readOnly = false
  public var network = NetworkMode.bridge
  public var resources = Resources()
  public var cgroupParent: String?
  public var limits: [Spec.Rlimit] = []
  /// Bytes of /dev/shm.
  public var shmSize: Int64 = 64 << 20
  public var capabilitiesAdded: [String] = []
  public var capabilitiesDropped: [String] = []
  public var privileged = false
  public var security = SecurityOptions()
  public var devices: [DeviceRequest] = []
  public var sysctls: [String: String] = [:]
  /// Run minidock's small init as pid 1.
  public var usesInit = false
  public var stopSignal: String?
  public var oomScoreAdjust: Int?
  public var labels: [String: String] = [:]
  public var containerIDFile: String?
  public var pull = PullPolicy.missing
  public var platform: String?
  /// "name:address" as given.
  public var extraHosts: [String] = []
  public var dns: [String] = []
  public var dnsSearch: [String] = []
  public var dnsOptions: [String] = []
  /// The keys that leave a terminal without ending the container.
  public var detachKeys = "ctrl-p,ctrl-q"
  public var signalProxy = true
  /// Report where the time goes.
  public var traced = false

  /// Docker's defaults.
  public init() {}
}

/// The network that a container joins.
public enum NetworkMode: Sendable, Equatable {
  case bridge
  case none
  case host

  /// Parses `--network`.
  public init(_ text: String) throws(Failure) {
    switch text {
    case "bridge", "default": self = .bridge
    case "none": self = .none
    case "host": self = .host
    default:
      throw Failure(
        .notFound, "use network", text, reason: "no such network",
        remedy: "use bridge, none or host")
    }
  }

  /// Docker's name of it.
  public var name: String {
    switch self {
    case .bridge: "bridge"
    case .none: "none"
    case .host: "host"
    }
  }
}

/// When an image is fetched.
public enum PullPolicy: String, Sendable {
  case always
  case missing
  case never
}

/// `--security-opt`.
public struct SecurityOptions: Sendable, Equatable {
  public var noNewPrivileges = false
  public var seccomp = Seccomp.standard

  /// Which system call filter.
  public enum Seccomp: Sendable, Equatable {
    case standard
    case unconfined
    /// A profile in docker's JSON at a host path.
    case file(String)
  }

  /// The defaults.
  public init() {}

  /// Parses one `--security-opt` after the other.
  public init(_ options: [String]) throws(Failure) {
    for option in options {
      let parts = option.split(
        maxSplits: 1, omittingEmptySubsequences: false, whereSeparator: { $0 == "=" || $0 == ":" })
      let value = parts.count == 2 ? String(parts[1]) : nil
      switch (String(parts[0]), value) {
      case ("no-new-privileges", nil), ("no-new-privileges", "true"): noNewPrivileges = true
      case ("no-new-privileges", "false"): noNewPrivileges = false
      case ("seccomp", "unconfined"): seccomp = .unconfined
      case ("seccomp", "builtin"): seccomp = .standard
      case ("seccomp", let path?) where !path.isEmpty: seccomp = .file(path)
      default:
        throw Failure(
          .invalid, "parse", "--security-opt=\(option)", reason: "unknown option",
          remedy: "use seccomp=FILE, seccomp=unconfined or no-new-privileges")
      }
    }
  }
}
