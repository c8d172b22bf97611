import Linux
import Runtime

extension MonitorLoop {
  // MARK: - The process that started the container

  /// Tells the starter that the command runs.
  mutating func greet(_ client: consuming MessageSocket, trace: [String]) {
    let descriptors = streams.isTerminal ? [streams.input.raw] : []
    // One that was killed meanwhile has left: the closed connection tells that next.
    try? client.send(
      MonitorMessage.started(process, trace: trace).bytes, descriptors: descriptors)
    self.client = MonitorConnection(client)
    isClientReady = !streams.isTerminal
  }

  mutating func serveClient() {
    guard let client else { return }
    if isClientReady { streams.closeBroken() }
    guard Watch.hasInput(client.socket.descriptor.raw) else { return }
    switch message(from: client) {
    case .ready?: isClientReady = true
    default:
      // It has left by the detach keys, or was killed: the container goes on.
      self.client = nil
      isClientReady = true
      let (store, id) = (store, id)
      streams.dropSinks {
        guard let record = try? store.read(id) else { return nil }
        var options = store.options(of: record).log
        if !options.isExplicit { options.isOn = true }
        return LogWriter.open(store, id, options)
      }
      MonitorProcess.silence([1, 2])
    }
  }

  private func message(from connection: MonitorConnection) -> MonitorMessage? {
    guard let received = (try? connection.socket.receive(wait: false)) ?? nil else { return nil }
    for number in received.descriptors { ThisProcess.close(number) }
    return try? MonitorMessage(received.bytes)
  }

  // MARK: - Others

  mutating func serveConnections() {
    while Watch.hasInput(listener.descriptor.raw), let socket = listener.accept() {
      connections.append(MonitorConnection(socket))
    }
    var kept: [MonitorConnection] = []
    for connection in connections {
      guard Watch.hasInput(connection.socket.descriptor.raw) else {
        kept.append(connection)
        continue
      }
      switch message(from: connection) {
      case .wait?:
        if let end {
          connection.send(.exited(end.exitCode))
          continue
        }
        connection.waits = true
        kept.append(connection)
      case .attach?:
        if answerAttach(connection) { kept.append(connection) }
      case .wake?:
        // While the container waits to be started again, the loop looks whether it was stopped. It may
        // have been started in between: then whoever stopped it has found no process to signal.
        kept.append(connection)
        if hasChild, killAt == nil, store.isStopped(id) { askToEnd() }
        serveNamesWhenConnected()
      default: continue
      }
    }
    connections = kept
  }

  private mutating func answerAttach(_ connection: MonitorConnection) -> Bool {
    guard hasChild else {
      connection.send(
        .failed(
          Failure(.inUse, "attach to", String(id.prefix(12)), reason: "it is being restarted")))
      return false
    }
    connection.waits = true
    let number = streams.input.raw
    let descriptors = number >= 0 ? [number] : []
    connection.send(.attached(isTerminal: streams.isTerminal), descriptors: descriptors)
    return true
  }

  // MARK: - Signals to the monitor

  /// A monitor that is asked to end, as at the shutdown of the host, stops its container first. The user
  /// has not said that it should stay stopped.
  mutating func takeSignals() {
    while signals.next() != nil {
      guard !isLeaving else { continue }
      isLeaving = true
      if hasChild { askToEnd(by: "its monitor, which was asked to end") }
    }
  }

  /// Sends the command its stop signal, and SIGKILL when its time is over.
  ///
  /// - Parameter sender: noted for `explain`; nil where something else says it.
  private mutating func askToEnd(by sender: String? = nil) {
    guard let record = try? store.read(id) else { return }
    let signal = Signals.number(record.stopSignal) ?? Signal.terminate
    if let sender { SignalNotes(store).add(id, signal, by: sender) }
    Processes.signal(child, signal)
    let seconds = store.options(of: record).stopTimeout ?? 10
    if seconds >= 0 { killAt = Timestamp.monotonic + UInt64(seconds) * 1_000_000_000 }
    // A frozen process gets a signal when it goes on.
    if store.state(of: record).status == .paused {
      try? ContainerPause(store.installation).thaw(record)
    }
  }

  // MARK: - Health

  mutating func testHealth() {
    guard hasChild else { return }
    switch health.step() {
    case .none?, nil: return
    case .kill?:
      Processes.signal(child, Signal.kill)
    case .stop?, .restart?:
      if health.asksForRestart == false { store.setStopped(id, true) }
      askToEnd()
    }
  }
}
