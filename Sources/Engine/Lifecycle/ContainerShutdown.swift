import Linux

/// `minidock stop --shutdown`: ends every container as the shutdown of the host does, so that its restart
/// policy starts it again.
public struct ContainerShutdown {
  private let installation: Installation

  /// The containers of an installation.
  public init(_ installation: Installation) { self.installation = installation }

  /// Asks all monitors to end, which stop their containers at the same time, each with its own signal and
  /// time, and waits for them.
  ///
  /// - Parameter ended: is told the name of each container when it has ended.
  public func stopAll(ended: (String) -> Void) throws(Failure) {
    let store = ContainerStore(installation)
    var pending: [(name: String, handle: Int32)] = []
    defer { for (_, handle) in pending { ThisProcess.close(handle) } }
    for record in try store.list() {
      guard let monitor = store.runFile(of: record.id)?.monitor,
        let handle = try? Processes.open(pid: monitor.pid), monitor.isAlive
      else { continue }
      SignalNotes(store).add(
        record.id, Signals.number(record.stopSignal) ?? Signal.terminate,
        by: "minidock stop --shutdown")
      Processes.signal(handle, Signal.terminate)
      // A frozen process gets a signal when it goes on.
      if store.state(of: record).status == .paused {
        try? ContainerPause(installation).thaw(record)
      }
      pending.append((record.name, handle.release()))
    }
    while !pending.isEmpty {
      var watches = pending.map { Watch($0.handle) }
      try Watch.wait(&watches)
      for index in watches.indices.reversed() where watches[index].isReady {
        let (name, handle) = pending.remove(at: index)
        ThisProcess.close(handle)
        ended(name)
      }
    }
  }
}
