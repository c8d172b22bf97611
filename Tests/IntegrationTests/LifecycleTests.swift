import Glibc
import Linux
import TestSupport
import Testing

/// Containers that live beyond the command that made them: created, started, stopped, renamed, removed.
@Suite(.enabled(if: MinidockFixture.isAvailable, MinidockFixture.requirement))
struct LifecycleTests {
  let fixture: MinidockFixture

  init() throws {
    fixture = try MinidockFixture("life")
    try fixture.importBusybox()
  }

  /// Starts a container in the background and returns its id.
  @discardableResult
  private func detached(_ name: String, _ arguments: String...) throws -> String {
    try fixture.succeed(["run", "-d", "--network", "none", "--name", name, "busybox"] + arguments)
  }

  private func state(_ name: String) throws -> String {
    try fixture.inspect(name, ".State.Status")
  }

  @Test func aDetachedContainerIsLeftRunningAndItsIDPrinted() throws {
    let id = try detached("one", "sleep", "60")
    #expect(id.count == 64)
    #expect(try fixture.succeed("ps", "--no-trunc", "-q") == id)
    #expect(try fixture.succeed("ps", "--format", "{{.Names}} {{.State}}") == "one running")
    // The monitor belongs to nobody's session and has nothing of its caller's open.
    let monitor = try fixture.monitor(of: "one")
    #expect(getsid(monitor) == monitor)
    for number in 0...2 {
      #expect(SymbolicLinks.read("/proc/\(monitor)/fd/\(number)") == "/dev/null")
    }
    #expect(SymbolicLinks.read("/proc/\(monitor)/cwd") == "/")
    try fixture.succeed("rm", "-f", "one")
    try fixture.expectNoLeaks()
  }

  @Test func aCallersPipesAndLocksDoNotStayOpenInTheMonitor() throws {
    // $(...) waits for everybody who holds the pipe; so does a second flock.
    let result = try fixture.shell(
      """
      exec 9> "$DIRECTORY/lock"; flock 9
      id=$("$MINIDOCK" run -d --network none --name held busybox sleep 60)
      exec 9>&-
      flock -n "$DIRECTORY/lock" echo free
      """, timeoutSeconds: 20)
    #expect(result.output == "free\n" && result.status == 0)
    try fixture.succeed("rm", "-f", "held")
  }

  @Test func createStartStopAndStartAgainKeepTheContainersFiles() throws {
    let id = try fixture.succeed(
      "create", "--name", "kept", "--network", "none", "-e", "A=1", "busybox", "sh", "-c",
      "echo run $A >> /runs; exec sleep 60")
    #expect(try state("kept") == "created")
    #expect(try fixture.succeed("ps", "-q") == "")
    #expect(try fixture.succeed("ps", "-aq", "--no-trunc") == id)
    for round in 1...3 {
      #expect(try fixture.succeed("start", "kept") == "kept")
      // A container that runs already is left alone.
      #expect(try fixture.succeed("start", "kept") == "kept")
      #expect(try state("kept") == "running")
      try fixture.eventually("the command has written") {
        try fixture.minidock("exec", "kept", "cat", "/runs").output.lines.count == round
      }
      #expect(try fixture.succeed("stop", "-t", "0", "kept") == "kept")
      #expect(try state("kept") == "exited")
      #expect(try fixture.inspect("kept", ".State.ExitCode") == "137")
    }
    #expect(try fixture.succeed("stop", "kept") == "kept")
    #expect(try fixture.succeed("rm", "kept") == "kept")
    try fixture.expectNoLeaks()
  }

  @Test func startAttachedGivesTheCommandsOutputInputAndStatus() throws {
    try fixture.succeed(
      "create", "-i", "--name", "twice", "--network", "none", "busybox", "sh", "-c",
      "cat; echo done; exit 7")
    for text in ["first", "second"] {
      let result = try fixture.minidock(["start", "-ai", "twice"], input: Array(text.utf8))
      #expect(result.status == 7 && result.output == text + "done\n" && result.errors == "")
    }
    #expect(try fixture.succeed("logs", "twice") == "firstdone\nseconddone")
    try fixture.succeed("rm", "twice")
  }

  @Test func severalNamesReportEveryFailure() throws {
    try detached("good", "sleep", "60")
    for (verb, flags) in [
      ("pause", []), ("unpause", []), ("restart", ["-t", "0"]), ("stop", ["-t", "0"]),
      ("start", []), ("kill", []), ("wait", []), ("rm", ["-f"]),
    ] as [(String, [String])] {
      let result = try fixture.minidock([verb] + flags + ["bad1", "good", "bad2"])
      #expect(result.output.lines == [verb == "wait" ? "137" : "good"], "\(verb)")
      let missing = result.errors.lines.filter { $0.contains("no such container") }
      #expect(missing.count == 2, "\(verb): \(result.errors)")
      #expect(result.status == (verb == "rm" ? 0 : 1), "\(verb)")
    }
    try fixture.expectNoLeaks()
  }

  @Test func namesAreUniquePrefixesOfIDsOrNames() throws {
    let ids = try ["ab", "cd"].map { try detached($0, "sleep", "60") }
    #expect(try fixture.succeed("stop", "-t", "0", String(ids[0].prefix(20))).count == 20)
    #expect(try state("ab") == "exited" && state("cd") == "running")
    let failure = try fixture.refuse(["stop", ""], status: 1)
    #expect(failure.contains("no such container"))
    // A prefix that fits several.
    let common = String(zip(ids[0], ids[1]).prefix { $0 == $1 }.map(\.0))
    if !common.isEmpty {
      #expect(
        try fixture.refuse(["start", common], status: 1).contains("2 containers' ids begin so"))
    }
    try fixture.succeed("rm", "-f", "ab", "cd")
  }

  @Test func aCommandThatIgnoresItsStopSignalIsKilledWhenItsTimeIsOver() throws {
    try detached("deaf", "sh", "-c", "trap '' TERM; while :; do sleep 1; done")
    let began = Timestamp.monotonic
    #expect(try fixture.succeed("stop", "-t", "1", "deaf") == "deaf")
    #expect(Timestamp.monotonic - began >= 1_000_000_000)
    #expect(try fixture.inspect("deaf", ".State.ExitCode") == "137")
    try fixture.succeed("rm", "deaf")
    // One that hears it ends by itself, with its own signal if it has one.
    try fixture.succeed(
      "run", "-d", "--network", "none", "--name", "polite", "--stop-signal", "USR1", "busybox",
      "sh", "-c", "trap 'exit 5' USR1; while :; do sleep 0.05; done")
    try fixture.succeed("stop", "polite")
    #expect(try fixture.inspect("polite", ".State.ExitCode") == "5")
    try fixture.succeed("rm", "polite")
  }

  @Test func stopAndKillTakeSignalsByNameAndNumber() throws {
    let trap = "for n in 10 12 1; do trap \"exit $n\" $n; done; while :; do sleep 0.05; done"
    for (arguments, code) in [
      (["kill", "-s", "USR1"], "10"), (["kill", "-s", "SIGUSR2"], "12"),
      (["stop", "-s", "1"], "1"), (["stop", "--signal", "hup"], "1"), (["kill"], "137"),
    ] {
      try detached("target", "sh", "-c", trap)
      try fixture.succeed(arguments + ["target"])
      #expect(try fixture.succeed("wait", "target") == code, "\(arguments)")
      try fixture.succeed("rm", "target")
    }
    try detached("target", "sleep", "60")
    #expect(
      try fixture.refuse(["kill", "-s", "NONE", "target"], status: 1).contains("no such signal"))
    #expect(
      try fixture.refuse(["stop", "-s", "99", "target"], status: 1).contains("no such signal"))
    try fixture.succeed("rm", "-f", "target")
    try detached("target", "true")
    try fixture.succeed("wait", "target")
    #expect(try fixture.refuse(["kill", "target"], status: 1).contains("exited, not running"))
    try fixture.succeed("rm", "target")
  }

  @Test func waitTellsTheStatusOfContainersThatRunAndOfThoseThatHaveEnded() throws {
    try detached("slow", "sh", "-c", "sleep 0.3; exit 9")
    let waiting = try fixture.start("wait", "slow")
    #expect(try fixture.succeed("wait", "slow") == "9")
    #expect(try waiting.wait(timeoutSeconds: 10).output == "9\n")
    #expect(try fixture.succeed("wait", "slow", "slow").lines == ["9", "9"])
    try fixture.succeed("rm", "slow")
    // One that removes itself tells it too.
    try fixture.succeed(
      "run", "-d", "--rm", "--network", "none", "--name", "gone", "busybox", "sh", "-c",
      "sleep 0.3; exit 4")
    #expect(try fixture.succeed("wait", "gone") == "4")
    try fixture.expectNoLeaks()
  }

  @Test func pauseStopsEveryProcessAndUnpauseLetsThemGoOn() throws {
    try detached("clock", "sh", "-c", "while :; do echo tick; sleep 0.02; done")
    try fixture.succeed("pause", "clock")
    #expect(try state("clock") == "paused")
    #expect(try fixture.succeed("ps", "--format", "{{.Status}}").hasSuffix("(Paused)"))
    let before = try fixture.succeed("logs", "clock").count
    usleep(200_000)
    #expect(try fixture.succeed("logs", "clock").count == before)
    #expect(try fixture.refuse(["pause", "clock"], status: 1).contains("paused already"))
    #expect(try fixture.refuse(["exec", "clock", "true"], status: 1).contains("unpause"))
    #expect(try fixture.refuse(["start", "clock"], status: 1).contains("paused"))
    try fixture.succeed("unpause", "clock")
    #expect(try state("clock") == "running")
    try fixture.eventually("it ticks again") {
      try fixture.succeed("logs", "clock").count > before
    }
    #expect(try fixture.refuse(["unpause", "clock"], status: 1).contains("not paused"))
    // A paused container can be stopped and removed.
    try fixture.succeed("pause", "clock")
    try fixture.succeed("stop", "-t", "1", "clock")
    try fixture.succeed("start", "clock")
    try fixture.succeed("pause", "clock")
    try fixture.succeed("rm", "-f", "clock")
    try fixture.expectNoLeaks()
  }

  @Test func renameFreesTheOldNameAndClaimsTheNew() throws {
    try detached("old", "sleep", "60")
    try detached("other", "sleep", "60")
    #expect(
      try fixture.refuse(["rename", "old", "other"], status: 1).contains("name of container"))
    #expect(try fixture.refuse(["rename", "old", "a/b"], status: 1).contains("allowed"))
    try fixture.succeed("rename", "old", "new")
    #expect(try fixture.succeed("ps", "--format", "{{.Names}}").lines == ["other", "new"])
    #expect(try fixture.refuse(["stop", "old"], status: 1).contains("no such container"))
    try detached("old", "true")
    try fixture.succeed("restart", "-t", "0", "new")
    #expect(try fixture.succeed("ps", "--format", "{{.Names}}").contains("new"))
    try fixture.succeed("rm", "-f", "new", "old", "other")
    try fixture.expectNoLeaks()
  }

  @Test func updateChangesLimitsOfARunningContainerAndOfLaterStarts() throws {
    try fixture.succeed(
      "run", "-d", "--network", "none", "--name", "limited", "-m", "64m", "busybox", "sleep", "60")
    #expect(
      try fixture.succeed(
        "update", "-m", "96m", "--memory-swap", "192m", "--pids-limit", "50",
        "--cpus", "0.5", "--restart", "on-failure:3", "limited") == "limited")
    #expect(try fixture.inspect("limited", ".HostConfig.Memory") == "100663296")
    #expect(try fixture.inspect("limited", ".HostConfig.NanoCpus") == "500000000")
    let read = """
      cat /sys/fs/cgroup/memory/memory.limit_in_bytes /sys/fs/cgroup/memory.max 2> /dev/null
      """
    #expect(try fixture.minidock("exec", "limited", "sh", "-c", read).output == "100663296\n")
    try fixture.succeed("restart", "-t", "0", "limited")
    #expect(try fixture.minidock("exec", "limited", "sh", "-c", read).output == "100663296\n")
    #expect(
      try fixture.refuse(["update", "-m", "1m", "limited"], status: 1).contains("least is 6m"))
    #expect(try fixture.inspect("limited", ".HostConfig.Memory") == "100663296")
    try fixture.succeed("rm", "-f", "limited")
    try fixture.expectNoLeaks()
  }

  @Test func aRunningContainerIsRemovedOnlyByForce() throws {
    try detached("busy", "sleep", "60")
    #expect(try fixture.refuse(["rm", "busy"], status: 1).contains("it is running"))
    #expect(try state("busy") == "running")
    try fixture.succeed("rm", "-f", "busy")
    try fixture.expectNoLeaks()
  }

  @Test func aCommandThatCannotStartIsReportedByWhoeverStartsIt() throws {
    let failure = try fixture.minidock(
      ["run", "-d", "--network", "none", "--name", "never", "busybox", "nosuch"])
    #expect(failure.status == 127 && failure.output == "")
    #expect(failure.errors.contains("nosuch"))
    #expect(try state("never") == "exited")
    #expect(try fixture.inspect("never", ".State.ExitCode") == "127")
    let again = try fixture.minidock("start", "never")
    #expect(again.status == 1 && again.errors.contains("nosuch"))
    try fixture.succeed("rm", "never")
    try fixture.expectNoLeaks()
  }

  @Test func zombiesOfAFirstProcessThatReapsNothingGoWithTheContainer() throws {
    try detached("zombies", "sh", "-c", "for i in 1 2 3 4 5; do true & done; exec sleep 60")
    try fixture.eventually("there are zombies") {
      try fixture.minidock("exec", "zombies", "ps", "-o", "stat").output.contains("Z")
    }
    try fixture.succeed("stop", "-t", "0", "zombies")
    try fixture.succeed("rm", "zombies")
    try fixture.expectNoLeaks()
  }

  /// The monitor may end before it has read that its client's terminal is ready; what it said of the end
  /// is there all the same.
  @Test func aTerminalsCommandThatEndsAtOnceIsNotLost() throws {
    let result = try fixture.shell(
      """
      for round in $(seq 60); do
        "$MINIDOCK" run --rm -t --network none busybox sh -c 'exit 4'; [ $? = 4 ] || echo "round $round"
      done
      """)
    #expect(result.output == "" && result.errors == "", "\(result)")
  }
}
