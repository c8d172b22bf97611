import Linux
import Runtime

/// `minidock pause` and `unpause`: all processes of a container stopped by the freezer of its cgroup.
public struct ContainerPause {
  let installation: Installation
  let store: ContainerStore

  /// Pauses in an installation.
  public init(_ installation: Installation) {
    self.installation = installation
    store = ContainerStore(installation)
  }

  /// Stops a running container where it is.
  ///
  /// - Throws: ``Failure/Code/inUse`` when it does not run or is paused already;
  ///   ``Failure/Code/unsupported`` without a freezer.
  public func pause(_ text: String) throws(Failure) {
    let record = try store.find(text)
    let state = store.state(of: record)
    guard state.status == .running else {
      throw Failure(
        .inUse, "pause container", text,
        reason: state.status == .paused
          ? "it is paused already" : "it is \(state.status.rawValue), not running")
    }
    // The mark comes first: it is what has others look at the freezer.
    let mark = try Descriptor.open(store.pausedPath(record.id), .create(mode: 0o600))
    _ = consume mark
    do throws(Failure) { try group(of: record).freeze() } catch {
      try? Files.remove(store.pausedPath(record.id))
      throw error
    }
    EventLog(installation).append([Event(container: record, "pause")])
  }

  /// Lets a paused container go on.
  public func unpause(_ text: String) throws(Failure) {
    let record = try store.find(text)
    guard store.state(of: record).status == .paused else {
      throw Failure(.inUse, "unpause container", text, reason: "it is not paused")
    }
    try thaw(record)
    EventLog(installation).append([Event(container: record, "unpause")])
  }

  func thaw(_ record: ContainerRecord) throws(Failure) {
    try group(of: record).thaw()
    try? Files.remove(store.pausedPath(record.id))
  }

  private func group(of record: ContainerRecord) throws(Failure) -> Cgroup {
    Cgroup(existing: record.cgroupPath, in: try CgroupHierarchy.detect())
  }
}
