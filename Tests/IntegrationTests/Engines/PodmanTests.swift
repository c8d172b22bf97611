import Glibc
import Linux
import TestSupport
import Testing

extension UnderEngines {
  /// Under podman and its conmon.
  @Suite(.enabled(if: hasProgram("podman"), "needs podman (Debian: podman)"))
  struct Podman {
    let node: EngineNode

    init() throws {
      node = try EngineNode("podman", hierarchies: .withoutUnified)
      let storage = """
        [storage]
        driver = "overlay"
        graphroot = "\(node.directory)/graph"
        runroot = "/run/containers/storage"
        """
      try Files.replace(
        node.directory + "/storage.conf", with: Array(storage.utf8), mode: 0o644)
      // What docs/at-scale.md says for /etc/containers/containers.conf.
      let containers = """
        [engine]
        runtime = "minidock-oci"
        cgroup_manager = "cgroupfs"
        events_logger = "file"
        [engine.runtimes]
        minidock-oci = ["\(node.runtime)"]
        """
      try Files.replace(
        node.directory + "/containers.conf", with: Array(containers.utf8), mode: 0o644)
      try succeed(
        "import", String(cString: getenv("MINIDOCK_IMAGES")) + "/busybox.tar", "busybox")
    }

    private func podman(_ words: [String], input: [UInt8] = []) throws -> CommandResult {
      try node.run(
        [
          "env", "CONTAINERS_STORAGE_CONF=\(node.directory)/storage.conf",
          "CONTAINERS_CONF=\(node.directory)/containers.conf", "podman",
        ] + words, input: input)
    }

    @discardableResult
    private func succeed(
      _ words: String..., sourceLocation: SourceLocation = #_sourceLocation
    ) throws -> String {
      let result = try podman(words)
      try #require(result.status == 0, "\(words): \(result.errors)", sourceLocation: sourceLocation)
      return result.output.trimmingLineFeeds
    }

    private func expectNoLeaks(sourceLocation: SourceLocation = #_sourceLocation) throws {
      // podman keeps a group of its own for its monitors, and its storage mounted upon itself when two of
      // its processes unmount at once.
      let storage = " \(node.directory)/graph/overlay "
      var left: [String] = []
      for _ in 0..<300 {
        left = try node.leaks(roots: "/run/minidock-oci /run/runc")
          .filter { !$0.hasSuffix("/libpod_parent/conmon") && !$0.contains(storage) }
        if left.isEmpty { return }
        usleep(200_000)
      }
      #expect(left.isEmpty, sourceLocation: sourceLocation)
    }

    @Test func aContainerRunsIsExecutedInCheckedMeasuredAndRemoved() throws {
      #expect(try succeed("info", "-f", "{{.Host.OCIRuntime.Path}}") == node.runtime)
      let named = try podman(
        [
          "--runtime", node.runtime, "run", "--rm", "-i", "--network", "none", "busybox", "sh",
          "-c", "cat; echo error >&2; ip -o link show up | grep -c lo; exit 3",
        ], input: Array("input\n".utf8))
      #expect(named.status == 3)
      #expect(named.output == "input\n1\n" && named.errors == "error\n")
      let mapped = try succeed(
        "run", "--rm", "--network", "none", "--uidmap", "0:100000:65536", "--memory", "64m",
        "busybox", "sh", "-c", "id -u; tr -s ' ' < /proc/self/uid_map")
      #expect(mapped == "0\n 0 100000 65536")
      #expect(try podman(["run", "--rm", "--network", "none", "busybox", "nosuch"]).status == 127)
      #expect(try podman(["run", "--rm", "--network", "none", "busybox", "/etc"]).status == 126)

      try succeed(
        "run", "-d", "--name", "service", "--network", "none", "--health-cmd", "test -e /well",
        "--health-retries", "1", "busybox", "sh", "-c",
        "echo out; trap 'echo bye; exit 7' TERM; while :; do sleep 0.1; done")
      let executed = try podman(
        [
          "exec", "-i", "-w", "/tmp", "-u", "1:2", "service", "sh", "-c", "cat; pwd; id -u; exit 9",
        ],
        input: Array("input\n".utf8))
      #expect(executed.status == 9 && executed.output == "input\n/tmp\n1\n", "\(executed.errors)")
      #expect(try podman(["healthcheck", "run", "service"]).status == 1)
      try succeed("exec", "service", "touch", "/well")
      #expect(try podman(["healthcheck", "run", "service"]).status == 0)
      let inspected = try succeed(
        "inspect", "-f", "{{.State.Health.Status}} {{.OCIRuntime}}", "service")
      #expect(inspected.hasPrefix("healthy "), "\(inspected)")
      let processes = try succeed("stats", "--no-stream", "--format", "{{.PIDS}}", "service")
      #expect(Int(processes).map { $0 >= 1 } == true, "\(processes)")
      #expect(try succeed("top", "service").contains("sleep 0.1"))
      try succeed("pause", "service")
      #expect(try succeed("inspect", "-f", "{{.State.Status}}", "service") == "paused")
      try succeed("unpause", "service")
      try succeed("stop", "-t", "60", "service")
      #expect(try succeed("inspect", "-f", "{{.State.ExitCode}}", "service") == "7")
      #expect(try succeed("logs", "service") == "out\nbye")
      try succeed("start", "service")
      try succeed("rm", "-f", "-t", "0", "service")
      try expectNoLeaks()
    }

    @Test func aPodOfTwoContainersSharesItsNetwork() throws {
      // Its own infrastructure image would be built of a package that only rootless users need.
      try succeed(
        "pod", "create", "--name", "pod", "--network", "none", "--infra-image", "busybox",
        "--infra-command", "sleep 100000")
      try succeed(
        "run", "-d", "--pod", "pod", "--name", "server", "busybox", "sh", "-c",
        "mkdir /www; echo hello > /www/index.html; exec httpd -f -h /www")
      try succeed("run", "-d", "--pod", "pod", "--name", "client", "busybox", "sleep", "1000")
      try node.wait("answer") {
        try podman(["exec", "client", "wget", "-qO-", "http://127.0.0.1"]).output == "hello\n"
      }
      let hosts = try ["server", "client"].map { try succeed("exec", $0, "hostname") }
      #expect(hosts == ["pod", "pod"])
      #expect(
        try succeed("pod", "inspect", "-f", "{{.State}} {{.NumContainers}}", "pod") == "Running 3")
      try succeed("pod", "pause", "pod")
      #expect(try succeed("inspect", "-f", "{{.State.Status}}", "client") == "paused")
      try succeed("pod", "unpause", "pod")
      try succeed("pod", "rm", "-f", "-t", "0", "pod")
      #expect(try succeed("ps", "-aq") == "")
      try expectNoLeaks()
    }
  }
}
