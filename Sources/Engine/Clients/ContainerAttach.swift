import Linux

/// `minidock attach`: follows a container that somebody else has started.
public struct ContainerAttach {
  let installation: Installation
  /// `--detach-keys`; nil takes those that the container was created with.
  public var detachKeys: String?
  /// `--no-stdin` turns it off.
  public var passesInput = true
  /// `--sig-proxy`.
  public var signalProxy = true

  /// Attaching in an installation.
  public init(_ installation: Installation) { self.installation = installation }

  /// Follows the container to its end, or until the user leaves.
  ///
  /// - Returns: the command's exit status; 0 after the detach keys.
  /// - Throws: ``Failure/Code/inUse`` when it does not run or is paused; ``Failure/Code/unsupported`` when
  ///   it keeps no log to follow.
  public func attach(_ text: String) throws(Failure) -> Int32 {
    let store = ContainerStore(installation)
    let record = try store.find(text)
    let options = store.options(of: record)
    let keys = try DetachKeys(detachKeys ?? options.detachKeys)
    let state = store.state(of: record)
    guard state.status == .running, let process = state.process else {
      throw Failure(
        .inUse, "attach to", text, reason: "it is \(state.status.rawValue), not running",
        remedy: state.status == .paused
          ? "minidock unpause it first" : "minidock start -ai starts and attaches to it")
    }
    let directory = LogFormat.directory(of: store.directory(record.id))
    guard Files.exists(directory) else {
      throw Failure(
        .unsupported, "attach to", text, reason: "its output is kept nowhere",
        remedy: "a container with --log-driver none, or a foreground run --rm, has no output "
          + "to follow; give it --log-driver local")
    }
    // From here on every byte is seen: the end of the log is looked up before the monitor is asked.
    let follower = try LogFollower(directory: directory)
    guard
      let socket = try MessageSocket.connect(
        directory: installation.runs, name: store.socketName(record.id))
    else { throw ClientSession.monitorGone }
    ThisProcess.handle(Signal.pipe, ignoring: true)
    let signals = try SignalReader(Signals.catchable)
    // A monitor that is gone already answers nothing, which is said below.
    try? socket.send(MonitorMessage.attach.bytes)
    guard let answer = try socket.receive() else {
      throw Failure(.inUse, "attach to", text, reason: "it has just ended")
    }
    let descriptor = answer.descriptors.first.map { $0 } ?? -1
    let input: ClientInput
    switch try MonitorMessage(answer.bytes) {
    case .failed(let failure): throw failure
    case .exited(let code): return code
    case .attached(let isTerminal):
      input = try self.input(descriptor, isTerminal: isTerminal, keys, options)
    default: throw ClientSession.monitorGone
    }
    var session = ClientSession(
      process: process, monitor: socket, input: input, output: .log(follower), signals: signals,
      proxiesSignals: signalProxy)
    return try session.run()
  }

  private func input(
    _ descriptor: Int32, isTerminal: Bool, _ keys: DetachKeys, _ options: RunOptions
  ) throws(Failure) -> ClientInput {
    let passes = passesInput && options.interactive
    guard descriptor >= 0 else { return ClientInput(pipe: nil) }
    let owned = Descriptor(owning: descriptor)
    if isTerminal {
      // As docker: a window that changes its size has a program draw its screen anew.
      if var size = Terminal.size(of: 0) ?? Terminal.size(of: 1) {
        (size.rows, size.columns) = (size.rows &+ 1, size.columns &+ 1)
        Terminal.setSize(size, of: owned.raw)
      }
      return ClientInput(terminal: owned, isInteractive: passes, keys: keys)
    }
    return passes ? ClientInput(pipe: owned) : ClientInput(pipe: nil)
  }
}
