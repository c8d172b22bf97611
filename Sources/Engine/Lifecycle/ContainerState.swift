import Linux
import Net

/// What a container is doing, as docker names it.
public enum ContainerStatus: String, Sendable, Equatable {
  case created
  case running
  case paused
  case restarting
  case exited

  /// Whether a process of the container exists.
  public var isActive: Bool { self == .running || self == .paused }

  /// Whether `start` has something to do.
  var canStart: Bool { self == .created || self == .exited }

  /// Whether it must be stopped before it can be removed.
  var isInUse: Bool { isActive || self == .restarting }
}

/// The part of a container's state that changes: who runs it and how it ended.
///
/// Two small files hold it. `<runRoot>/containers/<id>` names the processes and is gone after a reboot;
/// `<root>/containers/<id>/status` says when it was started and how it ended. Neither is believed about
/// "running": that is computed from the processes' identity (``ProcessIdentity``).
public struct ContainerState: Sendable, Equatable {
  /// Computed when the state is read, never stored.
  public var status = ContainerStatus.created
  /// The container's first process while it runs.
  public var process: ProcessIdentity?
  /// The minidock process that started it and waits for its end; nil when no run file names one.
  public var monitor: ProcessIdentity?
  /// nil when it never ran.
  public var started: Timestamp?
  /// nil while it has not ended; the start when its monitor was killed and nobody saw the end.
  public var finished: Timestamp?
  /// Of an exited container: its command's, 128 + the signal, or docker's 125 to 127.
  public var exitCode: Int32 = 0
  /// The signal that ended it; 0 when it ended by itself.
  public var signal: Int32 = 0
  /// Whether the kernel killed one of its processes for want of memory.
  public var oomKilled = false
  /// Why it could not be started or how it was lost; "" when there is nothing to say.
  public var error = ""
  /// How often its restart policy has started it again.
  public var restarts = 0
  /// The most memory it used in its last run, in bytes; nil where the kernel does not tell.
  public var memoryPeak: UInt64?
  /// What its health tests say; nil when it has none.
  public var health: HealthState?
  /// Its IPv4 address; nil when it does not run or has no bridge network.
  public var address: String?
  /// The host's IPv4 address on its network; nil like ``address``.
  public var gateway: String?
  /// Bits of ``address`` that number the network; nil like it.
  public var prefixLength: Int?
  /// The address of its eth0 link; nil like ``address``.
  public var macAddress: String?
  /// What it has on each of its networks while it runs, in the order of its links.
  public var endpoints: [EndpointState] = []
  /// The host's ports that lead to it while it runs.
  public var ports: [PublishedPort] = []

  /// A container that was never started.
  public init() {}

  /// "Up 3 minutes (healthy)", "Exited (0) 5 seconds ago": docker's STATUS column.
  public var summary: String {
    switch status {
    case .created: return "Created"
    case .running, .paused:
      let since = Elapsed.words(seconds: Timestamp.now.seconds(since: started ?? .now))
      if status == .paused { return "Up \(since) (Paused)" }
      guard let health else { return "Up " + since }
      return "Up \(since) "
        + (health.status == .starting ? "(health: starting)" : "(\(health.status.rawValue))")
    case .restarting: return "Restarting (\(exitCode)) " + Elapsed.ago(finished ?? .now)
    case .exited: return "Exited (\(exitCode)) " + Elapsed.ago(finished ?? .now)
    }
  }
}

/// The file that says who runs a container.
struct RunFile: Equatable {
  var process: ProcessIdentity?
  /// See `Processes.inode(of:)`; good in the boot of ``boot`` only.
  var processInode: UInt64?
  var boot = ""
  var monitor: ProcessIdentity?
  var started: Timestamp?
  var address: String?
  var gateway: String?
  var prefixLength: Int?
  var macAddress: String?
  var endpoints: [EndpointState] = []
  var ports: [PublishedPort] = []
  var cgroupPath = ""
  /// Whether it has ended and the monitor waits before it starts it again.
  var isRestarting = false

  init() {}

  /// Takes the first connection's addresses as the container's own.
  mutating func takeFirst() {
    let first = endpoints.first
    address = first?.address
    gateway = first?.gateway
    prefixLength = first?.prefixLength
    macAddress = first?.macAddress
  }

  /// Whether the container's first process runs; `boot` is the machine's present one.
  func isRunning(boot: String) -> Bool {
    guard let process else { return false }
    if let processInode, self.boot == boot,
      let isAlive = Processes.isAlive(pid: process.pid, inode: processInode)
    {
      return isAlive
    }
    return process.isAlive
  }

  init(_ text: FieldText) {
    process = ProcessIdentity(field: text["process"])
    processInode = text.number("process-inode")
    boot = text["boot"] ?? ""
    monitor = ProcessIdentity(field: text["monitor"])
    started = text.number("started", as: Int64.self).map { Timestamp(nanoseconds: $0) }
    address = text["address"]
    gateway = text["gateway"]
    prefixLength = text.number("prefix-length")
    macAddress = text["mac"]
    endpoints = text.all("endpoint").compactMap(EndpointState.init(field:))
    ports = text.all("port").compactMap(PublishedPort.init(field:))
    cgroupPath = text["cgroup"] ?? ""
    isRestarting = text["restarting"] == "1"
  }

  var fields: FieldText {
    var text = FieldText()
    text.add("monitor", monitor?.field)
    text.add("process", process?.field)
    text.add("process-inode", processInode.map { String($0) })
    if !boot.isEmpty { text.add("boot", boot) }
    text.add("started", started.map { String($0.nanoseconds) })
    text.add("address", address)
    text.add("gateway", gateway)
    text.add("prefix-length", prefixLength.map { String($0) })
    text.add("mac", macAddress)
    for endpoint in endpoints { text.add("endpoint", endpoint.field) }
    text.add("port", ports.map(\.field))
    text.add("cgroup", cgroupPath)
    if isRestarting { text.add("restarting", "1") }
    return text
  }
}

extension ProcessIdentity {
  /// From a field "PID STARTTIME".
  init?(field text: String?) {
    // By bytes: a list parses two of these for every container.
    guard let parts = text?.utf8.split(separator: UInt8(ascii: " ")), parts.count == 2,
      let pid = Int32(Substring(parts[0])), let start = UInt64(Substring(parts[1]))
    else { return nil }
    self.init(pid: pid, startTime: start)
  }

  /// The form that ``init(field:)`` reads.
  var field: String { "\(pid) \(startTime)" }
}

/// The file beside a record that says when the container was started last and how that ended.
struct StatusFile: Equatable {
  var started: Timestamp?
  /// nil while it runs: whoever finds that without a monitor knows that its end was not seen.
  var finished: Timestamp?
  var exitCode: Int32 = 0
  var signal: Int32 = 0
  var oomKilled = false
  var error = ""
  var restarts = 0
  var memoryPeak: UInt64?
  /// The first process in the host's numbering, which the kernel's log names; 0 when unknown.
  var pid: Int32 = 0
  /// The boot of the machine that it was started in.
  var boot = ""

  init() {}

  init(_ text: FieldText) {
    started = text.number("started", as: Int64.self).map { Timestamp(nanoseconds: $0) }
    finished = text.number("finished", as: Int64.self).map { Timestamp(nanoseconds: $0) }
    exitCode = text.number("exit-code") ?? 0
    signal = text.number("signal") ?? 0
    oomKilled = text["oom-killed"] == "1"
    error = text["error"] ?? ""
    restarts = text.number("restarts") ?? 0
    memoryPeak = text.number("memory-peak")
    pid = text.number("pid") ?? 0
    boot = text["boot"] ?? ""
  }

  var fields: FieldText {
    var text = FieldText()
    text.add("started", started.map { String($0.nanoseconds) })
    text.add("finished", finished.map { String($0.nanoseconds) })
    text.add("exit-code", exitCode)
    if signal != 0 { text.add("signal", signal) }
    if oomKilled { text.add("oom-killed", "1") }
    if !error.isEmpty { text.add("error", error) }
    if restarts > 0 { text.add("restarts", restarts) }
    text.add("memory-peak", memoryPeak.map { String($0) })
    if pid > 0 { text.add("pid", pid) }
    if !boot.isEmpty { text.add("boot", boot) }
    return text
  }
}
