import Linux
import TestSupport
import Testing

/// Limits on resources, observed in the container's own cgroups, and refused where they make no sense.
@Suite(.enabled(if: MinidockFixture.isAvailable, MinidockFixture.requirement))
struct LimitsTests {
  let fixture: MinidockFixture

  init() throws { fixture = try MinidockFixture("limits") }

  /// The files of a controller: version 1's name, else version 2's in the one hierarchy.
  private func read(_ flags: [String], _ controller: String, v1: [String], v2: [String]) throws
    -> String
  {
    try fixture.inside(
      flags,
      """
      if cd /sys/fs/cgroup/\(controller) 2>/dev/null; then cat \(v1.joined(separator: " "))
      else cd /sys/fs/cgroup; cat \(v2.joined(separator: " ")); fi
      """)
  }

  private var isUnified: Bool { Files.exists("/sys/fs/cgroup/cgroup.controllers") }

  @Test func memorySwapAndReservation() throws {
    let seen = try read(
      ["-m", "64m", "--memory-swap", "96m", "--memory-reservation", "32m"], "memory",
      v1: ["memory.limit_in_bytes", "memory.memsw.limit_in_bytes", "memory.soft_limit_in_bytes"],
      v2: ["memory.max", "memory.swap.max", "memory.low"])
    #expect(
      seen
        == (isUnified ? "67108864\n33554432\n33554432" : "67108864\n100663296\n33554432"))
  }

  @Test func processorTimeAndShares() throws {
    let seen = try read(
      ["--cpus", "0.5", "--cpu-shares", "512"], "cpu",
      v1: ["cpu.cfs_quota_us", "cpu.cfs_period_us", "cpu.shares"], v2: ["cpu.max"])
    #expect(seen == (isUnified ? "50000 100000" : "50000\n100000\n512"))
  }

  @Test func processorsToRunOn() throws {
    #expect(
      try fixture.inside(
        ["--cpuset-cpus", "0"], "grep Cpus_allowed_list /proc/self/status | cut -f 2") == "0")
    try fixture.refuse(["run", "--rm", "--cpuset-cpus", "4095", "busybox", "true"], status: 125)
  }

  @Test func numberOfTasks() throws {
    #expect(try read(["--pids-limit", "20"], "pids", v1: ["pids.max"], v2: ["pids.max"]) == "20")
    let result = try fixture.run(
      "--pids-limit", "20", "busybox", "sh", "-c", "for i in $(seq 40); do sleep 2 & done; wait")
    #expect(result.status != 0)
    #expect(result.errors.contains("fork"))
  }

  @Test func weightOfBlockInputAndOutputIsAppliedOrRefusedByName() throws {
    let result = try fixture.run(
      "--blkio-weight", "300", "busybox", "sh", "-c",
      "cd /sys/fs/cgroup/blkio 2>/dev/null || cd /sys/fs/cgroup; cat blkio.bfq.weight blkio.weight io.bfq.weight"
    )
    if result.status == 125 {
      #expect(result.errors.contains("blkio") || result.errors.contains("io"))
    } else {
      #expect(result.output.contains("300"))
    }
  }

  @Test func tooMuchMemoryEndsIn137AndInspectSaysSo() throws {
    let result = try fixture.minidock([
      "run", "--network", "none", "--name", "greedy", "-m", "16m", "--memory-swap", "16m",
      "busybox",
      "tail", "/dev/zero",
    ])
    #expect(result.status == 137)
    #expect(
      try fixture.succeed("inspect", "-f", "{{.State.OOMKilled}} {{.State.ExitCode}}", "greedy")
        == "true 137")
    // The control: killed for another reason.
    let killed = try fixture.minidock([
      "run", "--network", "none", "--name", "modest", "-m", "64m", "busybox", "sh", "-c",
      "sh -c 'kill -9 $$'; exit 137",
    ])
    #expect(killed.status == 137)
    #expect(try fixture.succeed("inspect", "-f", "{{.State.OOMKilled}}", "modest") == "false")
    try fixture.succeed("rm", "greedy", "modest")
    try fixture.expectNoLeaks()
  }

  @Test func inspectTellsTheLimits() throws {
    try fixture.succeed(
      "run", "--network", "none", "--name", "limited", "-m", "64m", "--memory-swap", "64m",
      "--cpus",
      "1.5", "--cpu-shares", "100", "--pids-limit", "50", "--cpuset-cpus", "0", "busybox", "true")
    let template =
      "{{.HostConfig.Memory}} {{.HostConfig.MemorySwap}} {{.HostConfig.NanoCpus}} "
      + "{{.HostConfig.CpuShares}} {{.HostConfig.PidsLimit}} {{.HostConfig.CpusetCpus}}"
    #expect(
      try fixture.succeed("inspect", "-f", template, "limited")
        == "67108864 67108864 1500000000 100 50 0")
  }

  @Test func limitsThatMakeNoSenseAreRefusedByName() throws {
    try fixture.importBusybox()
    let wrong: [[String]] = [
      ["-m", "1m"], ["-m", "lots"], ["-m", "-5"], ["--memory-swap", "64m"],
      ["-m", "64m", "--memory-swap", "32m"], ["-m", "64m", "--memory-reservation", "128m"],
      ["--cpus", "nan"], ["--cpus", "-1"], ["--cpus", "0.001"],
      ["--cpus", "1", "--cpu-quota", "5"],
      ["--cpu-shares", "many"], ["--cpuset-cpus", "x"], ["--pids-limit", "few"],
      ["--blkio-weight", "5"], ["--blkio-weight", "1001"], ["--blkio-weight", "x"],
    ]
    for flags in wrong {
      // In the form --flag=value, as a value may begin with a dash.
      var words: [String] = []
      for index in stride(from: 0, to: flags.count, by: 2) {
        let flag = flags[index] == "-m" ? "--memory" : flags[index]
        words.append("\(flag)=\(flags[index + 1])")
      }
      let line = try fixture.refuse(
        ["run", "--rm", "--network", "none"] + words + ["busybox", "true"], status: 125)
      let subject = words.last!.drop { $0 == "-" }.prefix { $0 != "=" && $0 != "-" }
      #expect(line.contains(subject), "\(words): \(line)")
    }
    try fixture.expectNoLeaks()
  }
}
