import Linux
import Net
import Runtime

/// What a monitor does while its container lives: waits for whatever happens and serves it. One thread,
/// no call that waits for anybody.
struct MonitorLoop: ~Copyable {
  let store: ContainerStore
  let id: String
  /// The container's first process, by pidfd; -1 between two runs.
  var child: Descriptor
  let pid: Int32
  /// When the command was started, by the host's clock, which may jump.
  var started = Timestamp.now
  /// The same by the clock that never does.
  var startedMonotonic = Timestamp.monotonic
  var streams: MonitorStreams
  let listener: ListeningSocket
  let signals: SignalReader
  /// The process that started the container and still follows it.
  var client: MonitorConnection?
  /// Whether output may go to the client: its terminal is set up.
  var isClientReady = true
  var connections: [MonitorConnection] = []
  var health: HealthMonitor
  /// The host's ports that lead to the container, held as long as it lives.
  var reservations: PortReservations?
  /// Carries on what the host's own programs begin at [::1] and one of these ports.
  var relay: LoopbackRelay?
  /// Answers the container's questions for names; nil where it has no network with names.
  var names: NameServer?
  /// How often the restart policy has started the container.
  var restarts = 0
  /// How many of these came after less than ten seconds.
  var quickRestarts = 0
  /// When it is started again, by the clock that never jumps.
  var restartAt: UInt64?
  /// When a command that was asked to end is killed, likewise.
  var killAt: UInt64?
  /// Whether this process was asked to end: the container is not started again.
  var isLeaving = false
  /// The exit status that the client is told once it has taken all output.
  var owed: Int32?
  /// How the container ended for good.
  var end: StatusFile?

  /// What a monitor is told by signals: to stop its container and end.
  static let watchedSignals = [Signal.terminate, Signal.interrupt, Signal.quit]

  init(
    store: ContainerStore, id: String, child: consuming Child, streams: consuming MonitorStreams,
    listener: consuming ListeningSocket, signals: consuming SignalReader
  ) {
    self.store = store
    self.id = id
    pid = child.pid
    self.child = child.handle
    self.streams = streams
    self.listener = listener
    self.signals = signals
    health = HealthMonitor(store: store, id: id)
  }

  init(
    store: ContainerStore, id: String, started: consuming MonitoredContainer,
    signals: consuming SignalReader, restarts: Int
  ) {
    let since = started.container.started
    let reservations = started.container.reservations
    self.init(
      store: store, id: id, child: started.container.child, streams: started.streams,
      listener: started.listener, signals: signals)
    self.started = since
    self.restarts = restarts
    hold(reservations)
    if let sockets = started.container.names { serveNames(on: sockets) }
  }

  var hasChild: Bool { child.raw >= 0 }

  /// The container's first process for its client.
  var process: ProcessIdentity {
    // A command that has ended already has no identity any more; nobody can signal it either.
    ProcessIdentity(of: pid) ?? ProcessIdentity(pid: pid, startTime: 0)
  }

  /// The descriptors that a handover keeps.
  var descriptors: [(String, Int32)] {
    [
      ("child", child.raw), ("output", streams.output.sourceNumber),
      ("errors", streams.errors.sourceNumber), ("input", streams.input.raw),
      ("listener", listener.descriptor.raw),
      ("name-datagrams", names?.descriptors.datagrams ?? -1),
      ("name-listener", names?.descriptors.listener ?? -1),
    ]
  }

  /// Runs until the container has ended for good and everybody has been told.
  ///
  /// - Returns: the process's exit status.
  mutating func run() -> Int32 {
    health.begin(started: startedMonotonic)
    while true {
      var watches = interests()
      _ = try? Watch.wait(&watches, milliseconds: timeout())
      if isClientReady { streams.pump() }
      serveClient()
      settleClient()
      serveConnections()
      takeSignals()
      testHealth()
      names?.serve()
      relay?.serve()
      reap()
      restartWhenDue()
      if isOver() {
        store.installation.netfilter.settle()
        return 0
      }
    }
  }

  private func interests() -> [Watch] {
    var watches = isClientReady ? streams.interests : []
    watches.append(Watch(listener.descriptor.raw))
    watches.append(Watch(signals.descriptor.raw))
    watches.append(Watch(child.raw))
    if let client { watches.append(Watch(client.socket.descriptor.raw)) }
    for connection in connections { watches.append(Watch(connection.socket.descriptor.raw)) }
    watches += health.interests
    if let names { watches += names.interests }
    if let relay { watches += relay.interests }
    return watches
  }

  private func timeout() -> Int32 {
    var due: UInt64?
    for moment in [owed == nil ? restartAt : nil, killAt, health.due, names?.due, relay?.due] {
      guard let moment else { continue }
      due = min(due ?? moment, moment)
    }
    guard let due else { return -1 }
    let now = Timestamp.monotonic
    return due <= now ? 0 : Int32(clamping: (due - now) / 1_000_000 + 1)
  }

  // MARK: - The end of the command

  private mutating func reap() {
    guard hasChild else { return }
    if let killAt, killAt <= Timestamp.monotonic {
      Processes.signal(child, Signal.kill)
      self.killAt = nil
    }
    guard let exit = (try? Processes.wait(pidfd: child, hang: false)) ?? nil else { return }
    // All who could print have ended with it: what is in the pipes is all there will be.
    streams.drain()
    streams.closeInput()
    child = Descriptor(owning: -1)
    killAt = nil
    health.end()
    // Its sockets would keep the network namespace.
    names = nil
    relay?.end()
    settle(exit)
  }

  private mutating func settle(_ exit: ExitStatus) {
    guard let record = try? store.read(id) else {
      // Somebody has removed its directory by hand.
      var status = StatusFile()
      status.exitCode = exit.code
      return finish(status)
    }
    let ending = ContainerEnd(
      installation: store.installation, record: record, started: started, restarts: restarts)
    var status = ending.status(exit)
    if let action = health.tookAction { status.error = action }
    ending.announce(status)
    decide(status, record, ending)
  }

  /// Starts the container again later, or records its end.
  mutating func decide(_ status: StatusFile, _ record: ContainerRecord, _ ending: ContainerEnd) {
    let policy = store.options(of: record).restart
    let isStopped = store.isStopped(id) || isLeaving
    let ranWell = Timestamp.monotonic - startedMonotonic >= 10_000_000_000
    if ranWell { quickRestarts = 0 }
    let restart =
      health.asksForRestart && !isStopped
      || policy.restarts(exitCode: status.exitCode, restarts: restarts, stopped: isStopped)
    guard restart else {
      ending.finish(status)
      finish(status)
      return
    }
    try? store.write(status, of: id)
    var run = store.runFile(of: id) ?? RunFile()
    run.isRestarting = true
    run.process = nil
    try? store.write(run, of: id)
    let delay = RestartPolicy.delay(afterQuickRestarts: quickRestarts)
    restartAt = Timestamp.monotonic + UInt64(delay) * 1_000_000
    owed = status.exitCode
    settleClient()
  }

  // Whoever waits for the end is told at once; only the one who reads the output here has to take it first.
  private mutating func finish(_ status: StatusFile) {
    end = status
    owed = status.exitCode
    for connection in connections where connection.waits {
      connection.send(.exited(status.exitCode))
    }
    connections = []
    settleClient()
  }

  // Tells the one who started the container that this run is over. One that reads slowly gets everything
  // first.
  private mutating func settleClient() {
    guard let owed, client == nil || streams.isDrained else { return }
    self.owed = nil
    guard let client else { return }
    client.send(.exited(owed))
    self.client = nil
    isClientReady = true
    streams.dropSinks { nil }
    // What reads the client's output must see its end, although the container may run again.
    MonitorProcess.silence([1, 2])
  }

  private func isOver() -> Bool { end != nil && owed == nil }

  // MARK: - Starting again

  private mutating func restartWhenDue() {
    guard let restartAt else { return }
    if isLeaving || store.isStopped(id) { return giveUp() }
    guard owed == nil, restartAt <= Timestamp.monotonic else { return }
    self.restartAt = nil
    do throws(Failure) {
      guard var runner = try ContainerStart.runner(store, id) else {
        return finish(StatusFile())
      }
      runner.restarts = restarts + 1
      runner.isRestart = true
      runner.reservations = reservations
      // Should the start fail, the ports are free for others.
      hold(nil)
      var plan = MonitorPlan()
      plan.isDetached = true
      plan.listener = listener.descriptor.raw
      try begin(try MonitorStarter.start(&runner, store, plan))
    } catch {
      failedToStart(error)
    }
  }

  private mutating func begin(_ started: consuming MonitoredContainer) throws(Failure) {
    restarts += 1
    quickRestarts += 1
    self.started = started.container.started
    var next = MonitorLoop(
      store: store, id: id, child: started.container.child, streams: started.streams,
      listener: started.listener,
      signals: SignalReader(adopting: try signals.descriptor.duplicate()))
    next.started = self.started
    next.restarts = restarts
    next.hold(started.container.reservations)
    next.quickRestarts = quickRestarts
    next.connections = connections
    if let sockets = started.container.names { next.serveNames(on: sockets) }
    self = next
    if connections.isEmpty { MonitorHandover.execute(&self) }
    health.begin(started: startedMonotonic)
  }

  private mutating func failedToStart(_ failure: Failure) {
    guard let record = try? store.read(id) else { return finish(StatusFile()) }
    restarts += 1
    quickRestarts += 1
    // The time that it waited is none that it ran.
    startedMonotonic = Timestamp.monotonic
    var status = StatusFile()
    status.started = started
    status.finished = .now
    status.exitCode = failure.exitCode
    status.error = failure.description
    status.restarts = restarts
    let ending = ContainerEnd(
      installation: store.installation, record: record, started: started, restarts: restarts)
    decide(status, record, ending)
  }

  // Stopped while it waited to be started again.
  private mutating func giveUp() {
    restartAt = nil
    guard let record = try? store.read(id) else { return finish(StatusFile()) }
    let bytes = (try? Files.read(store.directory(id) + "/status")) ?? nil
    let status = StatusFile(FieldText(parsing: bytes ?? []))
    let ending = ContainerEnd(
      installation: store.installation, record: record, started: started, restarts: restarts)
    ending.finish(status)
    finish(status)
  }
}
