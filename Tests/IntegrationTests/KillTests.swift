import Glibc
import Linux
import TestSupport
import Testing

/// kill -9 at random moments of `import` and `run`: nothing is leaked or corrupted for good.
@Suite(.enabled(if: MinidockFixture.isAvailable, MinidockFixture.requirement), .serialized)
struct KillTests {
  let fixture: MinidockFixture

  init() throws {
    fixture = try MinidockFixture("kill")
    try fixture.importBusybox()
  }

  /// Starts `$MINIDOCK ARGUMENTS` `rounds` times and kills it after up to 30 ms, or sooner when it turns out
  /// to be faster.
  ///
  /// - Returns: how many were killed before their end.
  private func killing(_ rounds: Int, _ arguments: String) throws -> Int {
    let result = try fixture.shell(
      """
      killed=0 window=300 # tenths of a millisecond
      for round in $(seq \(rounds)); do
        "$MINIDOCK" \(arguments) > /dev/null 2>&1 &
        pid=$!
        sleep 0.$(printf %04d $((RANDOM % window)))
        kill -9 $pid 2> /dev/null
        wait $pid 2> /dev/null
        if [ $? = 137 ]; then
          killed=$((killed + 1)) window=$((window * 5 / 4 < 300 ? window * 5 / 4 : 300))
        else
          window=$((window * 3 / 4 > 10 ? window * 3 / 4 : 10))
        fi
      done
      echo $killed
      """, timeoutSeconds: 200)
    #expect(result.status == 0, "\(result.errors)")
    return Int(result.output.trimmingLineFeeds) ?? 0
  }

  @Test func runKilledAtAnyMomentLeavesNothing() throws {
    let killed = try killing(160, "run --rm --network none busybox true")
    #expect(killed > 20, "the kills came too late to tell anything")
    try fixture.expectNoLeaks(sweeping: true)
    #expect(try fixture.run("busybox", "echo", "fine").output == "fine\n")
  }

  @Test func runWithABridgeKilledAtAnyMomentLeavesNothing() throws {
    let killed = try killing(70, "run --rm busybox sleep 0.02")
    #expect(killed > 10)
    try fixture.expectNoLeaks(sweeping: true)
    #expect(try fixture.succeed("run", "--rm", "busybox", "echo", "fine") == "fine")
  }

  @Test func aNamedContainersRecordSurvivesOrIsWhollyAbsent() throws {
    let killed = try killing(30, "run --network none busybox sleep 0.02")
    #expect(killed > 3)
    // What was started goes on without its client, to its end.
    try fixture.eventually("all have ended") {
      try !fixture.succeed("ps", "-a", "--format", "{{.State}}").contains("running")
    }
    let ids = try fixture.succeed("ps", "-aq").lines
    if !ids.isEmpty { #expect(try fixture.minidock(["rm"] + ids).status == 0) }
    try fixture.expectNoLeaks(sweeping: true)
  }

  @Test func aContainerWhoseMonitorWasKilledCanBeSeenAndRemoved() throws {
    for flags in [["--network", "none"], []] {
      try fixture.succeed(["run", "-d", "--name", "orphan"] + flags + ["busybox", "sleep", "60"])
      let pid = try fixture.process(of: "orphan")
      let monitor = try fixture.monitor(of: "orphan")
      #expect(ProcessIdentity(of: pid) != nil)
      kill(monitor, SIGKILL)
      try fixture.eventually("both have ended") {
        ProcessIdentity(of: monitor) == nil && ProcessIdentity(of: pid) == nil
      }
      // Nobody would know its end: it goes with its monitor, and the next command says so.
      let list = try fixture.minidock("ps", "-a", "--format", "{{.Names}} {{.State}}")
      #expect(list.output == "orphan exited\n")
      #expect(list.errors.contains("container orphan has ended: its monitor"), "\(list.errors)")
      #expect(try fixture.minidock("ps", "-a").errors == "")
      #expect(try fixture.succeed("inspect", "-f", "{{.State.ExitCode}}", "orphan") == "137")
      #expect(
        try fixture.succeed("inspect", "-f", "{{.State.Error}}", "orphan").contains("was killed"))
      #expect(ProcessIdentity(of: pid) == nil)
      // It can be used again.
      #expect(try fixture.succeed("start", "orphan") == "orphan")
      kill(try fixture.monitor(of: "orphan"), SIGKILL)
      #expect(try fixture.minidock("stop", "orphan").status == 0)
      #expect(try fixture.succeed("rm", "-f", "orphan") == "orphan")
      #expect(try fixture.succeed("ps", "-aq") == "")
      try fixture.expectNoLeaks(sweeping: true)
    }
  }

  @Test func aContainerSurvivesTheProcessThatStartedIt() throws {
    for flags in [["--rm"], ["--rm", "--log-driver", "local"], []] {
      let run = try fixture.start(
        ["run", "--name", "alone", "--network", "none"] + flags + [
          "busybox", "sh", "-c", "echo ready; while :; do echo again; sleep 0.05; done",
        ])
      #expect(try run.wait(untilOutput: { $0.contains("ready") }))
      let pid = try fixture.process(of: "alone")
      run.signal(SIGKILL)
      #expect(try run.wait(timeoutSeconds: 10).status == 137)
      usleep(200_000)
      #expect(ProcessIdentity(of: pid) != nil)
      #expect(try fixture.succeed("ps", "--format", "{{.Names}} {{.State}}") == "alone running")
      // From now on its output is kept, unless it was before.
      #expect(try fixture.succeed("logs", "alone").contains("again"))
      #expect(try fixture.succeed("stop", "-t", "0", "alone") == "alone")
      #expect(ProcessIdentity(of: pid) == nil)
      if flags.isEmpty { try fixture.succeed("rm", "alone") }
      try fixture.expectNoLeaks()
    }
  }

  @Test func importKilledAtAnyMomentLeavesTheStoreWhole() throws {
    let killed = try killing(80, #"import "$MINIDOCK_IMAGES/busybox.tar" again"#)
    #expect(killed > 10)
    // Whatever was acknowledged works, and importing once more does.
    try fixture.succeed("import", Files.parent(of: bundled) + "/busybox.tar", "again")
    #expect(try fixture.run("again", "echo", "fine").output == "fine\n")
    try fixture.expectNoLeaks(sweeping: true)
    let whole = try fixture.shell(
      #"""
      cd "$MINIDOCK_ROOT/blobs/sha256" && for blob in *; do
        [ "$(sha256sum < $blob)" = "$blob  -" ] || echo "$blob is damaged"
      done
      """#)
    #expect(whole.output == "" && whole.status == 0, "\(whole.output)")
    // Every import that came to its end made an image, and took the name from the one before.
    let images = try fixture.succeed("images", "-aq", "--no-trunc").lines
    #expect(try fixture.minidock(["rmi"] + images).status == 0)
    let left = try fixture.shell(
      #"cd "$MINIDOCK_ROOT"; find blobs layers ingest trash -mindepth 2 2>/dev/null | head"#)
    #expect(left.output == "", "\(left.output)")
  }

  private var bundled: String {
    (Files.text("/proc/self/environ") ?? "").split(separator: "\0")
      .first { $0.hasPrefix("MINIDOCK_IMAGES=") }
      .map { String($0.dropFirst("MINIDOCK_IMAGES=".count)) + "/busybox.tar" } ?? ""
  }
}
