import Linux
import Runtime

/// `minidock stats` without its printing: what containers use, sampled again and again.
///
/// Between two samples it keeps what it knows of each container, so that a sample costs a few reads of
/// kernel files and no look-up of names and records.
public struct ContainerStatistics: Sendable {
  /// What a container uses at one moment.
  public struct Sample: Sendable {
    /// As the user named it; its short id when all are shown.
    public var label = ""
    /// 64 digits.
    public var id = ""
    /// Its name.
    public var name = ""
    /// Nanoseconds of the clock that never jumps.
    public var moment: UInt64 = 0
    /// nil when it does not run.
    public var usage: Usage?

    /// Of a container that does not run.
    public init() {}
  }

  /// The figures of a container that runs.
  public struct Usage: Sendable {
    /// Its cgroup's.
    public var group = CgroupStatistics()
    /// Bytes of memory that it may use: its limit, or the host's memory without one.
    public var memoryLimit: UInt64 = 0
    /// Its first process, which is another one after a restart.
    public var process = ProcessIdentity(pid: 0, startTime: 0)
    /// Bytes received by its network links, without lo; 0 on the host's network.
    public var received: UInt64 = 0
    /// Bytes sent, likewise.
    public var sent: UInt64 = 0
  }

  private struct Known: Sendable {
    var record: ContainerRecord
    var label: String
    var process: ProcessIdentity?
    var group: Cgroup?
  }

  private let store: ContainerStore
  private let hierarchy: CgroupHierarchy
  private let names: [String]
  private let all: Bool
  private var known: [String: Known] = [:]
  private var order: [String] = []

  /// Looks at containers of an installation.
  ///
  /// - Parameters:
  ///   - names: only these, running or not; empty for those that run.
  ///   - all: those that do not run as well.
  /// - Throws: ``Failure/Code/notFound`` for a name that no container has.
  public init(_ installation: Installation, names: [String], all: Bool) throws(Failure) {
    store = ContainerStore(installation)
    hierarchy = try CgroupHierarchy.detect()
    self.names = names
    self.all = all
    for name in names {
      let record = try store.find(name)
      if known[record.id] == nil { order.append(record.id) }
      known[record.id] = Known(record: record, label: name)
    }
  }

  /// What they use now. Named containers in the order in which they were named, others newest first;
  /// without names, containers that have started or ended come and go.
  public mutating func sample() throws(Failure) -> [Sample] {
    if names.isEmpty { try findContainers() }
    var samples: [Sample] = []
    samples.reserveCapacity(order.count)
    for id in order {
      guard var container = known[id] else { continue }
      var sample = Sample()
      (sample.id, sample.name) = (id, container.record.name)
      sample.label = container.label
      sample.usage = usage(&container)
      sample.moment = Timestamp.monotonic
      known[id] = container
      if sample.usage == nil && names.isEmpty && !all { continue }
      samples.append(sample)
    }
    return samples
  }

  // The names of the run files are the ids of what may run: records are read of new ones only.
  private mutating func findContainers() throws(Failure) {
    let folder = all ? store.installation.containers : store.installation.runs
    let ids = Set(try Files.list(folder).filter { $0.utf8.count == 64 })
    known = known.filter { ids.contains($0.key) }
    for id in ids where known[id] == nil {
      guard let record = (try? store.read(id)) ?? nil else { continue }
      known[id] = Known(record: record, label: record.shortID)
    }
    if known.count != order.count || !order.allSatisfy({ known[$0] != nil }) {
      order = known.values.sorted { $0.record.created > $1.record.created }.map(\.record.id)
    }
  }

  private func usage(_ container: inout Known) -> Usage? {
    if container.process?.isAlive != true {
      // It has started, ended or been restarted since.
      let run = store.runFile(of: container.record.id)
      container.process = run?.process
      container.group = nil
      // An empty path would be the group of the whole host.
      guard container.process?.isAlive == true, let path = run?.cgroupPath, !path.isEmpty else {
        return nil
      }
      container.group = Cgroup(existing: path, in: hierarchy)
    }
    guard let process = container.process, let group = container.group else { return nil }
    var usage = Usage()
    usage.process = process
    usage.group = group.statistics()
    let host = UInt64(SystemLimits.memory)
    usage.memoryLimit = min(usage.group.memoryLimit ?? host, host)
    if container.record.network.ownsNamespace {
      let bytes = (try? Files.read("/proc/\(process.pid)/net/dev")) ?? nil
      (usage.received, usage.sent) = NetworkCounters.total(bytes ?? [])
    }
    return usage
  }
}

/// The counters of /proc/PID/net/dev (proc_pid_net(5)).
enum NetworkCounters {
  /// Bytes received and sent by all links but lo.
  static func total(_ bytes: [UInt8]) -> (received: UInt64, sent: UInt64) {
    var total: (received: UInt64, sent: UInt64) = (0, 0)
    for line in bytes.split(separator: UInt8(ascii: "\n")) {
      // Two heading lines have no colon. A link's name may hold anything but that and a slash.
      guard let colon = line.lastIndex(of: UInt8(ascii: ":")) else { continue }
      let name = line[..<colon].drop { $0 == UInt8(ascii: " ") }
      let fields = line[(colon + 1)...].split(separator: UInt8(ascii: " ")).map {
        UInt64(String(decoding: $0, as: UTF8.self))
      }
      guard fields.count >= 9, let received = fields[0], let sent = fields[8],
        !name.elementsEqual("lo".utf8)
      else { continue }
      total.received &+= received
      total.sent &+= sent
    }
    return total
  }
}
