import Linux
import Net
import Runtime

/// The life of a container's monitor: the container's parent, which holds its streams, writes its log,
/// records its end, starts it again when its policy says so, and tests its health.
public enum MonitorProcess {
  /// The body of the forked process, which starts the container first.
  ///
  /// - Returns: the process's exit status.
  static func main(
    _ runner: consuming ContainerRunner, client: consuming MessageSocket, _ plan: MonitorPlan
  ) -> Int32 {
    // Whatever else the caller has open is none of the monitor's: it would hold pipes and locks of
    // strangers for as long as the container lives, and not notice that its client is gone.
    try? Confinement.keepOnly([0, 1, 2, client.descriptor.raw, plan.input].filter { $0 >= 0 })
    leaveUser()
    let installation = runner.installation
    installation.netfilter.keep()
    let id = runner.record.id
    let store = ContainerStore(installation)
    do throws(Failure) {
      let signals = try SignalReader(MonitorLoop.watchedSignals)
      let started = try MonitorStarter.start(&runner, store, plan)
      var loop = MonitorLoop(
        store: store, id: id, started: started, signals: signals, restarts: runner.restarts)
      let trace = runner.trace.lines
      _ = consume runner
      if plan.isDetached {
        // One that was killed meanwhile is no reason to end the container.
        try? client.send(MonitorMessage.started(loop.process, trace: trace).bytes)
        _ = consume client
        silence([0, 1, 2])
        // Nothing of the start is needed any more: a fresh process is a tenth of this one.
        MonitorHandover.execute(&loop)
      } else {
        loop.greet(client, trace: trace)
        silence([0])
      }
      return loop.run()
    } catch {
      try? client.send(MonitorMessage.failed(error).bytes)
      return 1
    }
  }

  /// `minidock monitor`: goes on after ``MonitorHandover/execute(_:)``.
  ///
  /// - Returns: the process's exit status.
  public static func resume(_ words: [String]) -> Int32 {
    ThisProcess.handle(Signal.pipe, ignoring: true)
    ThisProcess.handle(Signal.hangup, ignoring: true)
    do throws(Failure) {
      var loop = try MonitorHandover.resume(words)
      return loop.run()
    } catch {
      Console.error("minidock: \(error)")
      return 125
    }
  }

  // The user's terminal must not reach this process, nor its end end it.
  private static func leaveUser() {
    ThisProcess.leadSession()
    ThisProcess.handle(Signal.hangup, ignoring: true)
    ThisProcess.handle(Signal.pipe, ignoring: true)
    try? ThisProcess.changeDirectory("/")
  }

  /// Lets standard streams lead nowhere.
  static func silence(_ numbers: [Int32]) {
    guard let null = try? Descriptor.open("/dev/null", .readWrite) else { return }
    for number in numbers { try? ThisProcess.place(null.raw, at: number) }
  }
}

/// A container that its monitor has just started.
struct MonitoredContainer: ~Copyable {
  var container: StartedContainer
  var streams: MonitorStreams
  var listener: ListeningSocket
}

/// Starts a container with streams that its monitor keeps.
enum MonitorStarter {
  /// - Throws: what kept the container from running; ``Failure/Code/exists`` when it runs already.
  static func start(
    _ runner: inout ContainerRunner, _ store: ContainerStore, _ plan: MonitorPlan
  ) throws(Failure) -> MonitoredContainer {
    let id = runner.record.id
    // A container that exists can be started by several at once, removed, renamed.
    var lock: FileLock?
    if !runner.isNew {
      lock = try settledLock(store, id, isRestart: runner.isRestart)
      guard let record = try store.read(id) else {
        throw Failure(
          .notFound, "start container", runner.record.name, reason: "it has just been removed")
      }
      let state = store.state(of: record)
      guard state.status.canStart || runner.isRestart else {
        throw Failure(
          .exists, "start container", record.name, reason: "it is \(state.status.rawValue) already")
      }
      runner.record.name = record.name
    }
    var ends = try ContainerEnds(runner.options, plan)
    let listener = try listen(store, id, plan)
    var container: StartedContainer
    do throws(Failure) { container = try runner.start(stdio: ends.given) } catch {
      // Only what was made here: a start that comes too late must not take a running container's.
      if plan.listener < 0 { try? Files.remove(socketPath(store, id)) }
      throw error
    }
    _ = consume lock
    ends.close()
    let sink: (Int32) -> Int32 = { plan.isDetached ? -1 : $0 }
    let log = LogWriter.open(store, id, runner.options.log)
    let streams: MonitorStreams
    if let master = container.terminal.take() {
      let copy = try master.duplicate()
      streams = MonitorStreams(
        output: OutputPump(source: copy, sink: sink(1)), errors: .none, input: master,
        isTerminal: true, log: log)
    } else {
      streams = MonitorStreams(
        output: OutputPump(source: ends.output.take()!, sink: sink(1)),
        errors: OutputPump(source: ends.errors.take()!, sink: sink(2)),
        input: ends.input.take() ?? Descriptor(owning: -1),
        isTerminal: false, log: log)
    }
    return MonitoredContainer(container: container, streams: streams, listener: listener)
  }
}

extension MonitorStarter {
  // A monitor stays reachable while its container is started again: who waits goes on waiting.
  private static func listen(
    _ store: ContainerStore, _ id: String, _ plan: MonitorPlan
  ) throws(Failure) -> ListeningSocket {
    if plan.listener >= 0 { return ListeningSocket(try Descriptor.duplicate(of: plan.listener)) }
    // Announced before it is there: a sweep must not take it for a leftover.
    try store.announce(id, by: ProcessIdentity(of: ThisProcess.id))
    return try ListeningSocket(directory: store.installation.runs, name: store.socketName(id))
  }

  private static func socketPath(_ store: ContainerStore, _ id: String) -> String {
    store.installation.runs + "/" + store.socketName(id)
  }

  /// The lock of a container, once the monitor of its last run has written down the end.
  private static func settledLock(
    _ store: ContainerStore, _ id: String, isRestart: Bool
  ) throws(Failure) -> FileLock {
    for _ in 0..<2000 {
      let lock = try store.lock(id)
      if isRestart || !isBetweenSteps(store, id) { return lock }
      _ = consume lock
      pause(microseconds: 2000)
    }
    throw Failure(
      .inUse, "start container", String(id.prefix(12)),
      reason: "its monitor neither starts it nor writes down its end",
      remedy: "minidock rm -f removes the container")
  }

  // Whether it has ended and its monitor is about to write that down, or `run` has made its record and is
  // about to start it.
  private static func isBetweenSteps(_ store: ContainerStore, _ id: String) -> Bool {
    if let run = store.runFile(of: id) {
      return run.monitor?.isAlive == true && run.process?.isAlive != true && !run.isRestarting
    }
    guard let record = try? store.read(id), store.state(of: record).status == .created else {
      return false
    }
    return store.mayBeAlive(id)
  }
}

/// The pipes of a container without a terminal, both ends of each.
private struct ContainerEnds: ~Copyable {
  /// What the container gets as 0, 1 and 2.
  private(set) var given: [Int32] = []
  var input: Descriptor?
  var output: Descriptor?
  var errors: Descriptor?

  init(_ options: RunOptions, _ plan: MonitorPlan) throws(Failure) {
    if options.terminal {
      let null = try Descriptor.open("/dev/null", .readWrite).release()
      given = [null, null, null]
      return
    }
    if plan.input >= 0 {
      given.append(plan.input)
    } else if options.interactive && plan.isDetached {
      let pipe = try Descriptor.pipe()
      let writer = pipe.write
      given.append(pipe.read.release())
      input = consume writer
    } else {
      given.append(try Descriptor.open("/dev/null", .read).release())
    }
    let out = try Descriptor.pipe()
    let outReader = out.read
    given.append(out.write.release())
    output = consume outReader
    let err = try Descriptor.pipe()
    let errReader = err.read
    given.append(err.write.release())
    errors = consume errReader
  }

  /// To be called once the container has its copies: the end of a stream is seen only when no other
  /// copy is open.
  mutating func close() {
    for number in Set(given) { ThisProcess.close(number) }
    given = []
  }

  // A start that failed is tried again by the same process, for ever.
  deinit { for number in Set(given) { ThisProcess.close(number) } }
}
