import Linux
import Runtime

/// `update`.
enum OCIUpdate {
  private static let options = [
    "resources", "blkio-weight", "cpu-period", "cpu-quota", "cpu-burst", "cpu-share",
    "cpu-rt-period", "cpu-rt-runtime", "cpuset-cpus", "cpuset-mems", "kernel-memory",
    "kernel-memory-tcp", "memory", "memory-reservation", "memory-swap", "pids-limit", "cpu-idle",
    "l3-cache-schema", "mem-bw-schema",
  ]

  static func run(
    _ words: ArraySlice<String>, _ context: OCIMain.Context
  ) throws(Failure) -> Int32 {
    let words = try OCIWords(
      words, verb: "update", options: options, short: ["r": "resources"])
    let id = try words.container()
    let resources =
      if let file = words["resources"] {
        try Resources(document: file == "-" ? readToEnd(0, limit: 1 << 20) : nil, file: file)
      } else {
        try resources(words)
      }
    try BundleLifecycle(context.store).update(id, resources)
    return 0
  }

  private static func resources(_ words: OCIWords) throws(Failure) -> Resources {
    for name in ["l3-cache-schema", "mem-bw-schema"] where words[name] != nil {
      throw Failure(
        .unsupported, "use", "--\(name)", reason: "minidock does not control cache and bandwidth")
    }
    var resources = Resources()
    var cpu = Resources.CPU(
      shares: try words.number("cpu-share"), quota: try words.number("cpu-quota"),
      period: try words.number("cpu-period"), cpus: words["cpuset-cpus"],
      mems: words["cpuset-mems"])
    cpu.burst = try words.number("cpu-burst")
    cpu.realtimePeriod = try words.number("cpu-rt-period")
    cpu.realtimeRuntime = try words.number("cpu-rt-runtime")
    cpu.idle = try words.number("cpu-idle")
    resources.cpu = cpu
    var memory = Resources.Memory(
      limit: try bytes(words, "memory"), reservation: try bytes(words, "memory-reservation"),
      swap: try bytes(words, "memory-swap"))
    memory.kernelTCP = try bytes(words, "kernel-memory-tcp")
    resources.memory = memory
    if let limit: Int64 = try words.number("pids-limit") {
      resources.pids = Resources.Pids(limit: limit)
    }
    if let weight: UInt16 = try words.number("blkio-weight") {
      resources.blockIO = Resources.BlockIO(weight: weight)
    }
    resources.normalize()
    return resources
  }

  // Bytes, also with docker's units; -1 lifts the limit.
  private static func bytes(_ words: OCIWords, _ name: String) throws(Failure) -> Int64? {
    guard let text = words[name] else { return nil }
    if let number = Int64(text) { return number }
    let units: [Character: Int64] = ["b": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30]
    if let last = text.lowercased().last, let unit = units[last],
      let number = Int64(text.dropLast())
    {
      let (result, overflow) = number.multipliedReportingOverflow(by: unit)
      if !overflow { return result }
    }
    throw Failure(.invalid, "use", "--\(name) \(text)", reason: "it is no number of bytes")
  }
}
