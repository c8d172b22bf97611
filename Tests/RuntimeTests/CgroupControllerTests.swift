import Linux
import TestSupport
import Testing

@testable import Runtime

@Suite struct CgroupControllerTests {
  // MARK: cpu

  @Test func `v1 cpu takes shares, quota and period as they are`() throws {
    let group = try FakeGroup([
      "cpu.shares": "", "cpu.cfs_quota_us": "", "cpu.cfs_period_us": "",
    ])
    try CPUController(group.path, .v1).apply(.init(shares: 512, quota: 20000, period: 50000))
    #expect(group["cpu.shares"] == "512")
    #expect(group["cpu.cfs_quota_us"] == "20000")
    #expect(group["cpu.cfs_period_us"] == "50000")
  }

  @Test(
    arguments: [
      (50000, 100_000, "50000 100000"), (-1, 100_000, "max 100000"), (50000, nil, "50000"),
      (-1, nil, "max"),
    ] as [(Int64, UInt64?, String)])
  func `v2 holds quota and period in one file`(
    quota: Int64, period: UInt64?, text: String
  ) throws {
    let group = try FakeGroup(["cpu.max": ""])
    try CPUController(group.path, .v2).apply(.init(quota: quota, period: period))
    #expect(group["cpu.max"] == text)
  }

  @Test func `a period alone keeps v2's quota`() throws {
    let group = try FakeGroup(["cpu.max": "30000 100000\n"])
    try CPUController(group.path, .v2).apply(.init(period: 200_000))
    #expect(group["cpu.max"].hasPrefix("30000 200000"))
  }

  @Test(
    arguments: [
      (1, 1), (2, 1), (1024, 100), (262_144, 10000), (300_000, 10000), (256, 35), (2048, 174),
    ] as [(UInt64, UInt64)])
  func `shares become weights with both ends and the default in place`(
    shares: UInt64, weight: UInt64
  ) throws {
    #expect(CPUController.weight(shares: shares) == weight)
    let group = try FakeGroup(["cpu.weight": ""])
    try CPUController(group.path, .v2).apply(.init(shares: shares))
    #expect(group["cpu.weight"] == "\(weight)")
  }

  @Test func `half a cpu is a quota of half the period`() {
    let cpu = Resources.CPU(nanoCPUs: 500_000_000)
    #expect(cpu.quota == 50_000)
    #expect(cpu.period == 100_000)
  }

  @Test func `a cpu limit without the controller's file names limit and controller`() throws {
    let group = try FakeGroup([:])
    for version in [CgroupVersion.v1, .v2] {
      let error = thrownBy { () throws(Failure) in
        try CPUController(group.path, version).apply(.init(quota: 1000))
      }
      #expect(error?.code == .unsupported)
      #expect(error?.description.contains("cpu quota") == true)
      #expect(error?.description.contains("cpu controller") == true)
    }
  }

  @Test func `real-time limits are refused on v2`() throws {
    let group = try FakeGroup(["cpu.max": ""])
    var cpu = Resources.CPU()
    cpu.realtimeRuntime = 100
    let wanted = cpu
    #expect(
      thrownBy { () throws(Failure) in try CPUController(group.path, .v2).apply(wanted) }?.code
        == .unsupported)
  }

  // MARK: cpuset

  @Test func `cpus and nodes are written as lists`() throws {
    let group = try FakeGroup(["cpuset.cpus": "", "cpuset.mems": ""])
    try CpusetController(group.path, .v2).apply(.init(cpus: "0-1", mems: "0"))
    #expect(group["cpuset.cpus"] == "0-1")
    #expect(group["cpuset.mems"] == "0")
  }

  @Test(arguments: ["0", "0-2,7", "1,3,5-6"])
  func `lists of cpus`(text: String) { #expect(CpusetController.isList(text)) }

  @Test(arguments: ["", ",", "0-", "-1", "3-1", "a", "0;1", "0 1", "1-2-3", "+1"])
  func `no lists of cpus`(text: String) { #expect(!CpusetController.isList(text)) }

  @Test func `a new v1 cpuset takes over its parents' cpus and nodes`() throws {
    let tree = try FakeGroup([
      "cpuset.cpus": "0-3\n", "cpuset.mems": "0\n", "a/cpuset.cpus": "", "a/cpuset.mems": "",
      "a/b/cpuset.cpus": "", "a/b/cpuset.mems": "",
    ])
    try CpusetController(tree.path + "/a/b", .v1).inherit(upTo: tree.path)
    #expect(tree["a/cpuset.cpus"] == "0-3")
    #expect(tree["a/b/cpuset.cpus"] == "0-3")
    #expect(tree["a/b/cpuset.mems"] == "0")
  }

  // MARK: pids, hugetlb, rdma, network, unified

  @Test(arguments: [(100, "100"), (0, "max"), (-1, "max")] as [(Int64, String)])
  func `pids limit`(limit: Int64, text: String) throws {
    let group = try FakeGroup(["pids.max": ""])
    try PidsController(group.path).apply(.init(limit: limit))
    #expect(group["pids.max"] == text)
  }

  @Test func `huge page limits go to usage and reservations`() throws {
    let group = try FakeGroup([
      "hugetlb.2MB.max": "", "hugetlb.2MB.rsvd.max": "", "hugetlb.1GB.limit_in_bytes": "",
    ])
    try HugetlbController(group.path, .v2).apply([.init(pageSize: "2MB", limit: 4096)])
    try HugetlbController(group.path, .v1).apply([.init(pageSize: "1GB", limit: 1)])
    #expect(group["hugetlb.2MB.max"] == "4096")
    #expect(group["hugetlb.2MB.rsvd.max"] == "4096")
    #expect(group["hugetlb.1GB.limit_in_bytes"] == "1")
    let error = thrownBy { () throws(Failure) in
      try HugetlbController(group.path, .v2).apply([.init(pageSize: "../x", limit: 1)])
    }
    #expect(error?.code == .invalid)
  }

  @Test func `the unified map writes plain limits and nothing else`() throws {
    let group = try FakeGroup(["memory.high": "", "cgroup.procs": ""])
    try UnifiedController.apply(["memory.high": "1000"], root: group.path)
    #expect(group["memory.high"] == "1000")
    for key in ["../memory.high", "cgroup.procs", "a/b.c", "memory", ".x", "cgroup.kill"] {
      #expect(
        thrownBy { () throws(Failure) in try UnifiedController.validate([key: "1"]) } != nil,
        "\(key)")
    }
  }

  // MARK: block io

  @Test func `v1 weights go to the scheduler that is there`() throws {
    let cfq = try FakeGroup(["blkio.weight": ""])
    try BlockIOController(cfq.path, .v1).apply(.init(weight: 300))
    #expect(cfq["blkio.weight"] == "300")
    let bfq = try FakeGroup(["blkio.bfq.weight": ""])
    try BlockIOController(bfq.path, .v1).apply(.init(weight: 300))
    #expect(bfq["blkio.bfq.weight"] == "300")
    let none = try FakeGroup([:])
    let error = thrownBy { () throws(Failure) in
      try BlockIOController(none.path, .v1).apply(.init(weight: 300))
    }
    #expect(error?.code == .unsupported)
    #expect(error?.description.contains("block io weight 300") == true)
  }

  @Test func `v2 weights are converted unless bfq takes them`() throws {
    let cost = try FakeGroup(["io.weight": ""])
    try BlockIOController(cost.path, .v2).apply(.init(weight: 500))
    #expect(cost["io.weight"] == "4950")
    let bfq = try FakeGroup(["io.weight": "", "io.bfq.weight": ""])
    try BlockIOController(bfq.path, .v2).apply(.init(weight: 500))
    #expect(bfq["io.bfq.weight"] == "500")
    #expect(BlockIOController.weight(blkio: 10) == 1)
    #expect(BlockIOController.weight(blkio: 1000) == 10000)
  }

  @Test func `rates by device`() throws {
    var io = Resources.BlockIO()
    io.throttleReadBpsDevice = [.init(major: 8, minor: 0, rate: 1_048_576)]
    io.throttleWriteIOPSDevice = [.init(major: 8, minor: 0, rate: 0)]
    let v1 = try FakeGroup([
      "blkio.throttle.read_bps_device": "", "blkio.throttle.write_iops_device": "",
    ])
    try BlockIOController(v1.path, .v1).apply(io)
    #expect(v1["blkio.throttle.read_bps_device"] == "8:0 1048576")
    #expect(v1["blkio.throttle.write_iops_device"] == "8:0 0")
    let v2 = try FakeGroup(["io.max": ""])
    io.throttleWriteIOPSDevice = nil
    try BlockIOController(v2.path, .v2).apply(io)
    #expect(v2["io.max"] == "8:0 rbps=1048576")
  }

  @Test(arguments: [1, 9, 1001] as [UInt16])
  func `weights out of range are refused`(weight: UInt16) throws {
    let group = try FakeGroup(["io.weight": ""])
    #expect(
      thrownBy { () throws(Failure) in
        try BlockIOController(group.path, .v2).apply(.init(weight: weight))
      }?.code == .invalid)
  }

  @Test func `block io figures are summed over devices`() throws {
    let v2 = try FakeGroup([
      "io.stat":
        "8:0 rbytes=10 wbytes=20 rios=1 wios=2 dbytes=0 dios=0\n8:16 rbytes=5 wbytes=1 rios=1 wios=1\n"
    ])
    var statistics = CgroupStatistics()
    BlockIOController(v2.path, .v2).read(into: &statistics)
    #expect(statistics.ioReadBytes == 15)
    #expect(statistics.ioWriteBytes == 21)
    #expect(statistics.ioWrites == 3)
    let v1 = try FakeGroup([
      "blkio.throttle.io_service_bytes":
        "8:0 Read 10\n8:0 Write 20\n8:0 Total 30\n8:16 Read 5\nTotal 35\n",
      "blkio.throttle.io_serviced": "8:0 Read 1\n8:0 Write 2\nTotal 3\n",
    ])
    statistics = CgroupStatistics()
    BlockIOController(v1.path, .v1).read(into: &statistics)
    #expect(statistics.ioReadBytes == 15)
    #expect(statistics.ioWriteBytes == 20)
    #expect(statistics.ioReads == 1)
  }

  // MARK: freezer

  @Test func `freezing writes the version's own words`() throws {
    let v2 = try FakeGroup(["cgroup.freeze": "", "cgroup.events": "populated 1\nfrozen 1\n"])
    try FreezerController(v2.path, .v2).freeze()
    #expect(v2["cgroup.freeze"] == "1")
    try FreezerController(v2.path, .v2).thaw()
    #expect(v2["cgroup.freeze"] == "0")
    let v1 = try FakeGroup(["freezer.state": ""])
    try FreezerController(v1.path, .v1).freeze()
    #expect(v1["freezer.state"] == "FROZEN")
  }
}
