import Image
import Linux
import Runtime

/// `minidock start`: containers that exist already.
public struct ContainerStart {
  let installation: Installation
  let store: ContainerStore

  /// Starts in an installation.
  public init(_ installation: Installation) {
    self.installation = installation
    store = ContainerStore(installation)
  }

  /// Starts a container in the background; one that runs already is left alone, as docker does.
  public func detached(_ text: String) throws(Failure) {
    let record = try store.find(text)
    guard try mustStart(record, text) else { return }
    guard let runner = try ContainerStart.runner(store, record.id) else { throw gone(text) }
    do throws(Failure) {
      _ = try MonitorLaunch.detached(runner)
    } catch  where error.code == .exists {
      // Another start was faster.
    }
  }

  /// Starts a container and follows it.
  ///
  /// - Parameters:
  ///   - interactive: `-i`, passes this process's input on to a container made with `-i`.
  /// - Returns: the command's exit status; 0 after the detach keys.
  public func attached(
    _ text: String, interactive: Bool, signalProxy: Bool, detachKeys: String?
  ) throws(Failure) -> Int32 {
    let record = try store.find(text)
    guard try mustStart(record, text) else {
      var attach = ContainerAttach(installation)
      attach.passesInput = interactive
      attach.signalProxy = signalProxy
      attach.detachKeys = detachKeys
      return try attach.attach(text)
    }
    guard let runner = try ContainerStart.runner(store, record.id) else { throw gone(text) }
    let takesInput = interactive && runner.options.interactive
    let keys = detachKeys ?? runner.options.detachKeys
    return try MonitorLaunch.attached(
      runner, interactive: takesInput, signalProxy: signalProxy, detachKeys: keys
    ) { _ in }
  }

  private func mustStart(_ record: ContainerRecord, _ text: String) throws(Failure) -> Bool {
    let state = store.state(of: record)
    switch state.status {
    case .running, .restarting: return false
    case .paused:
      throw Failure(
        .inUse, "start container", text, reason: "it is paused",
        remedy: "let it go on with minidock unpause")
    case .created, .exited:
      if store.runFile(of: record.id) != nil, state.monitor?.isAlive != true {
        // Its monitor was killed: what is left of it must go first.
        ContainerCleanup(installation).settle(record)
      }
      return true
    }
  }

  private func gone(_ text: String) -> Failure {
    Failure(.notFound, "start container", text, reason: "it has just been removed")
  }

  /// What starts a container as it is on disk now; nil when it has been removed.
  ///
  /// - Throws: ``Failure/Code/notFound`` when its image is gone.
  static func runner(_ store: ContainerStore, _ id: String) throws(Failure) -> ContainerRunner? {
    guard let record = try store.read(id) else { return nil }
    let options = store.options(of: record)
    guard let image = try store.installation.imageStore().find(record.imageID) else {
      throw Failure(
        .notFound, "start container", record.name,
        reason: "its image \(record.image) (\(record.imageID.prefix(19))) has been removed",
        remedy: "import it again, or create another container")
    }
    return ContainerRunner(
      installation: store.installation, options: options, record: record, image: image,
      trace: Trace(false), isNew: false)
  }

  /// Starts every container that its restart policy wants running: to be called once after the host has
  /// booted.
  ///
  /// - Returns: the names of those started, and what kept others from it.
  public func byPolicy() throws(Failure) -> (started: [String], failures: [Failure]) {
    var started: [String] = []
    var failures: [Failure] = []
    // In the order in which they were created: what others need was made first.
    for record in try store.list().reversed() {
      let policy = store.options(of: record).restart
      let state = store.state(of: record)
      guard state.status == .exited else { continue }
      // 255 and the killed monitor's 137 stand for an end that nobody saw.
      let code = state.error.isEmpty ? state.exitCode : nil
      guard policy.startsAtBoot(exitCode: code, stopped: store.isStopped(record.id)) else {
        continue
      }
      do throws(Failure) {
        try detached(record.id)
        started.append(record.name)
      } catch {
        failures.append(error)
      }
    }
    return (started, failures)
  }
}
