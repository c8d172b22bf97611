import Linux

/// Where the time of one run goes: a list of steps with their durations, kept only when asked for.
public struct Trace: Sendable {
  /// One step and how long it took.
  public struct Step: Sendable {
    /// What was done: a few words, joined by "-" in ``Trace/lines``.
    public let name: String
    /// By a clock that never jumps.
    public let nanoseconds: UInt64
  }

  /// In the order in which they ended; empty when not asked for.
  public private(set) var steps: [Step] = []
  /// Steps of the container's first process, which run beside the others.
  public private(set) var initSteps: [Step] = []
  private let isOn: Bool
  private var last: UInt64
  private let start: UInt64

  /// Starts measuring now.
  public init(_ isOn: Bool) {
    self.isOn = isOn
    last = isOn ? Timestamp.monotonic : 0
    start = last
  }

  /// Ends the step that began at the last mark.
  public mutating func mark(_ name: String) {
    guard isOn else { return }
    let now = Timestamp.monotonic
    steps.append(Step(name: name, nanoseconds: now - last))
    last = now
  }

  /// Adds what the container's first process reported.
  mutating func add(_ timings: [(step: String, nanoseconds: UInt64)]) {
    initSteps += timings.map { Step(name: $0.step, nanoseconds: $0.nanoseconds) }
  }

  /// One line for each step: "step NAME MICROSECONDS", those of the first process as "init/NAME".
  public var lines: [String] {
    guard isOn else { return [] }
    var lines = steps.map { "step \($0.name) \($0.nanoseconds / 1000)" }
    lines += initSteps.map { "step init/\($0.name) \($0.nanoseconds / 1000)" }
    lines.append("step total \((last - start) / 1000)")
    return lines.map { $0.replacingSpaces() }
  }
}

extension String {
  // A step's name is one word, so that the lines can be split at spaces.
  fileprivate func replacingSpaces() -> String {
    let words = split(separator: " ")
    guard words.count > 3 else { return self }
    return "step \(words[1..<(words.count - 1)].joined(separator: "-")) \(words.last!)"
  }
}
