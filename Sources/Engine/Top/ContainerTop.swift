import Linux
import Runtime

/// `minidock top` without its printing: the processes of a container as the host sees them.
///
/// Only /proc is read. No program of the host or the image is run and no file of the image is opened, not
/// even its /etc/passwd (CVE-2019-14271, security row 17).
public struct ContainerTop {
  let installation: Installation

  /// Looks into an installation.
  public init(_ installation: Installation) { self.installation = installation }

  /// The headings, then a row for each process, by pid.
  ///
  /// - Parameter options: those of ps(1); none are docker's `-ef`.
  /// - Throws: ``Failure/Code/inUse`` when the container does not run.
  public func table(of text: String, options: [String]) throws(Failure) -> [[String]] {
    let store = ContainerStore(installation)
    let record = try store.find(text)
    let columns = try TopOptions(options).columns
    let state = store.state(of: record)
    guard state.status.isActive else {
      throw Failure(
        .inUse, "list processes of", text, reason: "it is \(state.status.rawValue), not running")
    }
    // An empty path would be the group of the whole host.
    let path = store.runFile(of: record.id)?.cgroupPath ?? ""
    guard !path.isEmpty else {
      throw Failure(.corrupt, "list processes of", text, reason: "its cgroup is not known")
    }
    let group = Cgroup(existing: path, in: try CgroupHierarchy.detect())
    let clock = TopClock()
    let rows = group.processes().compactMap { pid -> [String]? in
      // It may have ended since.
      guard let process = ProcessDetails(pid: pid) else { return nil }
      return columns.map { $0.value(process, clock).printable }
    }
    return [columns.map(\.heading)] + rows
  }
}
