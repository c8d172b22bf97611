import TestSupport
import Testing

extension UnderEngines {
  /// Under dockerd, as one runtime among several and as the default one.
  @Suite(.enabled(if: DockerHost.isInstalled, DockerHost.requirement))
  struct Docker {
    let host: DockerHost

    init() throws { host = try DockerHost("docker") }

    @Test func commandsRunWithTheirStandardStreamsAndStatus() throws {
      #expect(try host.succeed("info", "-f", "{{.DefaultRuntime}}") == "minidock")
      // dockerd takes the runtime's version from its line "commit:".
      let commit = try host.succeed("info", "-f", "{{.RuncCommit.ID}}")
      let told = try TestSupport.run([MinidockFixture.runtime, "--version"]).output
      #expect(commit.hasPrefix("v") && told.contains("\ncommit: \(commit)\n"), "\(commit) \(told)")
      let named = try host.docker(
        "run", "--rm", "-i", "--runtime", "minidock", "busybox", "sh", "-c",
        "cat; echo error >&2; exit 3", input: Array("input".utf8))
      #expect(named.status == 3)
      #expect(named.output == "input" && named.errors == "error\n")
      #expect(try host.succeed("run", "--rm", "--init", "busybox", "echo", "init") == "init")
      // Whatever of all capabilities the host has itself.
      #expect(try host.succeed("run", "--rm", "--privileged", "busybox", "echo", "all") == "all")
      #expect(try host.docker("run", "--rm", "busybox", "nosuch").status == 127)
      #expect(try host.docker("run", "--rm", "busybox", "/etc").status == 126)
      let options = try host.succeed(
        "run", "--rm", "--read-only", "--user", "7:8", "--cap-drop", "ALL", "--hostname", "inside",
        "--memory", "32m", "--pids-limit", "50", "--ulimit", "nofile=99", "--tmpfs", "/tmp",
        "--sysctl", "net.ipv4.ip_default_ttl=77", "--env", "A=B", "--workdir", "/bin",
        "busybox", "sh", "-c",
        """
        id -u; id -g; hostname; pwd; echo $A; ulimit -n; cat /proc/sys/net/ipv4/ip_default_ttl
        grep CapEff /proc/self/status; touch /file; touch /tmp/file && echo written
        """)
      #expect(
        options.split(separator: "\n") == [
          "7", "8", "inside", "/bin", "B", "99", "77", "CapEff:\t0000000000000000", "written",
        ])
      try host.expectNoLeaks()
    }

    @Test func aServiceIsExecutedInPausedMeasuredLimitedAndStopped() throws {
      try host.succeed(
        "run", "-d", "--name", "service", "--stop-timeout", "60", "busybox", "sh", "-c",
        """
        echo out; echo error >&2; trap 'echo bye; exit 7' TERM; while :; do sleep 0.1; done
        """)
      let executed = try host.docker(
        "exec", "-i", "-e", "A=B", "-w", "/tmp", "-u", "1:2", "service", "sh", "-c",
        "cat; echo $A; pwd; id -u; id -g; exit 9", input: Array("input\n".utf8))
      #expect(executed.status == 9)
      #expect(executed.output == "input\nB\n/tmp\n1\n2\n", "\(executed.errors)")
      let terminal = try host.node.shell(
        "script -qec 'docker exec -it service tty' /dev/null < /dev/null")
      #expect(terminal.output.contains("/dev/pts/0"), "\(terminal)")
      let missing = try host.docker("exec", "service", "nosuch")
      #expect(missing.status == 126 || missing.status == 127)
      #expect(missing.output.contains(#""nosuch": executable file not found in $PATH"#))
      #expect(try host.succeed("top", "service").contains("sleep 0.1"))
      let memory = try host.succeed("stats", "--no-stream", "--format", "{{.MemUsage}}", "service")
      #expect(!memory.hasPrefix("0B"), "\(memory)")
      try host.succeed("update", "--memory", "64m", "--memory-swap", "64m", "service")
      #expect(
        try host.succeed("stats", "--no-stream", "--format", "{{.MemUsage}}", "service")
          .hasSuffix("/ 64MiB"))

      try host.succeed("pause", "service")
      #expect(try host.succeed("inspect", "-f", "{{.State.Status}}", "service") == "paused")
      try host.succeed("unpause", "service")
      try host.succeed("stop", "service")
      #expect(try host.succeed("inspect", "-f", "{{.State.ExitCode}}", "service") == "7")
      #expect(try host.succeed("logs", "service") == "out\nbye")
      try host.succeed("start", "service")
      try host.succeed("kill", "service")
      #expect(try host.succeed("wait", "service") == "137")
      try host.succeed("rm", "service")
      try host.expectNoLeaks()
    }

    @Test func aHealthCheckFollowsTheContainersState() throws {
      try host.succeed(
        "run", "-d", "--name", "checked", "--health-cmd", "test -e /well",
        "--health-interval", "1s", "--health-retries", "2", "busybox", "sleep", "1000")
      func becomes(_ status: String) throws {
        try host.node.wait("health \(status)") {
          try host.succeed("inspect", "-f", "{{.State.Health.Status}}", "checked") == status
        }
      }
      try becomes("unhealthy")
      try host.succeed("exec", "checked", "touch", "/well")
      try becomes("healthy")
      try host.succeed("rm", "-f", "checked")
      try host.expectNoLeaks()
    }

    @Test func publishedPortsNamespacesOfOthersAndRestartsWork() throws {
      try host.succeed(
        "run", "-d", "--name", "server", "--publish", "8080:80", "--restart", "always", "busybox",
        "sh", "-c", "mkdir /www; hostname > /www/index.html; exec httpd -f -h /www")
      try host.node.wait("answer") {
        try host.node.shell(
          "exec 3<> /dev/tcp/127.0.0.1/8080; printf 'GET / HTTP/1.0\\n\\n' >&3; grep -q '200 OK' <&3"
        ).status == 0
      }
      let sharing = try host.succeed(
        "run", "--rm", "--network", "container:server", "--pid", "container:server", "busybox",
        "sh", "-c", "wget -qO- http://127.0.0.1 | wc -c; ps | grep -c '[h]ttpd'")
      #expect(sharing == "13\n1")
      // A process that is killed from outside is a container that ended, and comes back.
      try host.node.shell("kill -9 $(docker inspect -f '{{.State.Pid}}' server)")
      try host.node.wait("restart") {
        try host.succeed("inspect", "-f", "{{.RestartCount}} {{.State.Running}}", "server")
          == "1 true"
      }
      try host.succeed("rm", "-f", "server")
      try host.expectNoLeaks()
    }
  }
}
