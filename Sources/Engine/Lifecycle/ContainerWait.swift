import Linux

/// `minidock wait`.
public struct ContainerWait {
  let installation: Installation

  /// Waits in an installation.
  public init(_ installation: Installation) { self.installation = installation }

  /// Waits until a container has ended for good and returns its exit status; at once when it does not run.
  ///
  /// - Throws: ``Failure/Code/notFound``; the loss of its monitor.
  public func wait(_ text: String) throws(Failure) -> Int32 {
    let store = ContainerStore(installation)
    let record = try store.find(text)
    while true {
      let state = store.state(of: record)
      // One that was just created may be about to start.
      if state.status == .created && !store.mayBeAlive(record.id) { return 0 }
      if state.status == .exited && state.monitor?.isAlive != true { return state.exitCode }
      guard
        let socket = try MessageSocket.connect(
          directory: installation.runs, name: store.socketName(record.id))
      else {
        // Between two of its steps: created but not started, or ended but not recorded.
        pause(microseconds: 2000)
        continue
      }
      do throws(Failure) { try socket.send(MonitorMessage.wait.bytes) } catch
        where error.errno == ErrorNumber.brokenPipe
      {
        // The monitor ended before it took the connection: what it wrote down says how.
        pause(microseconds: 2000)
        continue
      }
      while let message = try socket.receive() {
        if case .exited(let code) = try MonitorMessage(message.bytes) { return code }
      }
      // The monitor was killed: what is left says how it ended.
      Housekeeping.settle(record, store)
    }
  }
}

extension Housekeeping {
  /// Writes down the end of a container whose monitor has gone.
  static func settle(_ record: ContainerRecord, _ store: ContainerStore) {
    ContainerCleanup(store.installation).settle(record)
  }
}
