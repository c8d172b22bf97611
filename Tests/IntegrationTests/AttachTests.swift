import Glibc
import Linux
import TestSupport
import Testing

/// `attach` without a terminal; the terminal's side is in ``TerminalTests``.
@Suite(.enabled(if: MinidockFixture.isAvailable, MinidockFixture.requirement))
struct AttachTests {
  let fixture: MinidockFixture

  init() throws {
    fixture = try MinidockFixture("attach")
    try fixture.importBusybox()
  }

  private func detached(_ flags: [String], _ name: String, _ script: String) throws {
    try fixture.succeed(
      ["run", "-d", "--network", "none", "--name", name] + flags + ["busybox", "sh", "-c", script])
  }

  @Test func itShowsWhatComesAndEndsWithTheCommandsStatus() throws {
    try detached([], "shown", "echo early; sleep 0.6; echo out; echo err >&2; exit 6")
    try fixture.eventually("the first line") { try fixture.succeed("logs", "shown") == "early" }
    let followers = try (0..<3).map { _ in try fixture.start("attach", "shown") }
    for follower in followers {
      let result = try follower.wait(timeoutSeconds: 20)
      #expect(result.status == 6 && result.output == "out\n" && result.errors == "err\n")
    }
    try fixture.succeed("rm", "shown")
  }

  @Test func inputReachesACommandThatTakesAny() throws {
    try detached(["-i"], "reader", "while read line; do echo got $line; done; echo end")
    let first = try fixture.minidock(
      ["attach", "reader"], input: Array("one\ntwo\n".utf8), timeoutSeconds: 1)
    // The end of one client's input is not the end of the command's: others may come.
    #expect(first.status == 124 || first.status == 137, "\(first)")
    try fixture.eventually("it has read") {
      try fixture.succeed("logs", "reader").lines == ["got one", "got two"]
    }
    try fixture.succeed("rm", "-f", "reader")
    // Without -i there is none.
    try detached([], "deaf", "read line; echo nothing; sleep 0.5")
    let result = try fixture.minidock(["attach", "deaf"], input: Array("one\n".utf8))
    #expect(result.status == 0)
    #expect(try fixture.succeed("logs", "deaf") == "nothing")
    try fixture.succeed("rm", "deaf")
  }

  @Test func signalsArePassedOnUnlessThatIsTurnedOff() throws {
    let script = "trap 'exit 11' USR1; echo ready; while :; do sleep 0.02; done"
    try detached([], "proxied", script)
    try fixture.eventually("it is ready") { try fixture.succeed("logs", "proxied") == "ready" }
    let quiet = try fixture.start("attach", "--sig-proxy=false", "proxied")
    let loud = try fixture.start("attach", "proxied")
    usleep(300_000)
    quiet.signal(SIGUSR1)
    usleep(100_000)
    #expect(try fixture.inspect("proxied", ".State.Running") == "true")
    loud.signal(SIGUSR1)
    #expect(try loud.wait(timeoutSeconds: 10).status == 11)
    #expect(try quiet.wait(timeoutSeconds: 10).status == 11)
    try fixture.succeed("rm", "proxied")
  }

  @Test func whatCannotBeAttachedToIsSaid() throws {
    #expect(try fixture.refuse(["attach", "nobody"], status: 1).contains("no such container"))
    try detached([], "ended", "true")
    try fixture.succeed("wait", "ended")
    #expect(try fixture.refuse(["attach", "ended"], status: 1).contains("exited, not running"))
    try detached(["--log-driver", "none"], "silent", "sleep 60")
    #expect(try fixture.refuse(["attach", "silent"], status: 1).contains("kept nowhere"))
    try fixture.succeed("pause", "silent")
    #expect(try fixture.refuse(["attach", "silent"], status: 1).contains("paused"))
    try fixture.succeed("rm", "-f", "ended", "silent")
  }

  /// Row 35: unread output and dropped clients cost the monitor nothing.
  @Test func sec35_CVE_2025_64329_droppedClientsAndUnreadOutputDoNotGrowTheMonitor() throws {
    try detached(["-i"], "target", "while :; do head -c 100000 /dev/zero; sleep 0.01; done")
    let monitor = try fixture.monitor(of: "target")
    func memory() -> Int {
      let text = Files.text("/proc/\(monitor)/smaps_rollup") ?? ""
      let line = text.split(separator: "\n").first { $0.hasPrefix("Private_Dirty:") }
      return line.flatMap { Int($0.filter(\.isNumber)) } ?? 0
    }
    func descriptors() throws -> Int { try Files.list("/proc/\(monitor)/fd").count }
    try fixture.eventually("it prints") {
      try !fixture.succeed("logs", "-n", "1", "target").isEmpty
    }
    let (before, open) = (memory(), try descriptors())
    #expect(before > 0)
    let rounds = min(250, SecurityRows.rounds)
    let result = try fixture.shell(
      #"""
      # One that never reads, and many that are killed.
      "$MINIDOCK" attach --no-stdin target | { sleep 600; } &
      for round in $(seq "$1"); do
        "$MINIDOCK" attach target < /dev/null > /dev/null 2>&1 &
        pid=$!
        "$MINIDOCK" exec target yes 2> /dev/null | head -c 65536 > /dev/null &
        [ $((round % 10)) = 0 ] && sleep 0.1
        kill -9 $pid; wait $pid 2> /dev/null
      done
      wait $! 2> /dev/null; pkill -P $$ sleep; kill $(jobs -p) 2> /dev/null; exit 0
      """#, "\(rounds)", timeoutSeconds: 300)
    #expect(result.status == 0, "\(result.errors)")
    try fixture.eventually("its connections are closed") { try descriptors() <= open }
    #expect(memory() - before < 300, "\(before) kB, then \(memory()) kB")
    try fixture.succeed("rm", "-f", "target")
    try fixture.expectNoLeaks()
  }
}
