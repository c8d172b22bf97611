import Engine
import Linux

/// One live line on a terminal at standard error: how much is done and how fast. Elsewhere it is silent.
///
/// It is written at most ten times a second, and not at all for what takes less than half a second.
final class ProgressLine {
  private let verb: String
  private let isShown: Bool
  private let start = Timestamp.monotonic
  private var next: UInt64
  private var isDirty = false

  private static let delay: UInt64 = 500_000_000
  private static let interval: UInt64 = 100_000_000

  /// - Parameters:
  ///   - verb: what is going on: "exporting".
  ///   - isQuiet: never shows anything.
  init(_ verb: String, isQuiet: Bool = false) {
    self.verb = verb
    isShown = !isQuiet && Console.errorIsTerminal
    next = start + ProgressLine.delay
  }

  deinit { clear() }

  /// Shows how far it is; cheap when it is not time yet.
  func update(_ count: TransferCount) {
    guard isShown else { return }
    let now = Timestamp.monotonic
    guard now >= next else { return }
    next = now + ProgressLine.interval
    isDirty = true
    Console.errorLine(ProgressLine.text(verb, count, nanoseconds: now - start))
  }

  /// Takes the line away.
  func clear() {
    if isDirty { Console.errorLine("") }
    isDirty = false
  }

  /// "copying 12.3MB, 1204 files, 85MB/s"; entries are left out while there are none.
  static func text(_ verb: String, _ count: TransferCount, nanoseconds: UInt64) -> String {
    let rate = Double(count.bytes) / (Double(max(nanoseconds, 1)) / 1e9)
    let entries =
      count.entries == 0 ? "" : ", \(count.entries) " + (count.entries == 1 ? "file" : "files")
    return "\(verb) \(ByteCount.decimal(count.bytes))\(entries), "
      + "\(ByteCount.decimal(Int64(min(rate, 1e18))))/s"
  }
}
