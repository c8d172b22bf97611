import TestSupport
import Testing

extension UnderEngines {
  /// Services of Docker Swarm, whose tasks minidock runs.
  @Suite(.enabled(if: DockerHost.isInstalled, DockerHost.requirement))
  struct Swarm {
    @Test func aServiceOfThreeReplicasIsScaledUpdatedAndRemoved() throws {
      let host = try DockerHost("swarm")
      try host.succeed("swarm", "init", "--advertise-addr", "127.0.0.1")
      try host.succeed(
        "service", "create", "--quiet", "--detach", "--name", "web", "--replicas", "3",
        "--no-resolve-image", "busybox", "sleep", "1000")
      func tasks(_ filter: String...) throws -> [String] {
        try host.node.succeed(
          ["docker", "ps", "--no-trunc", "--format", "{{.ID}}", "--filter", "name=web."]
            + filter.flatMap { ["--filter", $0] }
        ).split(separator: "\n").map(String.init)
      }
      try host.node.wait("three tasks") { try tasks().count == 3 }
      for task in try tasks() {
        #expect(try host.succeed("inspect", "-f", "{{.HostConfig.Runtime}}", task) == "minidock")
      }
      try host.succeed("service", "scale", "--detach", "web=5")
      try host.node.wait("five tasks") { try tasks().count == 5 }

      let before = try tasks()
      try host.succeed(
        "service", "update", "--quiet", "--detach", "--no-resolve-image", "--env-add", "NEW=1",
        "--update-parallelism", "5", "--stop-grace-period", "1s", "web")
      try host.node.wait("updated tasks") {
        let now = try tasks()
        return now.count == 5 && now.allSatisfy { !before.contains($0) }
      }
      for task in try tasks() {
        #expect(try host.succeed("exec", task, "sh", "-c", "echo $NEW") == "1")
      }

      // A task that dies is replaced.
      let victim = try tasks()[0]
      try host.succeed("kill", victim)
      try host.node.wait("replaced task") {
        let now = try tasks()
        return now.count == 5 && !now.contains(victim)
      }
      try host.succeed("service", "scale", "--detach", "web=1")
      try host.node.wait("one task") { try tasks().count == 1 }
      try host.succeed("service", "rm", "web")
      try host.node.wait("no task") { try host.succeed("ps", "-aq").isEmpty }
      try host.succeed("swarm", "leave", "--force")
      try host.expectNoLeaks()
    }
  }
}
