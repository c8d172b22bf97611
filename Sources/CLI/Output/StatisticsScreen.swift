import Engine
import Linux

/// The table of `stats` as it is drawn on a terminal: with a bar for memory and the course of the CPU time,
/// cut to what the window can hold.
struct StatisticsScreen {
  /// How many samples a course shows.
  static let samples = 20

  private var courses: [String: [Double]] = [:]
  /// Ids of 64 digits, and names however long.
  let full: Bool

  init(full: Bool) { self.full = full }

  /// Takes in a new sample of each container.
  mutating func add(_ figures: [StatisticsFigures]) {
    var kept: [String: [Double]] = [:]
    for figure in figures {
      var course = courses[figure.id] ?? []
      course.append(figure.cpuPercent)
      if course.count > StatisticsScreen.samples { course.removeFirst() }
      kept[figure.id] = course
    }
    courses = kept
  }

  /// The table as lines, no longer and no more than the window takes.
  func lines(_ figures: [StatisticsFigures], in size: TerminalSize) -> [String] {
    let rows = size.rows == 0 ? 24 : Int(size.rows)
    let columns = size.columns == 0 ? 80 : Int(size.columns)
    // The cursor stands below the last line, and one line may say how many more there are.
    let room = max(1, rows - 2)
    let shown = figures.count <= room ? figures : Array(figures.prefix(max(1, room - 1)))
    var table: [String] = []
    for layout in Layout.all {
      table = self.table(shown, layout)
      if table.allSatisfy({ $0.count <= columns }) { break }
    }
    if shown.count < figures.count { table.append("… \(figures.count - shown.count) more") }
    return table.map { $0.count <= columns ? $0 : $0.prefix(max(0, columns - 1)) + "…" }
  }

  /// Lines as bytes for the terminal: drawn over what is there, the rest of the window cleared.
  static func frame(_ lines: [String]) -> String {
    "\u{1b}[H" + lines.map { $0 + "\u{1b}[K\n" }.joined() + "\u{1b}[J"
  }

  /// What the table has, in characters.
  private struct Layout {
    var course = 0
    var bar = 0
    /// Columns as wide as their values become, so that they stand still while the figures change.
    var isStill = false
    var hasID = true

    /// From the widest on: what is only nice to have goes first when the window is narrow.
    static let all = [
      Layout(course: StatisticsScreen.samples, bar: 10, isStill: true),
      Layout(course: 10, bar: 10, isStill: true), Layout(course: 10, isStill: true),
      Layout(course: 10), Layout(), Layout(hasID: false),
    ]
  }

  private func table(_ figures: [StatisticsFigures], _ layout: Layout) -> [String] {
    var headings: [(text: String, least: Int)] = []
    if layout.hasID { headings.append(("CONTAINER ID", 12)) }
    headings += [("NAME", 4), ("CPU %", 7)]
    if layout.course > 0 { headings.append(("", layout.course)) }
    headings += [("MEM USAGE / LIMIT", 20), ("MEM %", 6)]
    if layout.bar > 0 { headings.append(("", layout.bar + 2)) }
    headings += [("NET I/O", 15), ("BLOCK I/O", 15), ("PIDS", 4)]
    let rows = [headings.map(\.text)] + figures.map { row($0, layout) }
    return StatisticsScreen.align(
      rows, least: headings.map { layout.isStill ? $0.least : 0 })
  }

  private func row(_ figures: StatisticsFigures, _ layout: Layout) -> [String] {
    let document = figures.document(full: full)
    func text(_ key: String) -> String {
      if case .string(let text)? = document[key] { return text }
      return ""
    }
    let name = text("Name")
    var row = layout.hasID ? [text("ID")] : []
    row += [full || name.count <= 30 ? name : name.prefix(29) + "…", text("CPUPerc")]
    if layout.course > 0 {
      row.append(StatisticsScreen.course(courses[figures.id] ?? [], width: layout.course))
    }
    row += [text("MemUsage"), text("MemPerc")]
    if layout.bar > 0 {
      row.append(StatisticsScreen.bar(figures.memoryPercent / 100, width: layout.bar))
    }
    return row + [text("NetIO"), text("BlockIO"), text("PIDs")]
  }

  private static func align(_ rows: [[String]], least: [Int]) -> [String] {
    var widths = least
    for row in rows {
      for (index, cell) in row.enumerated() { widths[index] = max(widths[index], cell.count) }
    }
    return rows.map { row in
      var line = ""
      for (index, cell) in row.enumerated() {
        line += cell
        if index + 1 < row.count {
          line += String(repeating: " ", count: widths[index] - cell.count + 2)
        }
      }
      return line
    }
  }

  /// The last values as a row of small columns; one processor, or the highest value when that is more, is
  /// the full height.
  static func course(_ values: [Double], width: Int) -> String {
    let levels = Array("▁▂▃▄▅▆▇█")
    let values = values.suffix(width)
    let top = max(100, values.max() ?? 0)
    let text = values.map { value in
      let level = Int((max(0, value) / top * Double(levels.count - 1)).rounded())
      return levels[min(levels.count - 1, level)]
    }
    return String(repeating: " ", count: width - values.count) + String(text)
  }

  /// A bar that is full at 1, in steps of an eighth of a character.
  static func bar(_ share: Double, width: Int) -> String {
    let parts = Array(" ▏▎▍▌▋▊▉")
    let eighths = Int((min(1, max(0, share)) * Double(width * 8)).rounded())
    var text = String(repeating: "█", count: eighths / 8)
    if eighths % 8 > 0 { text.append(parts[eighths % 8]) }
    return "[" + text + String(repeating: " ", count: width - text.count) + "]"
  }
}
