import Linux

/// The pids controller of one group: the same files in v1 and v2 (cgroup-v1/pids.rst).
struct PidsController {
  let directory: ControlDirectory

  init(_ root: String) { directory = ControlDirectory(root) }

  /// Limits the number of tasks; zero or less lifts the limit.
  func apply(_ pids: Resources.Pids) throws(Failure) {
    guard let limit = pids.limit else { return }
    try directory.set("pids limit", "pids.max", limit <= 0 ? "max" : String(limit))
  }

  /// Adds the group's figures.
  func read(into statistics: inout CgroupStatistics) {
    statistics.pids = UInt64(max(0, directory.number("pids.current") ?? 0))
    statistics.pidsLimit = directory.number("pids.max").map { UInt64(max(0, $0)) }
  }
}
