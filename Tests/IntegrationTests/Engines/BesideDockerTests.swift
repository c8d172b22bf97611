import Linux
import TestSupport
import Testing

extension UnderEngines {
  /// minidock on a host on which dockerd runs with networks and packet rules of its own.
  @Suite(
    .enabled(if: DockerHost.isInstalled, DockerHost.requirement),
    .enabled(if: hasProgram("iptables"), "needs iptables"))
  struct BesideDocker {
    @Test func containersOfBothReachOutWhateverWasThereFirst() throws {
      let (link, far) = ("mv" + randomHex(bytes: 5), "mv" + randomHex(bytes: 5))
      let outside = "md-lan-" + randomHex(bytes: 4)
      func host(_ words: String...) throws {
        let result = try TestSupport.run(["ip"] + words)
        try #require(result.status == 0, "\(words): \(result.errors)")
      }
      try host("netns", "add", outside)
      defer { _ = try? TestSupport.run(["ip", "netns", "del", outside]) }
      try host("link", "add", link, "type", "veth", "peer", "name", far, "netns", outside)
      try host("-n", outside, "addr", "add", "10.77.9.2/24", "dev", far)
      try host("-n", outside, "link", "set", far, "up")
      let docker = try DockerHost("beside", link: (link, "10.77.9.1/24"))
      let node = docker.node
      func minidock(_ words: String...) throws -> CommandResult {
        try node.run(
          [
            "env", "MINIDOCK_ROOT=\(node.directory)/root", "MINIDOCK_RUNROOT=/run/minidock",
            MinidockFixture.binary,
          ] + words)
      }
      func reachesOut() throws -> Bool {
        try minidock("run", "--rm", "busybox", "ping", "-c", "1", "-W", "3", "10.77.9.2").status
          == 0
      }
      // As dockerd has it on a host that was no router; whether this one was depends on the machine.
      try node.succeed(["iptables", "-P", "FORWARD", "DROP"])
      #expect(try reachesOut())
      let rules = try node.succeed(["iptables", "-S", "DOCKER-USER"])
      #expect(rules.contains("--src-group 0x6d64") && rules.contains("--dst-group 0x6d64"))
      // Control: they are what lets the container out.
      try node.succeed(["iptables", "-F", "DOCKER-USER"])
      let next = try minidock("ps")
      #expect(next.errors.contains("DOCKER-USER"), "\(next.errors)")
      #expect(try reachesOut(), "the next command had put them back")
      // Docker's own go on as before, beside a host that minidock keeps closed.
      let ping = ["ping", "-c", "1", "-W", "3", "10.77.9.2"]
      try docker.succeed("run", "--rm", "busybox", "ping", "-c", "1", "-W", "3", "10.77.9.2")
      try docker.succeed("network", "create", "theirs")
      #expect(
        try node.run(["docker", "run", "--rm", "--network", "theirs", "busybox"] + ping).status == 0
      )
      #expect(try reachesOut())
      // Not into one another.
      try docker.succeed("run", "-d", "--name", "server", "busybox", "sleep", "1000")
      let address = try docker.succeed(
        "inspect", "-f", "{{.NetworkSettings.IPAddress}}", "server")
      let crossing = try minidock("run", "--rm", "busybox", "ping", "-c", "1", "-W", "1", address)
      #expect(crossing.status != 0 || address.isEmpty)
      try docker.succeed("rm", "-f", "server")
    }
  }
}
