import Linux
import Runtime

/// Forks a container's monitor, which starts the container. This process must have no thread.
enum MonitorLaunch {
  /// Returns when the command runs; the monitor goes on by itself.
  ///
  /// - Returns: the trace's lines.
  static func detached(_ runner: consuming ContainerRunner) throws(Failure) -> [String] {
    var plan = MonitorPlan()
    plan.isDetached = true
    let channel = try fork(runner, plan)
    return try waitForStart(channel).trace
  }

  /// Follows the container to its end, or until the user leaves by the detach keys.
  ///
  /// - Parameter interactive: passes this process's input on.
  /// - Returns: the command's exit status; 0 after the detach keys.
  static func attached(
    _ runner: consuming ContainerRunner, interactive: Bool, signalProxy: Bool, detachKeys: String,
    report: ([String]) -> Void
  ) throws(Failure) -> Int32 {
    ThisProcess.handle(Signal.pipe, ignoring: true)
    let keys = try DetachKeys(detachKeys)
    let isTerminal = runner.options.terminal
    // Before the fork, so that nothing sent to this process meanwhile is lost.
    let signals = try SignalReader(Signals.catchable)
    var plan = MonitorPlan()
    var reader: Descriptor?
    var writer: Descriptor?
    if interactive && !isTerminal {
      let ends = try Descriptor.pipe()
      plan.input = ends.read.raw
      let read = ends.read
      let write = ends.write
      reader = consume read
      writer = consume write
    }
    let channel = try fork(runner, plan)
    // Only the container may hold the reading end: its end must be noticed.
    _ = reader.take()
    var start = try waitForStart(channel)
    report(start.trace)
    let process = start.process
    var session = ClientSession(
      process: process, monitor: channel,
      input: isTerminal
        ? ClientInput(terminal: start.master.take(), isInteractive: interactive, keys: keys)
        : ClientInput(pipe: writer),
      output: .none, signals: signals, proxiesSignals: signalProxy)
    // A monitor whose container has ended at once may be gone: what it said is there.
    if isTerminal { try? session.tellReady() }
    return try session.run()
  }

  private static func fork(
    _ runner: consuming ContainerRunner, _ plan: MonitorPlan
  ) throws(Failure) -> MessageSocket {
    let pair = try MessageSocket.pair()
    let near = pair.near
    let far = pair.far
    let farNumber = far.descriptor.raw
    var moved = Optional(consume runner)
    let monitor = try Processes.fork {
      MonitorProcess.main(moved.take()!, client: MessageSocket(Descriptor(owning: farNumber)), plan)
    }
    _ = consume monitor
    _ = consume far
    return near
  }

  private static func waitForStart(
    _ channel: borrowing MessageSocket
  ) throws(Failure) -> MonitorStart {
    guard let first = try channel.receive() else { throw ClientSession.monitorGone }
    switch try MonitorMessage(first.bytes) {
    case .failed(let failure): throw failure
    case .started(let process, let trace):
      return MonitorStart(
        process: process, trace: trace,
        master: first.descriptors.first.map { Descriptor(owning: $0) })
    default: throw ClientSession.monitorGone
    }
  }
}

/// What a forked monitor has to know beside the container.
struct MonitorPlan {
  /// Nobody stays to read the output.
  var isDetached = false
  /// The reading end of a pipe for the container's input; -1 for none.
  var input: Int32 = -1
  /// Where this process can be reached already, as its container has run before; -1 for nowhere yet.
  var listener: Int32 = -1
}

/// A container whose command runs, as its client sees it.
struct MonitorStart: ~Copyable {
  let process: ProcessIdentity
  let trace: [String]
  /// The master of its terminal.
  var master: Descriptor?
}
