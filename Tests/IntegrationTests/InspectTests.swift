import Glibc
import Linux
import TestSupport
import Testing

/// docker's paths in `inspect`, and what `ps` shows of health, sizes and states.
@Suite(.enabled(if: MinidockFixture.isAvailable, MinidockFixture.requirement))
struct InspectTests {
  let fixture: MinidockFixture

  init() throws {
    fixture = try MinidockFixture("inspect")
    try fixture.importBusybox()
  }

  private func get(_ path: String, _ name: String = "box") throws -> String {
    try fixture.succeed("inspect", "-f", "{{\(path)}}", name)
  }

  @Test func whatWasAskedForIsFoundAtDockersPaths() throws {
    try fixture.succeed(
      "create", "--name", "box", "-i", "--network", "none", "--restart", "on-failure:3",
      "--log-opt",
      "max-size=1m", "--dns", "10.0.0.1", "--dns-search", "lan", "--dns-option", "ndots:2",
      "--add-host", "a:10.0.0.2", "--group-add", "7", "--oom-score-adj", "100", "--security-opt",
      "no-new-privileges", "--sysctl", "net.ipv4.ip_forward=1", "--ulimit", "nofile=100:200",
      "--device", "/dev/zero", "--cpu-period", "50000", "--cpu-quota", "25000", "--stop-timeout",
      "5", "--domainname", "lan", "--cgroup-parent", "/mine", "busybox", "true")
    let expected = [
      ".State.Status": "created", ".State.Running": "false", ".State.Pid": "0",
      ".State.StartedAt": "0001-01-01T00:00:00Z", ".RestartCount": "0", ".LogPath": "",
      ".HostConfig.RestartPolicy.Name": "on-failure",
      ".HostConfig.RestartPolicy.MaximumRetryCount": "3", ".HostConfig.LogConfig.Type": "local",
      "index .HostConfig.LogConfig.Config \"max-size\"": "1048576",
      ".HostConfig.Dns": "[10.0.0.1]", ".HostConfig.DnsSearch": "[lan]",
      ".HostConfig.DnsOptions": "[ndots:2]", ".HostConfig.ExtraHosts": "[a:10.0.0.2]",
      ".HostConfig.GroupAdd": "[7]", ".HostConfig.OomScoreAdj": "100",
      ".HostConfig.SecurityOpt": "[no-new-privileges]",
      "index .HostConfig.Sysctls \"net.ipv4.ip_forward\"": "1",
      "json .HostConfig.Ulimits": #"[{"Name":"nofile","Hard":200,"Soft":100}]"#,
      "(index .HostConfig.Devices 0)": "", ".HostConfig.CpuQuota": "25000",
      ".HostConfig.CpuPeriod": "50000", ".HostConfig.CpusetMems": "",
      ".HostConfig.BlkioWeight": "0",
      ".HostConfig.CgroupParent": "/mine", ".HostConfig.AutoRemove": "false",
      ".HostConfig.VolumesFrom": "<no value>", ".Config.OpenStdin": "true",
      ".Config.StdinOnce": "true", ".Config.AttachStdin": "true", ".Config.Tty": "false",
      ".Config.StopTimeout": "5", ".Config.Domainname": "lan", ".Config.Volumes": "<no value>",
      ".Config.ExposedPorts": "map[]", ".Config.Healthcheck": "<no value>",
      ".ExecIDs": "<no value>", ".GraphDriver.Name": "overlay2",
    ]
    for (path, value) in expected where !path.hasPrefix("(") {
      #expect(try get(path) == value, "\(path)")
    }
    let devices = try get("json .HostConfig.Devices")
    #expect(devices.contains(#""PathInContainer":"/dev/zero""#))
    let id = try get(".Id")
    let directory = fixture.root + "/containers/" + id
    #expect(try get(".GraphDriver.Data.UpperDir") == directory + "/upper")
    #expect(try get(".GraphDriver.Data.WorkDir") == directory + "/work")
    #expect(try get(".GraphDriver.Data.MergedDir") == directory + "/rootfs")
    let lower = try get(".GraphDriver.Data.LowerDir")
    #expect(lower.hasPrefix(fixture.root + "/layers/") && Files.exists(lower + "/bin/busybox"))
    try fixture.succeed("rm", "box")
    try fixture.expectNoLeaks()
  }

  @Test func theStateOfALifeWithHealthPauseAndSize() throws {
    try fixture.succeed(
      "run", "-d", "--network", "none", "--name", "box", "--health-cmd", "echo tested; test -e /ok",
      "--health-interval", "100ms", "--health-retries", "2", "busybox", "sh", "-c",
      "head -c 5000 /dev/zero > /written; exec sleep 1000")
    func waitFor(_ status: String) throws {
      for _ in 0..<300 {
        if try get(".State.Health.Status") == status { return }
        usleep(20_000)
      }
      Issue.record("it does not become \(status)")
    }
    try waitFor("unhealthy")
    #expect(
      try get("json .Config.Healthcheck.Test") == #"["CMD-SHELL","echo tested; test -e /ok"]"#)
    #expect(try get(".Config.Healthcheck.Interval") == "100000000")
    #expect((Int(try get(".State.Health.FailingStreak")) ?? 0) >= 2)
    let log =
      "{{range .State.Health.Log}}{{.ExitCode}} {{json .Output}} {{.Start}} {{.End}};{{end}}"
    #expect(
      try fixture.succeed("inspect", "-f", log, "box").hasPrefix(#"1 "tested\n" 20"#))
    #expect(try fixture.succeed("ps", "--format", "{{.Status}}").hasSuffix("(unhealthy)"))
    #expect(try fixture.succeed("ps", "-q", "--filter", "health=healthy") == "")
    #expect(try fixture.succeed("explain", "box").contains("running, but unhealthy"))
    try fixture.succeed("exec", "box", "touch", "/ok")
    try waitFor("healthy")
    #expect(
      try fixture.succeed("ps", "--format", "{{.Names}}", "--filter", "health=healthy") == "box")
    #expect(try fixture.succeed("ps", "-q", "--filter", "health=none") == "")
    try fixture.refuse(["ps", "--filter", "health=poorly"], status: 1)
    try fixture.succeed("pause", "box")
    #expect(
      try get("json .State.Paused") + get("json .State.Running") + get(".State.Status")
        == "truetruepaused")
    #expect(try fixture.succeed("ps", "--format", "{{.Status}}").hasSuffix("(Paused)"))
    #expect(try fixture.succeed("ps", "-q", "--filter", "status=paused") != "")
    #expect(try fixture.succeed("explain", "box").contains("is paused"))
    try fixture.succeed("unpause", "box")
    #expect(try fixture.succeed("inspect", "-s", "-f", "{{.SizeRw}}", "box") == "5000")
    #expect(
      (Int(try fixture.succeed("inspect", "-s", "-f", "{{.SizeRootFs}}", "box")) ?? 0) > 500_000)
    try fixture.refuse(["inspect", "-f", "{{.SizeRw}}", "box"], status: 1)
    #expect(try fixture.succeed("ps", "-s").lines[0].hasSuffix("SIZE"))
    #expect(try fixture.succeed("ps", "--format", "{{.Size}}").hasPrefix("5kB (virtual "))
    #expect(try fixture.succeed("ps", "--format", "{{.LocalVolumes}}") == "0")
    #expect(try get(".LogPath").hasSuffix(".data"))
    try fixture.succeed("rm", "-f", "box")
    try fixture.expectNoLeaks()
  }

  @Test func containersAreSelectedByWhatTheyMount() throws {
    try fixture.succeed(
      "create", "--name", "bound", "-v", "\(fixture.sentinel):/data", "busybox", "true")
    try fixture.succeed("create", "--name", "plain", "busybox", "true")
    for place in ["/data", fixture.sentinel] {
      #expect(
        try fixture.succeed("ps", "-a", "--format", "{{.Names}}", "--filter", "volume=\(place)")
          == "bound")
    }
    #expect(try fixture.succeed("ps", "-aq", "--filter", "volume=/dat") == "")
    try fixture.succeed("rm", "bound", "plain")
    try fixture.expectNoLeaks()
  }
}
