import Linux
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

    @Test func tasksLeaveANodeThatIsCutOffAndComeBackAfterwards() throws {
      let link = "md" + randomHex(bytes: 4)
      try #require(
        try run(["ip", "link", "add", link + "a", "type", "veth", "peer", "name", link + "b"])
          .status == 0)
      let manager = try DockerHost("first", link: (link + "a", "10.231.98.1/24"))
      let worker = try DockerHost("second", link: (link + "b", "10.231.98.2/24"))
      // The shorter the nodes' heartbeat, the sooner one that is silent counts as down.
      try manager.succeed(
        "swarm", "init", "--advertise-addr", "10.231.98.1", "--dispatcher-heartbeat", "1s")
      let token = try manager.succeed("swarm", "join-token", "-q", "worker")
      try worker.succeed(
        "swarm", "join", "--token", token, "--advertise-addr", "10.231.98.2", "10.231.98.1:2377")
      func tasks(_ host: DockerHost) throws -> Int {
        try host.succeed("ps", "-q", "--filter", "name=web.").split(separator: "\n").count
      }
      func state() throws -> String {
        try manager.succeed(
          "node", "inspect", "-f", "{{.Status.State}}", worker.node.name)
      }
      try manager.node.wait("worker") { try state() == "ready" }
      try manager.succeed(
        "service", "create", "--quiet", "--detach", "--name", "web", "--replicas", "4",
        "--no-resolve-image", "--stop-grace-period", "1s", "busybox", "sleep", "1000")
      try manager.node.wait("tasks on both") { try tasks(manager) == 2 && tasks(worker) == 2 }

      try worker.node.succeed(["ip", "link", "set", "eth0", "down"])
      try manager.node.wait("tasks that moved") { try tasks(manager) == 4 }
      #expect(try state() == "down")
      // Nobody can tell the node; its containers go on until it hears of it.
      #expect(try tasks(worker) == 2)
      try worker.node.succeed(["ip", "link", "set", "eth0", "up"])
      try manager.node.wait("worker again") { try state() == "ready" }
      try worker.node.wait("superfluous tasks") { try tasks(worker) == 0 }
      try worker.expectNoLeaks()

      // Swarm moves what runs to a node that is back only when it makes tasks anew.
      try manager.succeed(
        "service", "update", "--quiet", "--detach", "--force", "--update-parallelism", "4", "web")
      try manager.node.wait("tasks back") { try tasks(manager) == 2 && tasks(worker) == 2 }
      try manager.succeed("service", "rm", "web")
      for host in [worker, manager] {
        try host.node.wait("no task") { try host.succeed("ps", "-aq").isEmpty }
        try host.expectNoLeaks()
      }
    }
  }
}
