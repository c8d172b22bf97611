import Linux

/// What the health tests of a container have said, as its monitor keeps it in `health` beside the record.
public struct HealthState: Sendable, Equatable {
  /// Docker's words.
  public enum Status: String, Sendable {
    case starting
    case healthy
    case unhealthy
  }

  /// One test.
  public struct Probe: Sendable, Equatable {
    /// When it began.
    public var start: Timestamp
    /// When it ended.
    public var end: Timestamp
    /// 0 is healthy; -1 when it took too long or could not be run.
    public var exitCode: Int32
    /// The first 4096 bytes that it printed.
    public var output: String
  }

  /// As of the last test.
  public var status = Status.starting
  /// Failures in a row.
  public var failingStreak = 0
  /// The last five tests, oldest first.
  public var log: [Probe] = []

  /// No test yet.
  public init() {}

  /// Takes in a test's result.
  ///
  /// - Parameter countsFailure: false in the start period, in which failures do not count.
  mutating func add(_ probe: Probe, retries: Int, countsFailure: Bool) {
    log.append(probe)
    if log.count > 5 { log.removeFirst(log.count - 5) }
    if probe.exitCode == 0 {
      failingStreak = 0
      status = .healthy
    } else if countsFailure || status != .starting {
      failingStreak += 1
      if failingStreak >= retries { status = .unhealthy }
    }
  }

  init(_ text: FieldText) {
    status = Status(rawValue: text["status"] ?? "") ?? .starting
    failingStreak = text.number("failing-streak") ?? 0
    for line in text.all("probe") {
      let parts = line.split(separator: " ", maxSplits: 3, omittingEmptySubsequences: false)
      guard parts.count == 4, let start = Int64(parts[0]), let end = Int64(parts[1]),
        let code = Int32(parts[2])
      else { continue }
      log.append(
        Probe(
          start: Timestamp(nanoseconds: start), end: Timestamp(nanoseconds: end), exitCode: code,
          output: String(parts[3])))
    }
  }

  var fields: FieldText {
    var text = FieldText()
    text.add("status", status.rawValue)
    text.add("failing-streak", failingStreak)
    for probe in log {
      text.add(
        "probe",
        "\(probe.start.nanoseconds) \(probe.end.nanoseconds) \(probe.exitCode) \(probe.output)")
    }
    return text
  }
}
