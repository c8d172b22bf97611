import Linux

/// A container's standard streams as its monitor holds them, and where they lead.
struct MonitorStreams: ~Copyable {
  /// What the container prints: its standard output, or all of its terminal.
  private(set) var output: OutputPump
  /// Its standard error; finished from the start with a terminal.
  private(set) var errors: OutputPump
  /// The log; nil when none is kept.
  private(set) var log: LogWriter?
  /// What feeds the container's input when that stays open without the client that started it: the
  /// writing end of a pipe, or the terminal's master; -1 for none.
  private(set) var input: Descriptor
  let isTerminal: Bool

  init(
    output: consuming OutputPump, errors: consuming OutputPump, input: consuming Descriptor,
    isTerminal: Bool, log: consuming LogWriter?
  ) {
    self.output = output
    self.errors = errors
    self.input = input
    self.isTerminal = isTerminal
    self.log = log
  }

  /// Whether the one who started the container still reads its output here.
  var hasSink: Bool { output.hasSink || errors.hasSink }

  var interests: [Watch] {
    var list: [Watch] = []
    if let interest = output.interest { list.append(interest) }
    if let interest = errors.interest { list.append(interest) }
    return list
  }

  var isDrained: Bool { output.isDrained && errors.isDrained }

  mutating func pump() {
    log?.stream = .output
    output.pump(&log)
    log?.stream = .errors
    errors.pump(&log)
  }

  /// After the container's end: what is in the pipes is all there will be.
  mutating func drain() {
    log?.stream = .output
    output.drain(&log)
    log?.stream = .errors
    errors.drain(&log)
  }

  /// The client is there, but does not read one of the streams any more: the command is told as in a
  /// pipeline.
  mutating func closeBroken() {
    if output.isSinkBroken && !isTerminal { output.closeSource() }
    if errors.isSinkBroken && !isTerminal { errors.closeSource() }
  }

  /// The client has gone: the output is logged from now on, if that was not ruled out.
  mutating func dropSinks(log makeLog: () -> LogWriter?) {
    output.dropSink()
    errors.dropSink()
    if log == nil { log = makeLog() }
  }

  /// Lets go of the input: the command reads its end, unless a client holds another copy.
  mutating func closeInput() { input = Descriptor(owning: -1) }
}

extension LogWriter {
  /// The log of a container, unless it keeps none or its folder cannot be written.
  static func open(_ store: ContainerStore, _ id: String, _ options: LogOptions) -> LogWriter? {
    guard options.isOn else { return nil }
    return try? LogWriter(
      directory: LogFormat.directory(of: store.directory(id)), options: options)
  }
}
