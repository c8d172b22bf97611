import Linux

/// A unit's properties by name, as the manager takes them.
struct SystemdProperties: Equatable, Sendable {
  private(set) var list: [(name: String, value: DBusValue)] = []

  static func == (a: SystemdProperties, b: SystemdProperties) -> Bool {
    a.list.map(\.name) == b.list.map(\.name) && a.list.map(\.value) == b.list.map(\.value)
  }

  /// Sets one; the last that was said counts.
  mutating func set(_ name: String, _ value: DBusValue) {
    list.removeAll { $0.name == name }
    list.append((name, value))
  }

  subscript(name: String) -> DBusValue? { list.first { $0.name == name }?.value }

  /// The argument of a method: a(sv).
  var argument: DBusValue {
    .array("(sv)", list.map { .structure([.string($0.name), .variant($0.value)]) })
  }
}

extension SystemdProperties {
  /// What a scope has whatever its limits are: runc's.
  static func scope(
    _ unit: SystemdUnit, id: String, pid: Int32, mode: CgroupHierarchy.Mode
  ) -> SystemdProperties {
    var properties = SystemdProperties()
    properties.set("Description", .string("minidock container \(id)"))
    properties.set("Slice", .string(unit.slice))
    // The group below is this runtime's to write in (systemd, "CGROUP_DELEGATION").
    properties.set("Delegate", .bool(true))
    properties.set("PIDs", .array("u", [.uint32(UInt32(bitPattern: pid))]))
    properties.set("MemoryAccounting", .bool(true))
    properties.set("CPUAccounting", .bool(true))
    properties.set(mode == .v2 ? "IOAccounting" : "BlockIOAccounting", .bool(true))
    properties.set("TasksAccounting", .bool(true))
    // Its end is the engine's to decide, not that of a shutdown's order.
    properties.set("DefaultDependencies", .bool(false))
    return properties
  }
}

/// Limits as a unit's properties: those that systemd would otherwise write over when it looks at the unit
/// again (daemon-reload). All limits are written into the group afterwards, these too.
struct SystemdLimits {
  /// What the group allows now, for the half of a pair that a change leaves: quota (nil for none) and period.
  struct CPU: Equatable {
    var quota: Int64?
    var period: UInt64 = 100_000
  }

  let mode: CgroupHierarchy.Mode
  /// The manager's version: CPUQuotaPeriodUSec came with 242, AllowedCPUs with 244.
  let version: Int
  var current = CPU()

  private static let infinity = UInt64.max

  /// The properties for limits; empty when none of them is systemd's.
  func properties(_ resources: Resources) throws(Failure) -> SystemdProperties {
    var properties = SystemdProperties()
    try memory(resources.memory ?? .init(), &properties)
    try cpu(resources.cpu ?? .init(), &properties)
    if let limit = resources.pids?.limit {
      properties.set(
        "TasksMax", .uint64(limit > 0 ? UInt64(limit) : SystemdLimits.infinity))
    }
    if let weight = resources.blockIO?.weight, weight != 0 {
      if mode == .v2 {
        properties.set("IOWeight", .uint64(BlockIOController.weight(blkio: weight)))
      } else {
        properties.set("BlockIOWeight", .uint64(UInt64(weight)))
      }
    }
    if mode != .v2, let rules = resources.devices, !rules.isEmpty {
      SystemdDevices(try DevicePolicy(rules)).add(to: &properties)
    }
    for (file, value) in (resources.unified ?? [:]).sorted(by: { $0.key < $1.key }) {
      unified(file, value, &properties)
    }
    return properties
  }

  private func memory(
    _ memory: Resources.Memory, _ properties: inout SystemdProperties
  ) throws(Failure) {
    func bytes(_ number: Int64) -> DBusValue {
      .uint64(number < 0 ? SystemdLimits.infinity : UInt64(number))
    }
    if let limit = memory.limit, limit != 0 {
      properties.set(mode == .v2 ? "MemoryMax" : "MemoryLimit", bytes(limit))
    }
    guard mode == .v2 else { return }
    if let reservation = memory.reservation, reservation != 0 {
      properties.set("MemoryLow", bytes(reservation))
    }
    if let swap = try memory.swapMaximum() {
      properties.set("MemorySwapMax", .uint64(UInt64(swap) ?? SystemdLimits.infinity))
    }
  }

  private func cpu(
    _ cpu: Resources.CPU, _ properties: inout SystemdProperties
  ) throws(Failure) {
    if let shares = cpu.shares, shares != 0 {
      if mode == .v2 {
        properties.set("CPUWeight", .uint64(CPUController.weight(shares: shares)))
      } else {
        properties.set("CPUShares", .uint64(shares))
      }
    }
    if (cpu.quota ?? 0) != 0 || (cpu.period ?? 0) != 0 {
      let given = cpu.quota ?? 0
      quota(given == 0 ? current.quota : given, cpu.period ?? 0, &properties)
    }
    guard version >= 244 else { return }
    if let cpus = cpu.cpus, !cpus.isEmpty {
      properties.set("AllowedCPUs", try SystemdLimits.mask(cpus, "linux.resources.cpu.cpus"))
    }
    if let mems = cpu.mems, !mems.isEmpty {
      properties.set("AllowedMemoryNodes", try SystemdLimits.mask(mems, "linux.resources.cpu.mems"))
    }
  }

  // Microseconds in each second, which systemd keeps as a whole percentage: rounded up, or its own limit
  // would be below the one that is written afterwards.
  private func quota(
    _ quota: Int64?, _ period: UInt64, _ properties: inout SystemdProperties
  ) {
    if period != 0, version >= 242 { properties.set("CPUQuotaPeriodUSec", .uint64(period)) }
    guard let quota, quota > 0 else {
      return properties.set("CPUQuotaPerSecUSec", .uint64(SystemdLimits.infinity))
    }
    let length = period != 0 ? period : max(1, current.period)
    let (product, isTooMuch) = UInt64(quota).multipliedReportingOverflow(by: 1_000_000)
    guard !isTooMuch else {
      return properties.set("CPUQuotaPerSecUSec", .uint64(SystemdLimits.infinity))
    }
    let exact = product / length
    properties.set("CPUQuotaPerSecUSec", .uint64((exact + 9999) / 10_000 * 10_000))
  }

  /// A list such as "0-2,7" as bits, the first byte's lowest being 0.
  static func mask(_ list: String, _ field: String) throws(Failure) -> DBusValue {
    var bytes: [UInt8] = []
    for part in list.split(separator: ",") {
      let ends = part.split(separator: "-", omittingEmptySubsequences: false).map {
        Int($0.filter { $0 != " " && $0 != "\n" })
      }
      guard (1...2).contains(ends.count), let first = ends[0], let last = ends[ends.count - 1],
        (0...last).contains(first), last < 8192
      else { throw Failure.field(field, "\"\(list)\" is no list of numbers") }
      while bytes.count <= last / 8 { bytes.append(0) }
      for number in first...last { bytes[number / 8] |= 1 << UInt8(number % 8) }
    }
    return .array("y", bytes.map { .byte($0) })
  }

  // Those that systemd knows too; the others it leaves alone.
  private func unified(
    _ file: String, _ value: String, _ properties: inout SystemdProperties
  ) {
    let text = value.trimmed
    let number = text == "max" ? SystemdLimits.infinity : UInt64(text)
    let names = [
      "memory.max": "MemoryMax", "memory.high": "MemoryHigh", "memory.low": "MemoryLow",
      "memory.min": "MemoryMin", "memory.swap.max": "MemorySwapMax", "pids.max": "TasksMax",
      "cpu.weight": "CPUWeight",
    ]
    if let name = names[file], let number { return properties.set(name, .uint64(number)) }
    switch file {
    case "cpu.max":
      let words = text.split(separator: " ").map(String.init)
      guard let first = words.first, first == "max" || Int64(first) != nil else { return }
      quota(Int64(first), words.count > 1 ? UInt64(words[1]) ?? 0 : 0, &properties)
    case "cpuset.cpus" where version >= 244:
      if let mask = try? SystemdLimits.mask(text, file) { properties.set("AllowedCPUs", mask) }
    case "cpuset.mems" where version >= 244:
      if let mask = try? SystemdLimits.mask(text, file) {
        properties.set("AllowedMemoryNodes", mask)
      }
    default: break
    }
  }
}
