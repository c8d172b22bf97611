import Glibc
import Linux
import TestSupport
import Testing

/// `update`, by options and by a document, as the container's group has it afterwards.
@Suite(.enabled(if: MinidockFixture.isAvailable, MinidockFixture.requirement))
struct OCIUpdateTests {
  let fixture: OCIFixture
  private static let isV2 = Files.exists("/sys/fs/cgroup/cgroup.controllers")

  init() throws { fixture = try OCIFixture("update") }

  /// A file of the container's group: of v1 with its controller's folder, or of v2.
  private func read(_ id: String, _ v1: String, _ v2: String) -> String {
    let place =
      OCIUpdateTests.isV2
      ? "/sys/fs/cgroup/minidock-oci/\(id)/\(v2)"
      : "/sys/fs/cgroup/\(v1.prefix { $0 != "/" })/minidock-oci/\(id)"
        + v1.drop { $0 != "/" }
    return (Files.text(place) ?? "no \(place)").split(separator: "\n").first.map(String.init) ?? ""
  }

  private struct Change {
    var words: [String]
    var v1: (file: String, value: String)
    var v2: (file: String, value: String)

    init(_ words: String, _ v1: (String, String), _ v2: (String, String)) {
      self.words = words.split(separator: " ").map(String.init)
      self.v1 = v1
      self.v2 = v2
    }
  }

  private func check(
    _ id: String, _ change: Change, location: SourceLocation = #_sourceLocation
  ) {
    let found = read(id, change.v1.file, change.v2.file)
    let expected = OCIUpdateTests.isV2 ? change.v2.value : change.v1.value
    #expect(found == expected, "\(change.words)", sourceLocation: location)
  }

  @Test func `every option changes its limit`() throws {
    let id = try fixture.running("options")
    let unlimited = "9223372036854771712"
    for change in [
      Change(
        "--memory 64m", ("memory/memory.limit_in_bytes", "67108864"), ("memory.max", "67108864")),
      Change(
        "--memory 67108864 --memory-swap 134217728",
        ("memory/memory.memsw.limit_in_bytes", "134217728"), ("memory.swap.max", "67108864")),
      Change(
        "--memory-reservation 32M", ("memory/memory.soft_limit_in_bytes", "33554432"),
        ("memory.low", "33554432")),
      Change(
        "--memory -1 --memory-swap -1", ("memory/memory.limit_in_bytes", unlimited),
        ("memory.max", "max")),
      Change("--pids-limit 20", ("pids/pids.max", "20"), ("pids.max", "20")),
      Change("--pids-limit=-1", ("pids/pids.max", "max"), ("pids.max", "max")),
      Change("--cpu-share 512", ("cpu/cpu.shares", "512"), ("cpu.weight", "59")),
      Change(
        "--cpu-quota 50000 --cpu-period 200000", ("cpu/cpu.cfs_quota_us", "50000"),
        ("cpu.max", "50000 200000")),
      Change(
        "--cpu-period 100000", ("cpu/cpu.cfs_period_us", "100000"), ("cpu.max", "50000 100000")),
      Change("--cpu-burst 1000", ("cpu/cpu.cfs_burst_us", "1000"), ("cpu.max.burst", "1000")),
      Change("--cpu-quota -1", ("cpu/cpu.cfs_quota_us", "-1"), ("cpu.max", "max 100000")),
      Change("--cpuset-cpus 0", ("cpuset/cpuset.cpus", "0"), ("cpuset.cpus", "0")),
      Change("--cpuset-mems 0", ("cpuset/cpuset.mems", "0"), ("cpuset.mems", "0")),
      Change("--cpu-idle 1", ("cpu/cpu.idle", "1"), ("cpu.idle", "1")),
    ] {
      let result = try fixture.oci(["update"] + change.words + [id])
      #expect(result.status == 0, "\(change.words) \(result)")
      check(id, change)
    }
    // What kernels since 5.16 do not limit, and runc takes.
    #expect(try fixture.oci("update", "--kernel-memory", "1m", id).status == 0)
  }

  @Test func `what cannot be changed is refused and says which limit`() throws {
    let id = try fixture.running("refused") {
      try $0.set("linux.resources", #"{"pids":{"limit":7}}"#)
    }
    for (words, reason) in [
      (["--cpuset-cpus", "4000"], "cpuset cpus 4000"), (["--cpuset-mems", "99"], "cpuset mems 99"),
      (["--memory", "1k"], "memory limit 1024"), (["--memory", "-2"], "memory limit -2"),
      (["--memory", "much"], "--memory much"), (["--pids-limit", "x"], "--pids-limit x"),
      (["--memory", "99999999999g"], "--memory 99999999999g"),
      (["--cpu-quota", "1"], "cpu quota 1"), (["--cpu-share", "300000"], "cpu shares 300000"),
      (["--blkio-weight", "5"], "block io weight 5"),
      (["--l3-cache-schema", "L3:0=f"], "--l3-cache-schema"),
      (["--mem-bw-schema", "MB:0=20"], "--mem-bw-schema"), (["--cpus", "2"], "no such option"),
    ] where !(OCIUpdateTests.isV2 && ["--memory", "--cpu-share"].contains(words[0])) {
      fixture.expectFailure(try fixture.oci(["update"] + words + [id]), reason)
    }
    #expect(read(id, "pids/pids.max", "pids.max") == "7")
    try fixture.oci("kill", id, "KILL")
    #expect(try fixture.wait(id, for: "stopped"))
    fixture.expectFailure(try fixture.oci("update", "--pids-limit", "9", id), "not running")
  }

  @Test func `a document from a file or standard input`() throws {
    let id = try fixture.running("document")
    let document = """
      {"memory":{"limit":67108864,"reservation":33554432,"swap":0},
       "cpu":{"shares":256,"quota":30000,"period":60000,"cpus":"0","mems":"0"},
       "pids":{"limit":44},"blockIO":{"weight":0}}
      """
    let result = try fixture.oci(["update", "--resources", "-", id], input: Array(document.utf8))
    #expect(result.status == 0, "\(result)")
    func checkAll(memory: String, shares: (String, String), pids: String) {
      check(
        id, Change("memory", ("memory/memory.limit_in_bytes", memory), ("memory.max", memory)))
      check(
        id, Change("shares", ("cpu/cpu.shares", shares.0), ("cpu.weight", shares.1)))
      check(id, Change("pids", ("pids/pids.max", pids), ("pids.max", pids)))
      check(
        id, Change("quota", ("cpu/cpu.cfs_quota_us", "30000"), ("cpu.max", "30000 60000")))
      check(id, Change("cpus", ("cpuset/cpuset.cpus", "0"), ("cpuset.cpus", "0")))
    }
    checkAll(memory: "67108864", shares: ("256", "35"), pids: "44")
    // What a document does not name stays.
    let file = try fixture.base.write("resources.json", #"{"pids":{"limit":55}}"#)
    #expect(try fixture.oci("update", "-r", file, id).status == 0)
    checkAll(memory: "67108864", shares: ("256", "35"), pids: "55")
    for (text, reason) in [
      ("{", "resources"), (#"{"pids":{"limit":"many"}}"#, "pids.limit"),
      (#"{"memory":{"limit":1.5}}"#, "memory.limit"), ("[]", "resources"),
    ] {
      fixture.expectFailure(
        try fixture.oci(["update", "--resources", "-", id], input: Array(text.utf8)), reason)
    }
    fixture.expectFailure(
      try fixture.oci("update", "--resources", fixture.base.file("absent"), id), "no such file")
    checkAll(memory: "67108864", shares: ("256", "35"), pids: "55")
  }
}
