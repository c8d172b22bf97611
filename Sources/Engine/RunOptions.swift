import Image
import Linux
import Net
import Runtime

/// What a user asks of a new container: docker's flags, parsed.
public struct RunOptions: Sendable {
  /// A name, id or digest, as the user wrote it.
  public var image = ""
  /// The words after the image.
  public var command: [String] = []
  /// The container's name; nil has one generated.
  public var name: String?
  /// `--rm`: nothing of the container is left when it ends.
  public var autoRemove = false
  /// `-i`: passes on this process's standard input; without it the command has none.
  public var interactive = false
  /// `-t`: gives the command a terminal of its own.
  public var terminal = false
  /// "NAME=value"; a later entry replaces an earlier one.
  public var environment: [String] = []
  /// `-w`, an absolute path in the container; nil takes the image's, else "/".
  public var workingDirectory: String?
  /// `-u`, "user[:group]" by name or number; nil takes the image's, else root.
  public var user: String?
  /// `--group-add`, by name or number, looked up in the container's /etc/group.
  public var groups: [String] = []
  /// `-h`, of 1 to 64 characters; nil takes the short id, the host's on the host's network.
  public var hostname: String?
  /// `--domainname`, the NIS domain name; nil keeps the one inherited.
  public var domainname: String?
  /// nil leaves the image's entrypoint, an empty list removes it.
  public var entrypoint: [String]?
  /// `-v`, `--mount` and `--tmpfs`; one replaces the default mount at its target.
  public var mounts: [MountRequest] = []
  /// `--read-only`: the root and minidock's files in /etc; other mounts keep their own mode.
  public var readOnly = false
  /// The first `--network`.
  public var network = NetworkMode.bridge
  /// The networks that it gets links on, eth0 first; see ``take(_:)``.
  public var attachments = [NetworkAttachment("bridge")]
  /// Limits of the container's cgroup, from ``ResourceFlags``.
  public var resources = Resources()
  /// `--cgroup-parent`, below each hierarchy's mount point; nil takes the installation's own.
  public var cgroupParent: String?
  /// `--ulimit`; limits not listed are inherited.
  public var limits: [Spec.Rlimit] = []
  /// Bytes of /dev/shm.
  public var shmSize: Int64 = 64 << 20
  /// `--cap-add`: names with or without "CAP_", or "ALL".
  public var capabilitiesAdded: [String] = []
  /// `--cap-drop`: names with or without "CAP_", or "ALL".
  public var capabilitiesDropped: [String] = []
  /// `--privileged`: all capabilities and host devices, no masked or read-only paths, no built-in
  /// filter.
  public var privileged = false
  /// `--security-opt`, all of them together.
  public var security = SecurityOptions()
  /// `--device`: host devices made in the container and allowed to its cgroup.
  public var devices: [DeviceRequest] = []
  /// `--sysctl`, values by name; only parameters of the container's own namespaces are allowed.
  public var sysctls: [String: String] = [:]
  /// Run minidock's small init as pid 1.
  public var usesInit = false
  /// `--stop-signal`, by name or number; nil takes the image's, else SIGTERM.
  public var stopSignal: String?
  /// `--oom-score-adj`, -1000 to 1000; nil keeps the one inherited.
  public var oomScoreAdjust: Int?
  /// `--label`, by key; they win over the image's.
  public var labels: [String: String] = [:]
  /// `--cidfile`, which must not exist yet: the id is written into it, without a line feed.
  public var containerIDFile: String?
  /// `--pull`: unless it is never, a bundled image serves when the store has none.
  public var pull = PullPolicy.missing
  /// `--quiet`: nothing is said about a pull.
  public var quietPull = false
  /// `--platform`, "os/arch" or one of the two, for the image to match; nil takes what this host can run.
  public var platform: String?
  /// "name:address" as given.
  public var extraHosts: [String] = []
  /// `--dns`, addresses of name servers; empty takes the host's that the container can reach, else
  /// docker's 8.8.8.8 and 8.8.4.4.
  public var dns: [String] = []
  /// `--dns-search`, the search domains of resolv.conf(5); empty takes the host's.
  public var dnsSearch: [String] = []
  /// `--dns-option`, the options of resolv.conf(5); empty takes the host's.
  public var dnsOptions: [String] = []
  /// `-p`, in the order given.
  public var publish: [PortRequest] = []
  /// `-P`: the ports that the image and `--expose` name are published on free ports of the host.
  public var publishAll = false
  /// `--publish-default`: where a port without an address is published; nil is on all addresses.
  public var publishDefault: PublishedPort.HostAddress?
  /// `--expose`, each as "80/tcp".
  public var expose: [String] = []
  /// The keys that leave a terminal without ending the container.
  public var detachKeys = "ctrl-p,ctrl-q"
  /// `--sig-proxy`: signals that reach minidock go to the container; otherwise they are dropped.
  public var signalProxy = true
  /// `-d`: the container is left running and its id printed.
  public var detached = false
  /// `--restart`.
  public var restart = RestartPolicy()
  /// `--stop-timeout`, seconds between the stop signal and SIGKILL, -1 to wait for ever; nil is docker's 10.
  public var stopTimeout: Int?
  /// `--log-driver` and `--log-opt`.
  public var log = LogOptions()
  /// `--health-cmd` and its like, and after the image's HEALTHCHECK was looked up that as well.
  public var health = HealthOptions()
  /// `--volumes-from`, "container[:ro|rw]" as given.
  public var volumesFrom: [String] = []
  /// Report where the time goes.
  public var traced = false

  /// Docker's defaults.
  public init() {}
}

/// When an image is fetched.
public enum PullPolicy: String, Sendable {
  case always
  case missing
  case never
}

/// `--security-opt`.
public struct SecurityOptions: Sendable, Equatable {
  /// "no-new-privileges": no exec in the container may add rights (PR_SET_NO_NEW_PRIVS).
  public var noNewPrivileges = false
  /// "seccomp": the built-in filter unless said otherwise; a privileged container goes without that
  /// one.
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
