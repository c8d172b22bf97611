import Glibc
import Linux
import TestSupport
import Testing

/// Signals to the minidock process reach the container's.
@Suite(.enabled(if: MinidockFixture.isAvailable, MinidockFixture.requirement))
struct SignalsTests {
  let fixture: MinidockFixture

  init() throws { fixture = try MinidockFixture("signals") }

  private static let passed: [(name: String, number: Int32)] = [
    ("TERM", SIGTERM), ("INT", SIGINT), ("USR1", SIGUSR1), ("USR2", SIGUSR2), ("HUP", SIGHUP),
    ("QUIT", SIGQUIT), ("WINCH", SIGWINCH), ("ALRM", SIGALRM),
  ]

  private func trapping(_ name: String) -> String {
    "trap 'echo got \(name); exit 42' \(name); echo ready; while :; do sleep 0.02; done"
  }

  @Test func everyOrdinarySignalReachesATrappingShell() throws {
    for (name, number) in SignalsTests.passed {
      let run = try fixture.start(
        "run", "--rm", "--network", "none", "busybox", "sh", "-c", trapping(name))
      #expect(try run.wait(untilOutput: { $0.contains("ready") }))
      run.signal(number)
      let result = try run.wait(timeoutSeconds: 10)
      #expect(result.status == 42, "\(name)")
      #expect(result.output == "ready\ngot \(name)\n")
    }
    try fixture.expectNoLeaks()
  }

  @Test func signalsReachTheCommandBelowInit() throws {
    let run = try fixture.start(
      "run", "--rm", "--network", "none", "--init", "busybox", "sh", "-c", trapping("TERM"))
    #expect(try run.wait(untilOutput: { $0.contains("ready") }))
    run.signal(SIGTERM)
    #expect(try run.wait(timeoutSeconds: 10).status == 42)
  }

  @Test func aSignalThatNobodyCatchesEndsTheCommandBelowInit() throws {
    let run = try fixture.start(
      "run", "--rm", "--network", "none", "--init", "busybox", "sh", "-c",
      "echo ready; exec sleep 60")
    #expect(try run.wait(untilOutput: { $0.contains("ready") }))
    run.signal(SIGTERM)
    #expect(try run.wait(timeoutSeconds: 10).status == 143)
  }

  @Test func signalsStayOutsideWhenAsked() throws {
    let run = try fixture.start(
      "run", "--rm", "--network", "none", "--sig-proxy=false", "busybox", "sh", "-c",
      trapping("USR1"))
    #expect(try run.wait(untilOutput: { $0.contains("ready") }))
    run.signal(SIGUSR1)
    usleep(200_000)
    #expect(run.output == "ready\n")
  }

  @Test func manySignalsInARowLoseNoContainer() throws {
    let run = try fixture.start(
      "run", "--rm", "--network", "none", "busybox", "sh", "-c",
      "n=0; trap 'n=$((n+1))' USR1; trap 'exit $((n > 0))' TERM; echo ready; while :; do sleep 0.02; done"
    )
    #expect(try run.wait(untilOutput: { $0.contains("ready") }))
    for _ in 0..<200 { run.signal(SIGUSR1) }
    usleep(100_000)
    run.signal(SIGTERM)
    #expect(try run.wait(timeoutSeconds: 10).status == 1)
    try fixture.expectNoLeaks()
  }
}
