import Linux

/// Follows a process that this one has started in a container, without a terminal: relays the three
/// streams, passes signals on and waits for the end.
struct ExecSession: ~Copyable {
  private let child: Child
  private var streams: StandardStreams
  private let signals: SignalReader

  init(
    child: consuming Child, streams: consuming StandardStreams, signals: consuming SignalReader
  ) {
    self.child = child
    self.streams = streams
    self.signals = signals
  }

  /// Runs until the process has ended and its last byte has been passed on.
  mutating func run() throws(Failure) -> ExitStatus {
    var status: ExitStatus?
    while true {
      if let status, streams.isDrained { return status }
      var watched = streams.interests
      watched.append(Watch(signals.descriptor.raw))
      if status == nil { watched.append(Watch(child.handle.raw)) }
      // What it left running may hold its output open, which docker waits for in vain. But what it has
      // printed itself a slow reader must get.
      let isAnything = try Watch.wait(&watched, milliseconds: status == nil ? -1 : 100)
      if let status, !isAnything, !streams.hasBacklog { return status }
      streams.pump()
      while let (signal, _) = signals.next() {
        if let status, signal != Signal.windowChange { return status }
        Processes.signal(child.handle, signal)
      }
      if status == nil {
        status = try Processes.wait(pidfd: child.handle, hang: false)
        // Nobody reads the input any more.
        if status != nil { streams.closeInput() }
      }
    }
  }
}

/// The same with a terminal of the container's.
struct ExecTerminalSession: ~Copyable {
  private let child: Child
  private let master: Descriptor
  private var input: ClientInput
  private let signals: SignalReader

  init(
    child: consuming Child, master: consuming Descriptor, isInteractive: Bool, keys: DetachKeys,
    signals: consuming SignalReader
  ) throws(Failure) {
    self.child = child
    let copy = try master.duplicate()
    self.master = master
    input = ClientInput(terminal: copy, isInteractive: isInteractive, keys: keys)
    self.signals = signals
  }

  /// Runs until the process has ended; nil when the user has left by the detach keys, or the user's terminal
  /// has gone.
  mutating func run() throws(Failure) -> ExitStatus? {
    var isOpen = true
    while true {
      var watched = [
        Watch(child.handle.raw), Watch(signals.descriptor.raw), Watch(isOpen ? master.raw : -1),
      ]
      if let interest = input.interest { watched.append(interest) }
      try Watch.wait(&watched)
      if isOpen { isOpen = copyOutput() }
      switch input.pump() {
      case .nothing: break
      case .detachKeys:
        Console.errorRaw("\r\nread escape sequence\r\n")
        return nil
      case .hangUp: return nil
      }
      while let (signal, _) = signals.next() {
        if signal == Signal.windowChange {
          input.copySize()
        } else if signal == Signal.hangup {
          return nil
        } else {
          Processes.signal(child.handle, signal)
        }
      }
      if let status = try Processes.wait(pidfd: child.handle, hang: false) {
        while isOpen && Watch.hasInput(master.raw) { isOpen = copyOutput() }
        return status
      }
    }
  }

  // False at the end of the terminal: its last user has gone.
  private func copyOutput() -> Bool {
    guard Watch.hasInput(master.raw) else { return true }
    guard let bytes = try? readSome(master.raw, limit: 32 << 10), !bytes.isEmpty else {
      return false
    }
    return (try? bytes.withBytes { (bytes) throws(Failure) in try writeAll(1, bytes) }) != nil
  }
}

/// The process's standard streams and the caller's ends of them.
struct StandardStreams: ~Copyable {
  private var input: StreamRelay
  private var output: StreamRelay
  private var errors: StreamRelay
  /// What the process gets as 0, 1 and 2; closed once it has them.
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

  /// Whether output is waiting for its reader.
  var hasBacklog: Bool { output.hasBacklog || errors.hasBacklog }

  mutating func pump() {
    output.pump()
    errors.pump()
    input.pump()
  }

  mutating func closeInput() { input.finish() }
}
