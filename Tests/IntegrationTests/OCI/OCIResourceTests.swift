import Glibc
import Linux
import TestSupport
import Testing

/// Limits of a bundle as the container's groups have them; where the host lacks a controller, an error naming the
/// field.
@Suite(.enabled(if: MinidockFixture.isAvailable, MinidockFixture.requirement))
struct OCIResourceTests {
  let fixture: OCIFixture

  init() throws { fixture = try OCIFixture("resources") }

  private enum Tree { case v1, v2 }

  // Where this host has a controller, by its v1 and v2 names.
  private func tree(_ v1: String, _ v2: String?) -> Tree? {
    if Files.exists("/sys/fs/cgroup/\(v1)/cgroup.procs") { return .v1 }
    guard let v2 else { return nil }
    for folder in ["/sys/fs/cgroup", "/sys/fs/cgroup/unified"] {
      let names = (Files.text(folder + "/cgroup.controllers") ?? "").split { $0.isWhitespace }
      if names.contains(Substring(v2)) { return .v2 }
    }
    return nil
  }

  /// Expects a file of the group to have these lines, or the bundle to be refused where there is no controller.
  private func expect(
    _ resources: String, _ field: String, v1: String, v2: String?, _ file: [Tree: String],
    _ lines: [Tree: String], location: SourceLocation = #_sourceLocation
  ) throws {
    guard let tree = tree(v1, v2), let name = file[tree] else {
      return try fixture.expectRefused(
        "use linux.resources.\(field): ", { try $0.set("linux.resources", resources) },
        location: location)
    }
    let id = try fixture.running("r" + randomHex(bytes: 3)) {
      try $0.set("linux.resources", resources)
    }
    let folders =
      tree == .v1 ? ["/sys/fs/cgroup/" + v1] : ["/sys/fs/cgroup/unified", "/sys/fs/cgroup"]
    let found = folders.lazy.compactMap { Files.text("\($0)/minidock-oci/\(id)/\(name)") }.first
    let expected = lines[tree] ?? ""
    #expect(
      found?.split(separator: "\n").contains(Substring(expected)) == true,
      "\(name): \(found ?? "missing")", sourceLocation: location)
    #expect(try fixture.oci("delete", "--force", id).status == 0)
  }

  @Test func `processors and memory nodes`() throws {
    try expect(
      #"{"cpu":{"cpus":"0"}}"#, "cpu.cpus", v1: "cpuset", v2: "cpuset",
      [.v1: "cpuset.cpus", .v2: "cpuset.cpus"], [.v1: "0", .v2: "0"])
    try expect(
      #"{"cpu":{"mems":"0"}}"#, "cpu.mems", v1: "cpuset", v2: "cpuset",
      [.v1: "cpuset.mems", .v2: "cpuset.mems"], [.v1: "0", .v2: "0"])
    try fixture.expect(
      "grep Cpus_allowed_list /proc/self/status", prints: "Cpus_allowed_list:\t0\n"
    ) { try $0.set("linux.resources", #"{"cpu":{"cpus":"0"}}"#) }
    guard tree("cpuset", "cpuset") != nil else { return }
    for (value, field) in [
      (#"{"cpus":"4000"}"#, "cpu.cpus"), (#"{"mems":"99"}"#, "cpu.mems"),
      (#"{"cpus":"x"}"#, "cpu.cpus"),
    ] {
      try fixture.expectRefused("use linux.resources.\(field): ") {
        try $0.set("linux.resources.cpu", value)
      }
    }
  }

  @Test func `burst, idle and real-time`() throws {
    try expect(
      #"{"cpu":{"quota":50000,"period":100000,"burst":2000}}"#, "cpu.burst", v1: "cpu", v2: "cpu",
      [.v1: "cpu.cfs_burst_us", .v2: "cpu.max.burst"], [.v1: "2000", .v2: "2000"])
    try expect(
      #"{"cpu":{"idle":1}}"#, "cpu.idle", v1: "cpu", v2: "cpu",
      [.v1: "cpu.idle", .v2: "cpu.idle"], [.v1: "1", .v2: "1"])
    for (value, field) in [
      (#"{"quota":1}"#, "cpu.quota"), (#"{"period":1}"#, "cpu.period"),
      (#"{"idle":7}"#, "cpu.idle"),
    ] {
      try fixture.expectRefused("use linux.resources.\(field): ") {
        try $0.set("linux.resources.cpu", value)
      }
    }
  }

  @Test func `weights and rates of block devices`() throws {
    if Files.exists("/sys/fs/cgroup/blkio/blkio.bfq.weight") || tree("blkio", "io") == nil {
      try expect(
        #"{"blockIO":{"weight":300}}"#, "blockIO.weight", v1: "blkio", v2: "io",
        [.v1: "blkio.bfq.weight", .v2: "io.weight"], [.v1: "300", .v2: "default 2930"])
    }
    let disks = try Files.list("/sys/block").filter { !$0.hasPrefix("loop") }.sorted()
    if let disk = disks.first, let number = Files.text("/sys/block/\(disk)/dev"),
      tree("blkio", "io") == .v1
    {
      let parts = number.split { $0 == ":" || $0 == "\n" }
      for (field, file) in [
        ("throttleReadBpsDevice", "read_bps"), ("throttleWriteBpsDevice", "write_bps"),
        ("throttleReadIOPSDevice", "read_iops"), ("throttleWriteIOPSDevice", "write_iops"),
      ] {
        let rate = #"[{"major":\#(parts[0]),"minor":\#(parts[1]),"rate":1048576}]"#
        try expect(
          #"{"blockIO":{"\#(field)":\#(rate)}}"#, "blockIO." + field, v1: "blkio", v2: "io",
          [.v1: "blkio.throttle.\(file)_device"], [.v1: "\(parts[0]):\(parts[1]) 1048576"])
      }
    }
    for (value, field) in [
      (#"{"weight":5}"#, "blockIO.weight"), (#"{"leafWeight":7}"#, "blockIO"),
      (#"{"throttleReadBpsDevice":[{"major":1,"minor":99,"rate":5}]}"#, "blockIO"),
    ] {
      try fixture.expectRefused("use linux.resources.\(field)") {
        try $0.set("linux.resources.blockIO", value)
      }
    }
  }

  @Test func `huge pages`() throws {
    guard Files.exists("/sys/kernel/mm/hugepages/hugepages-2048kB") else { return }
    try expect(
      #"{"hugepageLimits":[{"pageSize":"2MB","limit":4194304}]}"#, "hugepageLimits",
      v1: "hugetlb", v2: "hugetlb",
      [.v1: "hugetlb.2MB.limit_in_bytes", .v2: "hugetlb.2MB.max"],
      [.v1: "4194304", .v2: "4194304"])
    for size in ["3MB", "../2MB", ""] {
      try fixture.expectRefused("use linux.resources.hugepageLimits: ") {
        try $0.set(
          "linux.resources.hugepageLimits", #"[{"pageSize":"\#(size)","limit":4194304}]"#)
      }
    }
  }

  @Test func `marks and priorities of packets, and RDMA`() throws {
    try expect(
      #"{"network":{"classID":1048577}}"#, "network.classID", v1: "net_cls", v2: nil,
      [.v1: "net_cls.classid"], [.v1: "1048577"])
    try expect(
      #"{"network":{"priorities":[{"name":"lo","priority":3}]}}"#, "network.priorities",
      v1: "net_prio", v2: nil, [.v1: "net_prio.ifpriomap"], [.v1: "lo 3"])
    try fixture.expectRefused("use linux.resources.rdma: ") {
      try $0.set("linux.resources.rdma", #"{"minidock-none":{"hcaHandles":3}}"#)
    }
  }

  @Test func `files of the unified hierarchy`() throws {
    if tree("hugetlb", "hugetlb") == .v2 {
      try expect(
        #"{"unified":{"hugetlb.2MB.max":"6291456"}}"#, "unified", v1: "hugetlb", v2: "hugetlb",
        [.v2: "hugetlb.2MB.max"], [.v2: "6291456"])
    }
    if tree("memory", "memory") == .v1 {
      try fixture.expectRefused("use linux.resources.unified: set unified memory.max: this host") {
        try $0.set("linux.resources.unified", #"{"memory.max":"4194304"}"#)
      }
    }
    for file in ["../cgroup.procs", "cgroup.procs/x", "nonsense", ""] {
      try fixture.expectRefused("use linux.resources.unified: ") {
        try $0.set("linux.resources.unified", #"{"\#(file)":"1"}"#)
      }
    }
  }

  @Test func `memory`() throws {
    guard tree("memory", nil) == .v1 else { return }
    for (member, file, value) in [
      ("limit", "limit_in_bytes", "67108864"), ("reservation", "soft_limit_in_bytes", "33554432"),
      ("swappiness", "swappiness", "30"), ("kernelTCP", "kmem.tcp.limit_in_bytes", "8388608"),
    ] {
      try expect(
        #"{"memory":{"\#(member)":\#(value)}}"#, "memory." + member, v1: "memory", v2: nil,
        [.v1: "memory." + file], [.v1: value])
    }
    try expect(
      #"{"memory":{"disableOOMKiller":true,"limit":67108864}}"#, "memory", v1: "memory", v2: nil,
      [.v1: "memory.oom_control"], [.v1: "oom_kill_disable 1"])
    for (value, field) in [
      (#"{"limit":-7}"#, "memory.limit"), (#"{"swappiness":101}"#, "memory.swappiness"),
      (#"{"limit":67108864,"swap":33554432}"#, "memory.swap"),
    ] {
      try fixture.expectRefused("use linux.resources.\(field): ") {
        try $0.set("linux.resources.memory", value)
      }
    }
  }
}
