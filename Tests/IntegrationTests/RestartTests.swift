import Glibc
import Linux
import TestSupport
import Testing

/// Restart policies, reboots and the monitor's own end.
@Suite(.enabled(if: MinidockFixture.isAvailable, MinidockFixture.requirement))
struct RestartTests {
  let fixture: MinidockFixture

  init() throws {
    fixture = try MinidockFixture("restart")
    try fixture.importBusybox()
  }

  private func detached(_ name: String, _ policy: String, _ script: String) throws {
    try fixture.succeed(
      "run", "-d", "--network", "none", "--name", name, "--restart", policy, "busybox", "sh", "-c",
      script)
  }

  private func runs(_ name: String) throws -> Int {
    try fixture.succeed("logs", name).lines.filter { $0 == "run" }.count
  }

  @Test func onFailureStartsItAgainSoManyTimes() throws {
    try detached("fails", "on-failure:2", "echo run; exit 3")
    #expect(try fixture.succeed("wait", "fails") == "3")
    #expect(try runs("fails") == 3)
    #expect(try fixture.inspect("fails", ".RestartCount") == "2")
    #expect(try fixture.inspect("fails", ".State.Status") == "exited")
    // Success ends it at once.
    try detached("succeeds", "on-failure", "echo run; exit 0")
    #expect(try fixture.succeed("wait", "succeeds") == "0")
    #expect(try runs("succeeds") == 1)
    try fixture.succeed("rm", "fails", "succeeds")
    try fixture.expectNoLeaks()
  }

  @Test func alwaysGoesOnUntilItIsStopped() throws {
    try detached("again", "always", "echo run; sleep 0.01")
    try fixture.eventually("it has run four times") { try runs("again") >= 4 }
    #expect(try fixture.succeed("stop", "-t", "0", "again") == "again")
    let count = try runs("again")
    usleep(500_000)
    #expect(try runs("again") == count)
    #expect(try fixture.inspect("again", ".State.Status") == "exited")
    // Started by hand it is supervised again.
    try fixture.succeed("start", "again")
    try fixture.eventually("it runs again") { try runs("again") > count + 1 }
    try fixture.succeed("rm", "-f", "again")
    try fixture.expectNoLeaks()
  }

  @Test func aContainerThatWaitsToBeStartedAgainCanBeStoppedKilledAndRemoved() throws {
    for verb in [["stop"], ["kill"], ["rm", "-f"]] {
      try detached("waits", "always", "exit 1")
      // The pauses double: after a few it is mostly waiting.
      try fixture.eventually("it waits") {
        try fixture.inspect("waits", ".State.Status") == "restarting"
      }
      #expect(try fixture.refuse(["exec", "waits", "true"], status: 1).contains("restarting"))
      try fixture.succeed(verb + ["waits"])
      if verb != ["rm", "-f"] {
        try fixture.eventually("it has ended") {
          try fixture.inspect("waits", ".State.Status") == "exited"
        }
        try fixture.succeed("rm", "waits")
      }
      try fixture.expectNoLeaks()
    }
  }

  @Test func theLogGoesOnAcrossRestarts() throws {
    try detached("logged", "on-failure:3", "echo run; exit 1")
    let follower = try fixture.start("logs", "-f", "logged")
    let result = try follower.wait(timeoutSeconds: 20)
    #expect(result.output == "run\nrun\nrun\nrun\n" && result.status == 0)
    try fixture.succeed("rm", "-f", "logged")
  }

  @Test func restartAndRemovalExcludeEachOther() throws {
    let failure = try fixture.refuse(
      ["run", "--rm", "--restart", "always", "busybox", "true"], status: 125)
    #expect(failure.contains("exclude each other"))
    for text in ["sometimes", "always:3", "on-failure:x", "on-failure:-1"] {
      #expect(
        try fixture.refuse(["run", "--restart", text, "busybox"], status: 125)
          .contains("--restart="), "\(text)")
    }
  }

  @Test func afterARebootRecordsAreTruthfulAndPoliciesAreCarriedOut() throws {
    for (name, policy) in [
      ("always", "always"), ("unless", "unless-stopped"), ("stopped", "unless-stopped"),
      ("fails", "on-failure"), ("plain", "no"),
    ] {
      try detached(name, policy, "echo run; exec sleep 60")
    }
    try fixture.succeed(
      "run", "-d", "--rm", "--network", "none", "--name", "fleeting", "busybox", "sleep", "60")
    try fixture.succeed("stop", "-t", "0", "stopped")
    // A reboot: every process ends at once, the run root is gone, and the boot has another id. That id
    // cannot be changed here, so the records' is.
    for pid in fixture.processes() { kill(pid, SIGKILL) }
    try fixture.eventually("all have ended") { fixture.processes().isEmpty }
    try Files.removeTree(fixture.runRoot)
    let edit = try fixture.shell(
      #"sed -i 's/^boot=.*/boot=another/' "$MINIDOCK_ROOT"/containers/*/status"#)
    #expect(edit.status == 0)
    for name in ["always", "unless", "fails", "plain"] {
      #expect(try fixture.inspect(name, ".State.Status") == "exited", "\(name)")
      #expect(try fixture.inspect(name, ".State.ExitCode") == "255", "\(name)")
      #expect(try fixture.inspect(name, ".State.Error").contains("restarted"), "\(name)")
    }
    #expect(try !fixture.succeed("ps", "-a", "--format", "{{.Names}}").contains("fleeting"))
    let started = try fixture.succeed("start", "--restart-policy").lines
    #expect(started == ["always", "unless", "fails"])
    #expect(try fixture.succeed("start", "--restart-policy") == "")
    let running = try fixture.succeed("ps", "--format", "{{.Names}}").lines
    #expect(Set(running) == ["always", "unless", "fails"])
    try fixture.succeed("rm", "-f", "always", "unless", "fails", "stopped", "plain")
    try fixture.expectNoLeaks(sweeping: true)
  }

  @Test func aMonitorThatIsAskedToEndStopsItsContainerFirst() throws {
    try detached("graceful", "always", "trap 'echo bye; exit 0' TERM; while :; do sleep 0.05; done")
    kill(try fixture.monitor(of: "graceful"), SIGTERM)
    try fixture.eventually("it has ended") {
      try fixture.inspect("graceful", ".State.Status") == "exited"
    }
    #expect(try fixture.succeed("logs", "graceful") == "bye")
    // Nobody has stopped it: at the next boot it is started.
    #expect(try fixture.succeed("start", "--restart-policy") == "graceful")
    try fixture.succeed("rm", "-f", "graceful")
    try fixture.expectNoLeaks()
  }
}
