import Engine
import Linux

/// The layers of a pull or push at standard error: on a terminal one live line each, elsewhere one plain
/// line whenever a layer begins or is done.
final class TransferScreen {
  private let isQuiet: Bool
  private let isLive: Bool
  private var lines: [TransferUpdate] = []
  /// Since when the bytes of each have come, for its rate.
  private var starts: [(time: UInt64, bytes: Int64)] = []
  private var drawn = 0
  private var next: UInt64 = 0

  private static let interval: UInt64 = 100_000_000

  /// - Parameter isQuiet: never shows anything.
  init(isQuiet: Bool) {
    self.isQuiet = isQuiet
    isLive = Console.errorIsTerminal
  }

  /// Takes note of an update and shows it, live ones at most ten times a second.
  func update(_ update: TransferUpdate) {
    guard !isQuiet else { return }
    let now = Timestamp.monotonic
    while lines.count <= update.index {
      lines.append(
        TransferUpdate(index: lines.count, digest: "", phase: .waiting, bytes: 0, total: 0))
      starts.append((now, 0))
    }
    let before = lines[update.index]
    let isNews = before.phase != update.phase || before.digest.isEmpty
    if isNews { starts[update.index] = (now, update.bytes) }
    lines[update.index] = update
    if isLive {
      if isNews || now >= next { draw(now) }
    } else if isNews, let text = TransferScreen.word(update.phase, isLive: false) {
      Console.error("\(TransferScreen.short(update.digest)): \(text)")
    }
  }

  /// Draws the last state; what is printed next begins below it.
  func finish() {
    guard !isQuiet, isLive, !lines.isEmpty else { return }
    draw(Timestamp.monotonic)
    drawn = 0
    lines = []
    starts = []
  }

  private func draw(_ now: UInt64) {
    next = now + TransferScreen.interval
    let size = Terminal.size(of: 2)
    let columns = max(Int(size?.columns ?? 80), 20)
    // A screen with fewer rows than layers cannot be moved up in far enough: the last ones are shown.
    let rows = max(Int(size?.rows ?? 24) - 2, 1)
    let shown = lines.suffix(rows)
    var text = drawn > 0 ? "\u{1b}[\(drawn)A" : ""
    for line in shown {
      let start = starts[line.index]
      let content = TransferScreen.text(
        line, nanoseconds: now - start.time, since: start.bytes, columns: columns)
      text += "\r" + String(content.printable.prefix(columns - 1)) + "\u{1b}[K\n"
    }
    drawn = shown.count
    Console.errorRaw(text)
  }

  /// "4f4fb700ef54: downloading [=====>    ] 12.3MB/54.2MB  23.1MB/s  2s left".
  static func text(
    _ line: TransferUpdate, nanoseconds: UInt64, since: Int64, columns: Int
  ) -> String {
    var text = "\(short(line.digest)): \(word(line.phase, isLive: true) ?? "")"
    guard line.phase == .downloading || line.phase == .uploading, line.total > 0 else {
      return text
    }
    let rate = Double(line.bytes - since) / (Double(max(nanoseconds, 1)) / 1e9)
    var figures = "\(ByteCount.decimal(line.bytes))/\(ByteCount.decimal(line.total))"
    if rate >= 1 && nanoseconds > 200_000_000 {
      figures += "  \(ByteCount.decimal(Int64(min(rate, 1e18))))/s"
      figures += "  \(time(Double(line.total - line.bytes) / rate)) left"
    }
    let room = columns - text.count - figures.count - 6
    if room >= 10 {
      let width = min(room, 40)
      let filled = Int(Double(width) * min(Double(line.bytes) / Double(line.total), 1))
      text += " [" + String(repeating: "=", count: filled)
      text += filled < width ? ">" + String(repeating: " ", count: width - filled - 1) : ""
      text += "]"
    }
    return text + " " + figures
  }

  /// "12s", "3m12s", "2h5m".
  static func time(_ seconds: Double) -> String {
    let whole = Int(min(max(seconds.rounded(.up), 0), 359_999))
    if whole < 60 { return "\(whole)s" }
    if whole < 3600 { return "\(whole / 60)m\(whole % 60)s" }
    return "\(whole / 3600)h\(whole / 60 % 60)m"
  }

  private static func short(_ digest: String) -> String {
    String(digest.drop { $0 != ":" }.dropFirst().prefix(12))
  }

  /// The phase in words; without a terminal only what a reader of a log wants to know.
  private static func word(_ phase: TransferUpdate.Phase, isLive: Bool) -> String? {
    switch phase {
    case .waiting: isLive ? "waiting" : nil
    case .downloading: "downloading"
    case .verifying: isLive ? "verifying" : nil
    case .unpacking: isLive ? "unpacking" : nil
    case .pulled: "done"
    case .existed: "already exists"
    case .uploading: "uploading"
    case .pushed: "pushed"
    case .existedThere: "layer already exists"
    case .mounted: "mounted from another repository"
    }
  }
}
