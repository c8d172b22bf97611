import Linux

extension Resources {
  /// The field of a specification whose limit a failure to set one names.
  func field(of failure: Failure) -> String {
    let names: [(limit: String, field: String)] = [
      ("memory and swap limit", "memory.swap"), ("memory limit", "memory.limit"),
      ("memory reservation", "memory.reservation"), ("memory swappiness", "memory.swappiness"),
      ("kernel tcp memory limit", "memory.kernelTCP"), ("memory", "memory"),
      ("cpu shares", "cpu.shares"), ("cpu quota", "cpu.quota"), ("cpu period", "cpu.period"),
      ("cpu burst", "cpu.burst"), ("cpu idle", "cpu.idle"),
      ("cpu real-time period", "cpu.realtimePeriod"),
      ("cpu real-time runtime", "cpu.realtimeRuntime"), ("cpuset cpus", "cpu.cpus"),
      ("cpuset mems", "cpu.mems"), ("cpu", "cpu"), ("pids limit", "pids.limit"),
      ("block io leaf weight", "blockIO.leafWeight"), ("block io weight", "blockIO.weight"),
      ("device read bps", "blockIO.throttleReadBpsDevice"),
      ("device write bps", "blockIO.throttleWriteBpsDevice"),
      ("device read iops", "blockIO.throttleReadIOPSDevice"),
      ("device write iops", "blockIO.throttleWriteIOPSDevice"), ("block io", "blockIO"),
      ("huge page limit", "hugepageLimits"), ("network class", "network.classID"),
      ("network priority", "network.priorities"), ("rdma limit", "rdma"),
      ("device", "devices"), ("unified", "unified"),
    ]
    let found = names.first { failure.object.hasPrefix($0.limit) }
    return found.map { "linux.resources." + $0.field } ?? "linux.resources"
  }
}
