import Linux

/// The container's parent while it runs in the foreground without a terminal: relays the three streams,
/// passes signals on and waits for the end.
struct ForegroundMonitor: ~Copyable {
  private let child: Child
  private var streams: StandardStreams
  private let signals: SignalReader
  private let proxiesSignals: Bool

  /// Docker's `--sig-proxy` passes on every signal that can be caught but these: the job-control
  /// bookkeeping of this process, and faults of its own.
  static let proxied = Signals.catchable

  init(
    child: consuming Child, streams: consuming StandardStreams, signals: consuming SignalReader,
    proxiesSignals: Bool
  ) {
    self.child = child
    self.streams = streams
    self.signals = signals
    self.proxiesSignals = proxiesSignals
  }

  /// Runs until the container has ended and its last byte has been passed on.
  mutating func run() throws(Failure) -> ExitStatus {
    var status: ExitStatus?
    while true {
      if status != nil && streams.isDrained { break }
      var watched = streams.interests
      watched.append(Watch(signals.descriptor.raw))
      if status == nil { watched.append(Watch(child.handle.raw)) }
      try Watch.wait(&watched)
      streams.pump()
      passSignals()
      if status == nil {
        status = try Processes.wait(pidfd: child.handle, hang: false)
        // Nobody reads the input any more.
        if status != nil { streams.closeInput() }
      }
    }
    return status!
  }

  private func passSignals() {
    while let (signal, _) = signals.next() {
      if proxiesSignals { Processes.signal(child.handle, signal) }
    }
  }
}

/// The container's standard streams and the caller's ends of them.
struct StandardStreams: ~Copyable {
  private var input: StreamRelay
  private var output: StreamRelay
  private var errors: StreamRelay
  /// What the container's process gets as 0, 1 and 2; closed once it has them.
  private var given: [Int32]

  /// Makes the pipes; without `interactive` the input is /dev/null.
  init(interactive: Bool) throws(Failure) {
    let out = try Descriptor.pipe()
    let err = try Descriptor.pipe()
    var given: [Int32] = []
    if interactive {
      let pipe = try Descriptor.pipe()
      given.append(pipe.read.release())
      input = StreamRelay(from: 0, into: pipe.write)
    } else {
      given.append(try Descriptor.open("/dev/null", .read).release())
      input = StreamRelay.none
    }
    given.append(out.write.release())
    given.append(err.write.release())
    self.given = given
    output = StreamRelay(from: out.read, to: 1)
    errors = StreamRelay(from: err.read, to: 2)
  }

  deinit { for number in given { ThisProcess.close(number) } }

  var containerEnds: [Int32] { given }

  /// To be called once the process has its copies: the end of a stream is seen only when no other
  /// copy is open.
  mutating func closeContainerEnds() {
    for number in given { ThisProcess.close(number) }
    given = []
  }

  var interests: [Watch] {
    var list: [Watch] = []
    if let interest = output.interest { list.append(interest) }
    if let interest = errors.interest { list.append(interest) }
    if let interest = input.interest { list.append(interest) }
    return list
  }

  var isDrained: Bool { output.isFinished && errors.isFinished }

  mutating func pump() {
    output.pump()
    errors.pump()
    input.pump()
  }

  mutating func closeInput() { input.finish() }
}
