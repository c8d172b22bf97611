import Glibc
import Linux
import TestSupport
import Testing

/// Health tests: docker's states, and what is done about bad health.
@Suite(.enabled(if: MinidockFixture.isAvailable, MinidockFixture.requirement))
struct HealthTests {
  let fixture: MinidockFixture

  init() throws {
    fixture = try MinidockFixture("health")
    try fixture.importBusybox()
  }

  private func detached(_ name: String, _ flags: [String], _ script: String) throws {
    try fixture.succeed(
      ["run", "-d", "--network", "none", "--name", name, "--health-interval", "50ms"] + flags
        + ["busybox", "sh", "-c", script])
  }

  private func health(_ name: String) throws -> String {
    let status = try fixture.succeed(
      "ps", "-a", "--filter", "name=\(name)", "--format", "{{.Status}}")
    return status
  }

  @Test func itIsStartingThenHealthyThenUnhealthyAndHealthyAgain() throws {
    try detached(
      "patient", ["--health-cmd", "test ! -e /ill && echo fine", "--health-retries", "2"],
      "exec sleep 60")
    try fixture.eventually("it is healthy") { try health("patient").hasSuffix("(healthy)") }
    try fixture.succeed("exec", "patient", "touch", "/ill")
    try fixture.eventually("it is unhealthy") { try health("patient").hasSuffix("(unhealthy)") }
    try fixture.succeed("exec", "patient", "rm", "/ill")
    try fixture.eventually("it is healthy again") { try health("patient").hasSuffix("(healthy)") }
    let events = try fixture.succeed(
      "events", "--since", "1h", "--until", "0s", "--filter", "event=health_status", "--format",
      "{{.Action}}")
    #expect(
      events.lines == [
        "health_status: healthy", "health_status: unhealthy", "health_status: healthy",
      ])
    try fixture.succeed("rm", "-f", "patient")
    try fixture.expectNoLeaks()
  }

  @Test func failuresInTheStartPeriodDoNotCount() throws {
    try detached(
      "slow",
      [
        "--health-cmd", "test -e /ready", "--health-start-period", "60s",
        "--health-start-interval", "20ms", "--health-retries", "1",
      ], "sleep 0.5; touch /ready; exec sleep 60")
    usleep(200_000)
    #expect(try health("slow").hasSuffix("(health: starting)"))
    try fixture.eventually("it is healthy") { try health("slow").hasSuffix("(healthy)") }
    try fixture.succeed("rm", "-f", "slow")
  }

  @Test func aTestThatTakesTooLongIsKilledAndCounts() throws {
    try detached(
      "hangs",
      ["--health-cmd", "sleep 60", "--health-timeout", "50ms", "--health-retries", "1"],
      "exec sleep 60")
    try fixture.eventually("it is unhealthy") { try health("hangs").hasSuffix("(unhealthy)") }
    let processes = try fixture.succeed("exec", "hangs", "ps", "-o", "args").lines
    #expect(processes.filter { $0 == "sleep 60" }.count <= 2, "\(processes)")
    try fixture.succeed("rm", "-f", "hangs")
    try fixture.expectNoLeaks()
  }

  @Test func badHealthCanKillStopOrRestartTheContainer() throws {
    let test = ["--health-cmd", "exit 1", "--health-retries", "1", "--health-on-failure"]
    let script = "echo run; trap 'exit 6' TERM; while :; do sleep 0.02; done"
    try detached("killed", test + ["kill"], script)
    #expect(try fixture.succeed("wait", "killed") == "137")
    try detached("stopped", test + ["stop"], script)
    #expect(try fixture.succeed("wait", "stopped") == "6")
    #expect(try fixture.inspect("stopped", ".State.Error").contains("health test failed"))
    try detached("restarted", test + ["restart"], script)
    try fixture.eventually("it has been started again") {
      try fixture.succeed("logs", "restarted").lines.filter { $0 == "run" }.count >= 2
    }
    try fixture.succeed("rm", "-f", "killed", "stopped", "restarted")
    try fixture.expectNoLeaks()
  }

  @Test func anImagesHealthcheckIsUsedUnlessItIsTurnedOff() throws {
    let archive = try fixture.shell(
      #"""
      "$MINIDOCK" import -c 'HEALTHCHECK --interval=50ms --retries=1 CMD test -e /ok' \
        "$MINIDOCK_IMAGES/busybox.tar" checked
      """#)
    #expect(archive.status == 0, "\(archive.errors)")
    for (flags, expected) in [
      ([], "(unhealthy)"), (["--health-cmd", "true"], "(healthy)"),
      (["--no-healthcheck"], "second"),
    ] as [([String], String)] {
      try fixture.succeed(
        ["run", "-d", "--network", "none", "--name", "it"] + flags + ["checked", "sleep", "60"])
      try fixture.eventually("\(flags): \(expected)") { try health("it").contains(expected) }
      if flags == ["--no-healthcheck"] { #expect(try !health("it").contains("health")) }
      try fixture.succeed("rm", "-f", "it")
    }
  }

  @Test func testsHaveTheContainersRightsAndLeaveNoProcess() throws {
    try detached(
      "rights",
      [
        "-u", "1000:1000", "--cap-drop", "ALL", "--health-cmd",
        "id -u; grep CapEff /proc/self/status",
      ],
      "exec sleep 60")
    try fixture.eventually("it is healthy") { try health("rights").hasSuffix("(healthy)") }
    let log = try fixture.shell(#"cat "$MINIDOCK_ROOT"/containers/*/health"#).output
    #expect(log.contains(" 0 1000\\nCapEff:\t0000000000000000"), "\(log)")
    try fixture.succeed("rm", "-f", "rights")
    try fixture.expectNoLeaks()
  }

  @Test func wrongFlagsAreNamed() throws {
    for (flags, part) in [
      (["--health-interval", "soon"], "--health-interval"),
      (["--health-interval", "1us"], "least is 1ms"),
      (["--health-retries", "x"], "--health-retries"),
      (["--health-on-failure", "cry"], "--health-on-failure"),
      (["--no-healthcheck", "--health-cmd", "true"], "exclude each other"),
    ] {
      #expect(
        try fixture.refuse(["run"] + flags + ["busybox", "true"], status: 125).contains(part))
    }
  }
}
