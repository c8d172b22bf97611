import Linux

/// A process at a user's terminal or in a script that follows a container whose monitor is another
/// process: passes input and signals on, prints, and ends with the command's exit status.
struct ClientSession: ~Copyable {
  private let process: ProcessIdentity
  private let monitor: MessageSocket
  private var input: ClientInput
  private var output: ClientOutput
  private let signals: SignalReader
  private let proxiesSignals: Bool

  /// - Parameters:
  ///   - process: the container's first process, which gets the signals.
  ///   - monitor: tells the end.
  init(
    process: ProcessIdentity, monitor: consuming MessageSocket, input: consuming ClientInput,
    output: consuming ClientOutput, signals: consuming SignalReader, proxiesSignals: Bool
  ) {
    self.process = process
    self.monitor = monitor
    self.input = input
    self.output = output
    self.signals = signals
    self.proxiesSignals = proxiesSignals
  }

  static let monitorGone = Failure(
    .system, "run container", reason: "its monitor ended unexpectedly",
    remedy: "minidock ps -a shows what became of it")

  /// Tells the monitor that this side's terminal is set up.
  func tellReady() throws(Failure) { try monitor.send(MonitorMessage.ready.bytes) }

  /// Follows the container to its end, or until the user leaves.
  ///
  /// - Returns: the command's exit status; 0 after the detach keys; 129 when the user's terminal has gone.
  mutating func run() throws(Failure) -> Int32 {
    while true {
      var watches = [Watch(monitor.descriptor.raw), Watch(signals.descriptor.raw)]
      if let interest = input.interest { watches.append(interest) }
      if let interest = output.interest { watches.append(interest) }
      try Watch.wait(&watches)
      try output.pump()
      switch input.pump() {
      case .nothing: break
      case .detachKeys: return leave()
      case .hangUp: return hangUp()
      }
      if passSignals() { return hangUp() }
      if watches[0].isReady, let code = try end() {
        try output.pump()
        return code
      }
    }
  }

  private func end() throws(Failure) -> Int32? {
    // A monitor that ends with something of this side's unread resets the connection, and the kernel
    // reports that once (as no message) before it hands out what was sent earlier (unix(7)).
    var message = try monitor.receive()
    if message == nil { message = try monitor.receive() }
    guard let last = message else { throw ClientSession.monitorGone }
    switch try MonitorMessage(last.bytes) {
    case .exited(let code): return code
    case .failed(let failure): throw failure
    default: return nil
    }
  }

  // The monitor answers by closing the connection: until then it may still print here.
  private func leave() -> Int32 {
    try? monitor.send(MonitorMessage.leave.bytes)
    var closed = [Watch(monitor.descriptor.raw)]
    _ = try? Watch.wait(&closed, milliseconds: 1000)
    Console.errorRaw("\r\nread escape sequence\r\n")
    return 0
  }

  // As with docker a container with a terminal goes on without its user's.
  private func hangUp() -> Int32 {
    try? monitor.send(MonitorMessage.leave.bytes)
    return 128 + Signal.hangup
  }

  // True when the user's terminal has gone.
  private func passSignals() -> Bool {
    while let (signal, _) = signals.next() {
      if signal == Signal.windowChange && input.hasTerminal {
        input.copySize()
      } else if signal == Signal.hangup && input.hasTerminal {
        return true
      } else if proxiesSignals {
        _ = try? Processes.signal(process, signal)
      }
    }
    return false
  }
}
