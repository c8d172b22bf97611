import TestSupport
import Testing

extension UnderEngines {
  /// Under containerd's shim, by `ctr`.
  @Suite(.enabled(if: ContainerdHost.isInstalled, ContainerdHost.requirement))
  struct Containerd {
    let host: ContainerdHost

    init() throws { host = try ContainerdHost("ctr") }

    @Test func commandsRunWithTheirOutputStatusAndRights() throws {
      let plain = try host.run("plain", [], "sh", "-c", "echo out; echo error >&2; exit 5")
      #expect(plain.status == 5)
      #expect(plain.output == "out\n" && plain.errors.contains("error"))
      let options = try host.run(
        "options",
        [
          "--read-only", "--cwd", "/bin", "--env", "A=B", "--cap-drop", "CAP_CHOWN", "--seccomp",
          "--mount", "type=tmpfs,dst=/mnt,options=size=1m",
        ],
        "sh", "-c", "pwd; echo $A; touch /x; touch /mnt/x && grep Seccomp: /proc/self/status")
      #expect(options.output == "/bin\nB\nSeccomp:\t2\n", "\(options.errors)")
      let mapped = try host.run(
        "mapped", ["--uidmap", "0:100000:65536", "--gidmap", "0:100000:65536"],
        "sh", "-c", "id -u; tr -s ' ' < /proc/self/uid_map")
      #expect(mapped.output == "0\n 0 100000 65536\n", "\(mapped.errors)")
      let missing = try host.run("missing", [], "nosuch")
      #expect(missing.status != 0)
      #expect(missing.errors.contains(#""nosuch": executable file not found in $PATH"#))
      try host.expectNoLeaks()
    }

    @Test func aTaskIsExecutedInPausedMeasuredKilledAndDeleted() throws {
      try host.succeed(
        "run", "-d", "--runc-binary", host.node.runtime, "--memory-limit", "67108864",
        ContainerdHost.image, "task", "sh", "-c", "trap 'exit 7' TERM; while :; do sleep 0.1; done")
      func status() throws -> String {
        let line = try host.succeed("task", "ls").split(separator: "\n").last ?? ""
        return line.split(separator: " ").last.map(String.init) ?? ""
      }
      #expect(try status() == "RUNNING")
      let executed = try host.ctr(
        "task", "exec", "--exec-id", "one", "--cwd", "/tmp", "task", "sh", "-c", "pwd; exit 4")
      #expect(executed.status == 4 && executed.output == "/tmp\n", "\(executed.errors)")
      let terminal = try host.node.shell(
        "script -qec 'ctr task exec -t --exec-id two task tty' /dev/null < /dev/null")
      #expect(terminal.output.contains("/dev/pts/0"), "\(terminal)")

      try host.succeed("task", "pause", "task")
      #expect(try status() == "PAUSED")
      try host.succeed("task", "resume", "task")
      #expect(try status() == "RUNNING")
      let metrics = try host.succeed("task", "metrics", "task")
      #expect(metrics.contains("67108864"), "\(metrics)")
      #expect(try host.succeed("task", "ps", "task").split(separator: "\n").count >= 2)

      try host.succeed("task", "kill", "-s", "TERM", "task")
      try host.node.wait("stopped") { try status() == "STOPPED" }
      let deleted = try host.ctr("task", "delete", "task")
      #expect(deleted.errors.contains("exit code 7"), "\(deleted)")
      try host.succeed("container", "delete", "task")
      try host.expectNoLeaks()
    }
  }
}
