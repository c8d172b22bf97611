import Image
import Linux

/// All that is known of a container for ``ContainerExplainer``, gathered once; what is concluded from it are
/// pure functions.
struct Evidence {
  var record = ContainerRecord()
  var state = ContainerState()
  /// The first process of the run that is over, in the host's numbering; 0 when unknown.
  var pid: Int32 = 0
  var policy = RestartPolicy()
  var health = HealthOptions()
  /// Seconds that `stop` waits.
  var stopTimeout = 10
  /// Whether a user has stopped it.
  var isStopped = false
  /// Signals of the last run, oldest first.
  var notes: [SignalNotes.Note] = []
  /// Messages of the kernel from the time of the last run.
  var kernel: [KernelLog.Line] = []
  /// The root file system of a container that does not run.
  var tree = ContainerTree(layers: [])
  /// The last lines that it printed, oldest first.
  var output: [String] = []
  var outputIsErrors = false

  init() {}

  init(_ store: ContainerStore, _ record: ContainerRecord) {
    self.record = record
    state = store.state(of: record)
    let options = store.options(of: record)
    policy = options.restart
    health = options.health.resolved
    stopTimeout = options.stopTimeout ?? 10
    isStopped = store.isStopped(record.id)
    if let bytes = (try? Files.read(store.directory(record.id) + "/status")) ?? nil {
      pid = StatusFile(FieldText(parsing: bytes)).pid
    }
    if record.hasHealthTest { state.health = store.health(of: record.id) }
    let started = state.started ?? record.created
    notes = SignalNotes(store).list(record.id).filter { $0.time >= started }
    let log = LogFormat.directory(of: store.directory(record.id))
    takeOutput(log)
    guard !state.status.isActive else { return }
    takeKernelLog(started)
    tree = ContainerTree(store, record, options)
  }

  // The kernel counts from the boot; the clocks may differ by a little.
  private mutating func takeKernelLog(_ started: Timestamp) {
    let boot = Timestamp.now.nanoseconds - Int64(Timestamp.monotonic)
    let slack: Int64 = 3_000_000_000
    let from = started.nanoseconds - boot - slack
    let to = (state.finished ?? .now).nanoseconds - boot + slack
    kernel = KernelLog.lines { line in
      let moment = Int64(clamping: line.microseconds &* 1000)
      return moment >= from && moment <= to && KernelEvidence.isTelling(line.text)
    }
  }

  private mutating func takeOutput(_ directory: String) {
    guard Files.exists(directory) else { return }
    // A container with a terminal has one stream; any other's errors say more than its output.
    let errors = LogLines.last(5, of: .errors, in: directory)
    outputIsErrors = !errors.isEmpty
    output = errors.isEmpty ? LogLines.last(5, of: .output, in: directory) : errors
  }

  var name: String { record.name }

  /// The last signal of this number that minidock has sent.
  func note(of signal: Int32) -> SignalNotes.Note? { notes.last { $0.signal == signal } }

  /// Whether the command was started at all in the last attempt.
  var wasStarted: Bool { state.started != nil && !(125...127).contains(startFailure) }

  /// The exit status of an attempt that has not come as far as the command: 125 to 127; 0 otherwise.
  var startFailure: Int32 {
    (125...127).contains(state.exitCode) && !state.error.isEmpty ? state.exitCode : 0
  }
}

/// The last lines of one stream of a container's log.
enum LogLines {
  /// At most `count` lines, oldest first, each cut to 2000 characters.
  static func last(_ count: Int, of stream: LogFormat.Stream, in directory: String) -> [String] {
    // The lines of both streams are counted together, so some more are looked at.
    var reader = LogReader(directory: directory, lines: 400)
    var bytes: [UInt8] = []
    while let piece = reader.next() {
      guard piece.entry.stream == stream else { continue }
      let length = min(piece.entry.length, 64 << 10)
      var space = [UInt8](repeating: 0, count: length)
      let (file, place) = (piece.file, piece.entry.offset + Int64(piece.entry.length - length))
      let got = try? space.withMutableBytes { (space) throws(Failure) in
        try FileBytes.read(file, into: space, at: place)
      }
      bytes += space.prefix(got ?? 0)
      if bytes.count > 128 << 10 { bytes.removeFirst(bytes.count - (64 << 10)) }
    }
    return bytes.split(whereSeparator: { $0 == 10 || $0 == 13 }).suffix(count).map {
      String(decoding: $0.prefix(2000), as: UTF8.self)
    }
  }
}
