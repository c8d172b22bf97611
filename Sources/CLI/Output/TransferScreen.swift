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
  /// How wide each line on the screen is, the topmost first: what has to be drawn over.
  private var drawn: [Int] = []
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
    // The beginning that an earlier pull left comes in one go and says nothing of the line's rate.
    if isNews || before.bytes == 0 { starts[update.index] = (now, update.bytes) }
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
    draw(Timestamp.monotonic, isLast: true)
    drawn = []
    lines = []
    starts = []
  }

  private func draw(_ now: UInt64, isLast: Bool = false) {
    next = now + TransferScreen.interval
    let size = Terminal.size(of: 2)
    // A terminal that does not know its width says 0.
    let columns = size.map { $0.columns == 0 ? 80 : max(Int($0.columns), 20) } ?? 80
    let rows = size.map { $0.rows == 0 ? 24 : Int($0.rows) } ?? 24
    let shown = isLast ? lines : TransferScreen.selection(lines, rows: max(rows - 2, 1))
    let texts = shown.map { line in
      let start = starts[line.index]
      let content = TransferScreen.text(
        line, nanoseconds: now - start.time, since: start.bytes, columns: columns)
      return String(content.printable.prefix(columns - 1))
    }
    let up = TransferScreen.rows(of: drawn, columns: columns)
    var text = up > 0 ? "\u{1b}[\(up)A" : ""
    for content in texts { text += "\r" + content + "\u{1b}[K\n" }
    // What there was more of before: fewer lines now, or a wider window.
    text += "\u{1b}[J"
    drawn = texts.map(\.count)
    Console.errorRaw(text)
  }

  /// How many rows lines of these widths take up in a window that may have become narrower since: most
  /// terminals break such lines anew.
  static func rows(of widths: [Int], columns: Int) -> Int {
    widths.reduce(0) { $0 + max(($1 + columns - 1) / columns, 1) }
  }

  /// The lines that a window with few rows shows: those in motion first, then those that follow them, then
  /// the last that are done.
  static func selection(_ lines: [TransferUpdate], rows: Int) -> [TransferUpdate] {
    guard lines.count > rows else { return lines }
    let moving = lines.filter { !$0.phase.isOver && $0.phase != .waiting }
    let waiting = lines.filter { $0.phase == .waiting }
    let over = lines.filter { $0.phase.isOver }
    var chosen = Array(moving.prefix(rows))
    chosen += waiting.prefix(rows - chosen.count)
    chosen += over.suffix(rows - chosen.count)
    return chosen.sorted { $0.index < $1.index }
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

extension TransferUpdate.Phase {
  /// Whether nothing more happens to the layer.
  var isOver: Bool {
    switch self {
    case .waiting, .downloading, .verifying, .unpacking, .uploading: false
    case .pulled, .existed, .pushed, .existedThere, .mounted: true
    }
  }
}
