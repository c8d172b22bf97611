import Linux
import Runtime

/// What `stats` shows of a container: figures from one sample and the one before.
public struct StatisticsFigures: Sendable {
  /// As the user named it, else its short id.
  public var label = ""
  /// 64 digits.
  public var id = ""
  /// Its name.
  public var name = ""
  /// Whether it runs; otherwise every figure is 0.
  public var isRunning = false
  /// Hundred for each processor that was busy all the time between the two samples.
  public var cpuPercent = 0.0
  /// Bytes in use, without page cache that could be reclaimed at once.
  public var memory: UInt64 = 0
  /// Bytes that it may use.
  public var memoryLimit: UInt64 = 0
  /// Bytes received and sent on its network.
  public var received: UInt64 = 0
  /// See ``received``.
  public var sent: UInt64 = 0
  /// Bytes read from and written to block devices.
  public var blockRead: UInt64 = 0
  /// See ``blockRead``.
  public var blockWritten: UInt64 = 0
  /// Processes and threads.
  public var tasks: UInt64 = 0

  /// The figures of a sample.
  ///
  /// - Parameter before: the one before of the same container; without one, and after a restart, the CPU
  ///   time is unknown and counts as 0.
  public init(
    _ sample: ContainerStatistics.Sample, before: ContainerStatistics.Sample?
  ) {
    (label, id, name) = (sample.label, sample.id, sample.name)
    guard let usage = sample.usage else { return }
    isRunning = true
    memory = usage.group.memoryInUse
    memoryLimit = usage.memoryLimit
    (received, sent) = (usage.received, usage.sent)
    (blockRead, blockWritten) = (usage.group.ioReadBytes, usage.group.ioWriteBytes)
    tasks = usage.group.pids
    guard let before, let old = before.usage, old.process == usage.process,
      sample.moment > before.moment, usage.group.cpuUsage >= old.group.cpuUsage
    else { return }
    cpuPercent =
      Double(usage.group.cpuUsage - old.group.cpuUsage)
      / Double(sample.moment - before.moment) * 100
  }

  /// Memory in use in hundredths of the limit.
  public var memoryPercent: Double {
    memoryLimit == 0 ? 0 : Double(memory) / Double(memoryLimit) * 100
  }

  /// "12.34%", as docker writes it.
  public static func percent(_ value: Double) -> String {
    let hundredths = Int64((max(0, value) * 100).rounded())
    let fraction = String(hundredths % 100)
    return "\(hundredths / 100).\(fraction.count == 1 ? "0" : "")\(fraction)%"
  }

  /// Docker's fields.
  ///
  /// - Parameter full: ids of 64 digits.
  public func document(full: Bool) -> JSONValue {
    func decimal(_ bytes: UInt64) -> String { ByteCount.decimal(Int64(clamping: bytes)) }
    func binary(_ bytes: UInt64) -> String { ByteCount.binary(Int64(clamping: bytes)) }
    return .object([
      ("BlockIO", .string("\(decimal(blockRead)) / \(decimal(blockWritten))")),
      ("CPUPerc", .string(StatisticsFigures.percent(cpuPercent))),
      ("Container", .string(full && id.hasPrefix(label) ? id : label)),
      ("ID", .string(full ? id : String(id.prefix(12)))),
      ("MemPerc", .string(StatisticsFigures.percent(memoryPercent))),
      ("MemUsage", .string("\(binary(memory)) / \(binary(memoryLimit))")),
      ("Name", .string(name)),
      ("NetIO", .string("\(decimal(received)) / \(decimal(sent))")),
      ("PIDs", .string(String(tasks))),
    ])
  }
}
