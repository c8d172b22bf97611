import Linux
import TestSupport
import Testing

@testable import Runtime

@Suite struct CgroupMemoryTests {
  static let v1Files = [
    "memory.limit_in_bytes": "", "memory.memsw.limit_in_bytes": "",
    "memory.soft_limit_in_bytes": "",
    "memory.swappiness": "", "memory.oom_control": "",
  ]

  @Test func `v1 takes limit, memory and swap, reservation and swappiness as they are`() throws {
    let group = try FakeGroup(Self.v1Files)
    var memory = Resources.Memory(limit: 1000, reservation: 500, swap: 3000)
    memory.swappiness = 7
    memory.disableOOMKiller = true
    try MemoryController(group.path, .v1).apply(memory)
    #expect(group["memory.limit_in_bytes"] == "1000")
    #expect(group["memory.memsw.limit_in_bytes"] == "3000")
    #expect(group["memory.soft_limit_in_bytes"] == "500")
    #expect(group["memory.swappiness"] == "7")
    #expect(group["memory.oom_control"] == "1")
  }

  @Test func `lifting the memory limit on v1 lifts memory and swap too`() throws {
    let group = try FakeGroup(Self.v1Files)
    try MemoryController(group.path, .v1).apply(.init(limit: -1))
    #expect(group["memory.limit_in_bytes"] == "-1")
    #expect(group["memory.memsw.limit_in_bytes"] == "-1")
  }

  @Test func `a swap limit on v1 without swap accounting is an error, not ignored`() throws {
    let group = try FakeGroup(["memory.limit_in_bytes": ""])
    let error = thrownBy { () throws(Failure) in
      try MemoryController(group.path, .v1).apply(.init(limit: 1000, swap: 2000))
    }
    #expect(error?.code == .unsupported)
    #expect(error?.description.contains("swapaccount=1") == true)
  }

  @Test(
    arguments: [
      (1000, 3000, "1000", "2000"), (1000, 1000, "1000", "0"), (1000, -1, "1000", "max"),
      (-1, nil, "max", "max"), (-1, -1, "max", "max"), (1000, nil, "1000", ""),
    ] as [(Int64, Int64?, String, String)])
  func `v2 counts swap without memory`(
    limit: Int64, swap: Int64?, maximum: String, swapMaximum: String
  ) throws {
    let group = try FakeGroup(["memory.max": "", "memory.swap.max": "", "memory.low": ""])
    try MemoryController(group.path, .v2).apply(.init(limit: limit, swap: swap))
    #expect(group["memory.max"] == maximum)
    #expect(group["memory.swap.max"] == swapMaximum)
  }

  @Test func `v2 without swap accounting still forbids and allows swap, but cannot limit it`()
    throws
  {
    let group = try FakeGroup(["memory.max": ""])
    let controller = MemoryController(group.path, .v2)
    try controller.apply(.init(limit: 1000, swap: 1000))
    try controller.apply(.init(limit: 1000, swap: -1))
    let error = thrownBy { () throws(Failure) in
      try controller.apply(.init(limit: 1000, swap: 1500))
    }
    #expect(error?.code == .unsupported)
    #expect(error?.description.contains("memory and swap limit") == true)
  }

  @Test(arguments: [
    Resources.Memory(limit: -2), .init(limit: 1000, swap: 500), .init(limit: -1, swap: 500),
    .init(swap: -7),
  ])
  func `contradictory memory limits are refused`(memory: Resources.Memory) throws {
    let group = try FakeGroup(Self.v1Files)
    let error = thrownBy { () throws(Failure) in
      try MemoryController(group.path, .v1).apply(memory)
    }
    #expect(error?.code == .invalid)
    #expect(group["memory.limit_in_bytes"] == "")
  }

  @Test func `v2 refuses what only v1 has`() throws {
    let group = try FakeGroup(["memory.max": ""])
    var memory = Resources.Memory()
    memory.swappiness = 10
    let swappiness = memory
    #expect(
      thrownBy { () throws(Failure) in
        try MemoryController(group.path, .v2).apply(swappiness)
      }?.code == .unsupported)
    memory = .init()
    memory.disableOOMKiller = true
    let killer = memory
    #expect(
      thrownBy { () throws(Failure) in try MemoryController(group.path, .v2).apply(killer) }?.code
        == .unsupported)
    #expect(
      thrownBy { () throws(Failure) in
        try MemoryController(group.path, .v2).apply(.init(swap: 5000))
      }?.code == .invalid)
  }

  @Test func `checkBeforeUpdate refuses a limit below the usage`() throws {
    let group = try FakeGroup(["memory.max": "", "memory.current": "5000\n"])
    var memory = Resources.Memory(limit: 4000)
    let controller = MemoryController(group.path, .v2)
    try controller.apply(memory)
    memory.checkBeforeUpdate = true
    let checked = memory
    #expect(
      thrownBy { () throws(Failure) in try controller.apply(checked) }?.code == .refused)
  }

  @Test func `figures of both versions`() throws {
    let v1 = try FakeGroup([
      "memory.usage_in_bytes": "8192\n", "memory.max_usage_in_bytes": "9000\n",
      "memory.limit_in_bytes": "9223372036854771712\n", "memory.stat": "total_inactive_file 4096\n",
      "memory.oom_control": "oom_kill_disable 0\nunder_oom 0\noom_kill 3\n",
    ])
    var statistics = CgroupStatistics()
    MemoryController(v1.path, .v1).read(into: &statistics)
    #expect(statistics.memoryUsage == 8192)
    #expect(statistics.memoryInUse == 4096)
    #expect(statistics.memoryPeak == 9000)
    #expect(statistics.memoryLimit == nil)
    #expect(statistics.oomKills == 3)
    let v2 = try FakeGroup([
      "memory.current": "100\n", "memory.max": "max\n", "memory.stat": "anon 1\ninactive_file 40\n",
      "memory.events": "low 0\nhigh 0\nmax 9\noom 2\noom_kill 1\n",
    ])
    MemoryController(v2.path, .v2).read(into: &statistics)
    #expect(statistics.memoryUsage == 100)
    #expect(statistics.memoryInUse == 60)
    #expect(statistics.memoryPeak == nil)
    #expect(statistics.memoryLimit == nil)
    #expect(statistics.oomKills == 1)
  }
}
