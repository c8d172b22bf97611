import Linux

/// What a container is doing, as docker names it.
public enum ContainerStatus: String, Sendable, Equatable {
  case created
  case running
  case paused
  case exited

  /// Whether a process of the container exists.
  public var isActive: Bool { self == .running || self == .paused }
}

/// The part of a container's state that changes: who runs it and how it ended.
///
/// Two small files hold it. `<runRoot>/containers/<id>` names the processes and is gone after a reboot;
/// `<root>/containers/<id>/status` says how it ended. Neither is believed about "running": that is
/// computed from the processes' identity (``ProcessIdentity``).
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
  /// Whether the kernel killed one of its processes for want of memory.
  public var oomKilled = false
  /// Why it could not be started or how it was lost; "" when there is nothing to say.
  public var error = ""
  /// Its IPv4 address; nil when it does not run or has no bridge network.
  public var address: String?
  /// The host's IPv4 address on its network; nil like ``address``.
  public var gateway: String?
  /// Bits of ``address`` that number the network; nil like it.
  public var prefixLength: Int?
  /// The address of its eth0 link; nil like ``address``.
  public var macAddress: String?

  /// A container that was never started.
  public init() {}

  /// "Up 3 minutes", "Exited (0) 5 seconds ago": docker's STATUS column.
  public var summary: String {
    switch status {
    case .created: return "Created"
    case .running, .paused:
      return "Up " + Elapsed.words(seconds: Timestamp.now.seconds(since: started ?? .now))
        + (status == .paused ? " (Paused)" : "")
    case .exited:
      return "Exited (\(exitCode)) " + Elapsed.ago(finished ?? .now)
    }
  }
}

/// The file that says who runs a container.
struct RunFile: Equatable {
  var process: ProcessIdentity?
  var monitor: ProcessIdentity?
  var started: Timestamp?
  var address: String?
  var gateway: String?
  var prefixLength: Int?
  var macAddress: String?
  var cgroupPath = ""

  init() {}

  init(_ text: FieldText) {
    process = ProcessIdentity(field: text["process"])
    monitor = ProcessIdentity(field: text["monitor"])
    started = text.number("started", as: Int64.self).map { Timestamp(nanoseconds: $0) }
    address = text["address"]
    gateway = text["gateway"]
    prefixLength = text.number("prefix-length")
    macAddress = text["mac"]
    cgroupPath = text["cgroup"] ?? ""
  }

  var fields: FieldText {
    var text = FieldText()
    text.add("monitor", monitor.map { "\($0.pid) \($0.startTime)" })
    text.add("process", process.map { "\($0.pid) \($0.startTime)" })
    text.add("started", started.map { String($0.nanoseconds) })
    text.add("address", address)
    text.add("gateway", gateway)
    text.add("prefix-length", prefixLength.map { String($0) })
    text.add("mac", macAddress)
    text.add("cgroup", cgroupPath)
    return text
  }
}

extension ProcessIdentity {
  /// From a field "PID STARTTIME".
  init?(field text: String?) {
    guard let parts = text?.split(separator: " "), parts.count == 2, let pid = Int32(parts[0]),
      let start = UInt64(parts[1])
    else { return nil }
    self.init(pid: pid, startTime: start)
  }
}

/// The file that says how a container ended.
struct StatusFile: Equatable {
  var started: Timestamp?
  var finished = Timestamp(nanoseconds: 0)
  var exitCode: Int32 = 0
  var oomKilled = false
  var error = ""

  init() {}

  init(_ text: FieldText) {
    started = text.number("started", as: Int64.self).map { Timestamp(nanoseconds: $0) }
    finished = Timestamp(nanoseconds: text.number("finished") ?? 0)
    exitCode = text.number("exit-code") ?? 0
    oomKilled = text["oom-killed"] == "1"
    error = text["error"] ?? ""
  }

  var fields: FieldText {
    var text = FieldText()
    text.add("started", started.map { String($0.nanoseconds) })
    text.add("finished", finished.nanoseconds)
    text.add("exit-code", exitCode)
    if oomKilled { text.add("oom-killed", "1") }
    if !error.isEmpty { text.add("error", error) }
    return text
  }
}
