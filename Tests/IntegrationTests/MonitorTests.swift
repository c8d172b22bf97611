import Glibc
import Linux
import TestSupport
import Testing

/// What a monitor owes to several at once: its container, slow readers, those who wait.
@Suite(.enabled(if: MinidockFixture.isAvailable, MinidockFixture.requirement))
struct MonitorTests {
  let fixture: MinidockFixture

  init() throws {
    fixture = try MinidockFixture("monitor")
    try fixture.importBusybox()
  }

  @Test func aSlowReaderOfExecGetsEveryByte() throws {
    try fixture.succeed(
      "run", "-d", "--network", "none", "--name", "host", "busybox", "sleep", "100")
    let result = try fixture.shell(
      #""$MINIDOCK" exec host seq 1 60000 | { sleep 1; md5sum; }; seq 1 60000 | md5sum"#)
    let sums = result.output.lines
    #expect(sums.count == 2 && sums[0] == sums[1], "\(result)")
    try fixture.succeed("rm", "-f", "host")
  }

  @Test func aRunThatIsStartedAgainLosesNothingForASlowReaderAndClosesItsOutput() throws {
    let result = try fixture.shell(
      #"""
      timeout 20 bash -c '"$MINIDOCK" run --network none --name again --restart always busybox \
        sh -c "seq 1 60000; sleep 0.2; exit 1" | { sleep 1.5; head -c 100000000 | md5sum; }'
      echo status $?; seq 1 60000 | md5sum
      """#)
    let lines = result.output.lines
    #expect(lines.count == 3 && lines[1] == "status 0" && lines[0] == lines[2], "\(result)")
    // The reader has seen its end, and the container goes on.
    try fixture.eventually("it runs again") {
      try fixture.inspect("again", ".State.Status") == "running"
    }
    try fixture.succeed("rm", "-f", "again")
    try fixture.expectNoLeaks()
  }

  @Test func whoWaitsIsToldTheEndBeforeASlowReaderHasEverything() throws {
    let result = try fixture.shell(
      #"""
      "$MINIDOCK" run --network none --name slow busybox \
        sh -c 'sleep 0.5; seq 1 20000; exit 3' | sleep 6 &
      until [ "$("$MINIDOCK" inspect -f '{{.State.Status}}' slow 2> /dev/null)" = running ]; do
        sleep 0.02; done
      timeout 4 "$MINIDOCK" wait slow; echo status $?
      kill %1; wait
      """#)
    #expect(result.output.lines == ["3", "status 0"], "\(result)")
    try fixture.succeed("rm", "-f", "slow")
  }

  @Test func aContainerThatCannotBeStartedAgainIsTriedUntilItCan() throws {
    let folder = fixture.file("bound")
    try Files.claimDirectory(folder, mode: 0o755)
    try fixture.succeed(
      "run", "-d", "--network", "none", "--name", "again", "--restart", "always",
      "--mount", "type=bind,source=\(folder),target=/bound", "busybox", "sh", "-c",
      "echo run; sleep 0.5; exit 1")
    let monitor = try fixture.monitor(of: "again")
    let waiter = try fixture.start("wait", "again")
    try Files.removeTree(folder)
    try fixture.eventually("it could not be started") {
      try fixture.inspect("again", ".State.Error").contains("bound")
    }
    let open = try Files.list("/proc/\(monitor)/fd").count
    let restarts = try #require(Int(try fixture.inspect("again", ".RestartCount")))
    try fixture.eventually("it was tried again and again") {
      // Lists sweep: they must not take it for one that was lost.
      try fixture.succeed("ps", "-a", "--format", "{{.State}}") == "restarting"
        && Int(fixture.inspect("again", ".RestartCount")) ?? 0 >= restarts + 3
    }
    #expect(try Files.list("/proc/\(monitor)/fd").count <= open)
    try Files.claimDirectory(folder, mode: 0o755)
    try fixture.eventually("it runs again") {
      try fixture.inspect("again", ".State.Status") == "running"
    }
    #expect(try fixture.monitor(of: "again") == monitor)
    #expect(try waiter.poll() == nil)
    try fixture.succeed("stop", "-t", "0", "again")
    // Everybody who waited while it was started again is told.
    let told = try waiter.wait(timeoutSeconds: 10)
    #expect(told.status == 0 && !told.output.isEmpty, "\(told)")
    try fixture.succeed("rm", "again")
    try fixture.expectNoLeaks()
  }

  @Test func startsThatMeetLeaveOneContainerThatCanBeReached() throws {
    for _ in 0..<8 {
      let result = try fixture.shell(
        #"""
        for n in 1 2 3; do
          ( until "$MINIDOCK" start met > /dev/null 2>&1; do :; done ) & pids="$pids $!"
        done
        "$MINIDOCK" run -d --network none --name met busybox sleep 1000 > /dev/null
        wait $pids
        "$MINIDOCK" top met -o args | grep -c sleep
        timeout -s KILL 1 "$MINIDOCK" attach met < /dev/null; echo $?
        """#, timeoutSeconds: 60)
      // 137: attach was still attached when its time was over.
      #expect(result.output.lines == ["1", "137"], "\(result)")
      try fixture.succeed("stop", "-t", "0", "met")
      let again = try fixture.shell(
        #"""
        for n in 1 2 3 4; do "$MINIDOCK" start met > /dev/null & done; wait
        timeout -s KILL 1 "$MINIDOCK" attach met < /dev/null; echo $?
        """#)
      #expect(again.output.lines == ["137"], "\(again)")
      try fixture.succeed("rm", "-f", "met")
    }
    try fixture.expectNoLeaks()
  }

  @Test func aHealthTestThatPrintsWithoutEndTimesOutAndHoldsNothingUp() throws {
    try fixture.succeed(
      "run", "-d", "--network", "none", "--name", "noisy", "--health-cmd", "yes",
      "--health-interval", "200ms", "--health-timeout", "500ms", "--health-retries", "1",
      "busybox", "sh", "-c", "while :; do echo tick; sleep 0.1; done")
    try fixture.eventually("it is unhealthy") {
      try fixture.inspect("noisy", ".State.Health.Status") == "unhealthy"
    }
    let lines = try fixture.succeed("logs", "noisy").lines.count
    try fixture.eventually("its output goes on") {
      try fixture.succeed("logs", "noisy").lines.count > lines + 5
    }
    try fixture.succeed("rm", "-f", "noisy")
    try fixture.expectNoLeaks()
  }

  @Test func aPausedContainerIsNotTestedAndStillEndsWithItsMonitor() throws {
    try fixture.succeed(
      "run", "-d", "--network", "none", "--name", "still", "--health-cmd", "true",
      "--health-interval", "100ms", "--health-timeout", "300ms", "--health-retries", "1",
      "--stop-timeout", "1", "busybox", "sleep", "1000")
    try fixture.eventually("it is healthy") {
      try fixture.inspect("still", ".State.Health.Status") == "healthy"
    }
    try fixture.succeed("pause", "still")
    usleep(1_200_000)
    #expect(try fixture.inspect("still", ".State.Health.Status") == "healthy")
    kill(try fixture.monitor(of: "still"), SIGTERM)
    try fixture.eventually("it has ended") {
      try fixture.inspect("still", ".State.Status") == "exited"
    }
    try fixture.succeed("rm", "still")
    try fixture.expectNoLeaks()
  }
}
