import ArgumentParser
import Engine
import Linux

struct StatsCommand: Command {
  static let configuration = CommandConfiguration(
    commandName: "stats", _superCommandName: "minidock",
    abstract: "Show what containers use, again each second.",
    discussion: """
      Example:
        minidock stats
        minidock stats --no-stream --format '{{.Name}} {{.CPUPerc}} {{.MemUsage}}'

      Without names it shows the containers that run; they come and go. CPU is what was used between two \
      samples, 100% for each processor: of the last second, or of 200 ms for the first table and with \
      --no-stream. Memory is without page cache that could be reclaimed at once. On a terminal the table \
      is redrawn in place, with the course of the last 20 seconds; Ctrl-C ends it.
      """)

  @Flag(name: [.customShort("a"), .long], help: "Show containers that do not run as well.")
  var all = false
  @Flag(help: "Show the figures once.") var noStream = false
  @Flag(help: "Do not shorten ids and names.") var noTrunc = false
  @Option(help: ArgumentHelp("table, json, or a template.", valueName: "format"))
  var format = "table"
  @Argument(help: ArgumentHelp("Names or ids.", valueName: "container")) var containers: [String] =
    []

  /// Milliseconds between the first two samples.
  static let firstInterval: Int32 = 200
  /// Milliseconds between any others.
  static let interval: Int32 = 1000

  func execute(_ context: Context) throws(Failure) -> Int32 {
    let output = try StatisticsOutput(format: format, full: noTrunc)
    let installation = try context.installation()
    context.sweep(installation)
    var meter = StatisticsMeter(
      try ContainerStatistics(installation, names: containers, all: all))
    let isLive =
      !noStream && format == "table" && Console.outputIsTerminal
      && Console.environment("TERM") != "dumb"
    if isLive { return try StatisticsDisplay(meter, full: noTrunc).run() }
    _ = try meter.next()
    pause(microseconds: UInt32(StatsCommand.firstInterval) * 1000)
    try output.print(try meter.next())
    while !noStream {
      pause(microseconds: UInt32(StatsCommand.interval) * 1000)
      try output.print(try meter.next())
    }
    return 0
  }
}

/// Turns samples into figures: each container's beside the one before.
struct StatisticsMeter {
  private var statistics: ContainerStatistics
  private var before: [String: ContainerStatistics.Sample] = [:]

  init(_ statistics: ContainerStatistics) { self.statistics = statistics }

  /// The figures since the last call.
  mutating func next() throws(Failure) -> [StatisticsFigures] {
    let samples = try statistics.sample()
    let figures = samples.map { StatisticsFigures($0, before: before[$0.id]) }
    before = [:]
    for sample in samples { before[sample.id] = sample }
    return figures
  }
}

/// `stats` as text: tables, JSON or templates, without escape codes.
struct StatisticsOutput {
  private let format: String
  private let template: Template?
  private let full: Bool

  static let columns = [
    Column("ID", "CONTAINER ID"), Column("Name", "NAME"), Column("CPUPerc", "CPU %"),
    Column("MemUsage", "MEM USAGE / LIMIT"), Column("MemPerc", "MEM %"),
    Column("NetIO", "NET I/O"), Column("BlockIO", "BLOCK I/O"), Column("PIDs", "PIDS"),
  ]

  static let headers = Dictionary(
    columns.map { ($0.field, $0.heading) } + [("Container", "CONTAINER")]
  ) { first, _ in first }

  init(format: String, full: Bool) throws(Failure) {
    self.format = format
    self.full = full
    template =
      format == "table" || format == "json"
      ? nil : try Template(format.hasPrefix("table ") ? String(format.dropFirst(6)) : format)
  }

  /// Prints one round of figures.
  func print(_ figures: [StatisticsFigures]) throws(Failure) {
    let documents = figures.map { $0.document(full: full) }
    guard let template else {
      if format == "json" {
        for document in documents { Console.print(document.compact) }
      } else {
        let rows = documents.map { document in
          StatisticsOutput.columns.map { document[$0.field]?.templateText ?? "" }
        }
        Console.printRaw(Table.text([StatisticsOutput.columns.map(\.heading)] + rows))
      }
      return
    }
    var lines: [String] = []
    for document in documents { lines.append(try template.render(document)) }
    if format.hasPrefix("table ") {
      let rows = [template.heading(StatisticsOutput.headers)] + lines
      Console.printRaw(Table.text(rows.map(Table.cells)))
    } else {
      for line in lines { Console.print(line) }
    }
  }
}

/// `stats` on a terminal, redrawn in place until a signal ends it.
struct StatisticsDisplay {
  private var meter: StatisticsMeter
  private var screen: StatisticsScreen

  init(_ meter: StatisticsMeter, full: Bool) {
    self.meter = meter
    screen = StatisticsScreen(full: full)
  }

  private static let endings = [
    Signal.interrupt, Signal.terminate, Signal.hangup, Signal.quit,
  ]
  private static let stop = Signals.number("TSTP")!

  /// Draws until it is told to end; the cursor is there again afterwards.
  ///
  /// - Returns: 0 after Ctrl-C, else 128 + the signal.
  consuming func run() throws(Failure) -> Int32 {
    let signals = try SignalReader(
      StatisticsDisplay.endings + [Signal.windowChange, StatisticsDisplay.stop])
    _ = try meter.next()
    Console.printRaw("\u{1b}[?25l\u{1b}[2J")
    defer { Console.printRaw("\u{1b}[?25h") }
    var figures: [StatisticsFigures] = []
    var due = Timestamp.monotonic + UInt64(StatsCommand.firstInterval) * 1_000_000
    while true {
      let now = Timestamp.monotonic
      if now >= due {
        figures = try meter.next()
        screen.add(figures)
        draw(figures)
        due = max(due + UInt64(StatsCommand.interval) * 1_000_000, now + 500_000_000)
        continue
      }
      var watches = [Watch(signals.descriptor.raw)]
      try Watch.wait(&watches, milliseconds: Int32(clamping: (due - now) / 1_000_000 + 1))
      while let (signal, _) = signals.next() {
        if signal == StatisticsDisplay.stop { sleep() }
        if StatisticsDisplay.endings.contains(signal) {
          return signal == Signal.interrupt ? 0 : 128 + signal
        }
        if !figures.isEmpty { draw(figures) }
      }
    }
  }

  private func draw(_ figures: [StatisticsFigures]) {
    let size = Terminal.size(of: 1) ?? TerminalSize(rows: 24, columns: 80)
    Console.printRaw(StatisticsScreen.frame(screen.lines(figures, in: size)))
  }

  // Ctrl-Z: the shell gets its cursor while this process is stopped.
  private func sleep() {
    Console.printRaw("\u{1b}[?25h")
    if let own = ProcessIdentity(of: ThisProcess.id), let stop = Signals.number("STOP") {
      _ = try? Processes.signal(own, stop)
    }
    Console.printRaw("\u{1b}[?25l\u{1b}[2J")
  }
}
