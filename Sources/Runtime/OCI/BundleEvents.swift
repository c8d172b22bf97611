import Linux

/// The documents of `events`, member for member as runc's (types/events.go): what it leaves out when it is zero is
/// left out here.
public enum BundleEvents {
  /// An event without figures.
  public static func event(_ type: String, _ id: String) -> JSONValue {
    .object([(key: "type", value: .string(type)), (key: "id", value: .string(id))])
  }

  /// The figures of a container's group.
  static func statistics(_ id: String, _ group: Cgroup) -> JSONValue {
    let figures = GroupFigures(group: group)
    return .object([
      (key: "type", value: .string("stats")), (key: "id", value: .string(id)),
      (
        key: "data",
        value: .object([
          (key: "cpu", value: figures.cpu), (key: "cpuset", value: figures.cpuset),
          (key: "memory", value: figures.memory), (key: "pids", value: figures.pids),
          (key: "blkio", value: figures.blockIO), (key: "hugetlb", value: figures.hugePages),
          (key: "intel_rdt", value: .object([])), (key: "network_interfaces", value: .null),
        ])
      ),
    ])
  }
}

/// A group's figures as documents, read from the files of whichever version its controllers have.
struct GroupFigures {
  let group: Cgroup

  /// An object of numbers; `sparse` ones only when they are not zero.
  static func object(
    _ numbers: [(String, UInt64)] = [], sparse: [(String, UInt64)] = []
  ) -> JSONValue {
    .object(
      (sparse.filter { $0.1 != 0 } + numbers).map { (key: $0.0, value: .unsigned($0.1)) })
  }

  var cpu: JSONValue {
    var statistics = CgroupStatistics()
    var processors: [(key: String, value: JSONValue)] = []
    if let (directory, version) = group.place(.cpuacct) {
      CPUController.read(accounting: directory, version: version, into: &statistics)
      processors = perProcessor(directory)
    } else if let unified = group.unified {
      CPUController.read(accounting: unified, version: .v2, into: &statistics)
    }
    var periods: UInt64 = 0
    if let (directory, version) = group.place(.cpu) {
      CPUController(directory.path, version).readThrottling(into: &statistics)
      periods = directory.unsigned("cpu.stat", key: "nr_periods")
    }
    var usage: [(key: String, value: JSONValue)] = []
    if statistics.cpuUsage != 0 { usage.append(("total", .unsigned(statistics.cpuUsage))) }
    usage += processors
    usage.append(("kernel", .unsigned(statistics.cpuSystem)))
    usage.append(("user", .unsigned(statistics.cpuUser)))
    let throttling = GroupFigures.object(sparse: [
      ("periods", periods), ("throttledPeriods", statistics.throttledPeriods),
      ("throttledTime", statistics.throttledTime),
    ])
    return .object([(key: "usage", value: .object(usage)), (key: "throttling", value: throttling)])
  }

  // "cpu user system", then a line for each processor.
  private func perProcessor(
    _ directory: ControlDirectory
  ) -> [(key: String, value: JSONValue)] {
    let total = directory.words("cpuacct.usage_percpu").compactMap { UInt64($0) }
    let words = directory.words("cpuacct.usage_all").dropFirst(3).compactMap { UInt64($0) }
    let lines = stride(from: 0, to: words.count - words.count % 3, by: 3)
    return [
      ("percpu", total), ("percpu_kernel", lines.map { words[$0 + 2] }),
      ("percpu_user", lines.map { words[$0 + 1] }),
    ].filter { !$0.1.isEmpty }.map { (key: $0.0, value: .array($0.1.map { .unsigned($0) })) }
  }

  var cpuset: JSONValue {
    guard let (directory, version) = group.place(.cpuset) else { return .object([]) }
    func list(_ name: String) -> [(key: String, value: JSONValue)] {
      let file = version == .v1 ? "cpuset.\(name)" : "cpuset.\(name).effective"
      let numbers = GroupFigures.numbers(directory.text(file) ?? "")
      return numbers.isEmpty ? [] : [(name, .array(numbers.map { .unsigned($0) }))]
    }
    func flag(_ name: String) -> (key: String, value: JSONValue) {
      (name, .number(directory.number("cpuset." + name) ?? 0))
    }
    return .object(
      list("cpus") + [flag("cpu_exclusive")] + list("mems")
        + [
          "mem_hardwall", "mem_exclusive", "memory_migrate", "memory_spread_page",
          "memory_spread_slab", "memory_pressure", "sched_load_balance",
          "sched_relax_domain_level",
        ].map(flag))
  }

  // "0-2,7"
  static func numbers(_ list: String) -> [UInt64] {
    list.split(separator: ",").flatMap { part -> [UInt64] in
      let ends = part.split(separator: "-").compactMap { UInt64($0) }
      guard let first = ends.first, let last = ends.last, first <= last, last < 1 << 16 else {
        return []
      }
      return Array(first...last)
    }
  }

  var pids: JSONValue {
    var statistics = CgroupStatistics()
    if let (directory, _) = group.place(.pids) {
      PidsController(directory.path).read(into: &statistics)
    }
    // No member stands for no limit.
    return GroupFigures.object(sparse: [
      ("current", statistics.pids), ("limit", statistics.pidsLimit ?? 0),
    ])
  }
}
