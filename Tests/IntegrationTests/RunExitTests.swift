import TestSupport
import Testing

/// The exit status of `run`: the command's, 128+n, 125, 126 and 127.
@Suite(.enabled(if: MinidockFixture.isAvailable, MinidockFixture.requirement))
struct RunExitTests {
  let fixture: MinidockFixture

  init() throws { fixture = try MinidockFixture("exit") }

  @Test func everyStatusComesThrough() throws {
    try fixture.importBusybox()
    let result = try fixture.shell(
      """
      for code in $(seq 0 255); do
        "$MINIDOCK" run --rm --network none busybox sh -c "exit $code"
        status=$?
        [ $status = $code ] || echo "$code came as $status"
      done
      """)
    #expect(result.status == 0)
    #expect(result.output == "")
    #expect(result.errors == "")
    try fixture.expectNoLeaks()
  }

  @Test func aSignalIs128AndItsNumber() throws {
    // Process 1 ignores signals without a handler from inside; --init's child does not.
    for (name, number) in [("KILL", 9), ("TERM", 15), ("ABRT", 6), ("HUP", 1)] as [(String, Int32)]
    {
      let result = try fixture.run("--init", "busybox", "sh", "-c", "kill -\(name) $$; sleep 5")
      #expect(result.status == 128 + number, "\(name): \(result.errors)")
    }
  }

  @Test func aCommandThatDoesNotExistIs127() throws {
    try fixture.importBusybox()
    for command in ["nonesuch", "/no/such", "./here"] {
      let line = try fixture.refuse(
        ["run", "--rm", "--network", "none", "busybox", command], status: 127)
      #expect(line.contains(command))
    }
    try fixture.expectNoLeaks()
  }

  @Test func aFileThatCannotBeExecutedIs126() throws {
    try fixture.importBusybox()
    for command in ["/etc/passwd", "/etc", "/dev/null"] {
      let line = try fixture.refuse(
        ["run", "--rm", "--network", "none", "busybox", command], status: 126)
      #expect(line.contains(command))
    }
    try fixture.importImage(
      "odd",
      changes:
        "printf garbage > bin/garbage; printf '#!/no/interpreter\\n' > bin/script; chmod 755 bin/garbage bin/script"
    )
    #expect(
      try fixture.refuse(["run", "--rm", "--network", "none", "odd", "garbage"], status: 126)
        .contains("garbage"))
    #expect(
      try fixture.refuse(["run", "--rm", "--network", "none", "odd", "script"], status: 127)
        .contains("script"))
    try fixture.expectNoLeaks()
  }

  @Test func anEngineErrorIs125AndLeavesNoContainer() throws {
    try fixture.importBusybox()
    for words in [
      ["--pull", "never", "nonesuch"], ["UPPER/Case"], ["busybox@sha256:12"],
      ["--nonsense", "busybox"], [],
      ["--network", "pigeon", "busybox"], ["-e", "=x", "busybox"],
      ["--env-file", "/no/file", "busybox"], ["--hostname", "a/b", "busybox"],
      ["--hostname", String(repeating: "h", count: 65), "busybox"],
      ["--add-host", "nonsense", "busybox"], ["--dns", "nonsense", "busybox"],
      ["--detach-keys", "ctrl-1", "busybox"], ["--oom-score-adj=2000", "busybox"],
    ] {
      try fixture.refuse(["run"] + words, status: 125)
    }
    #expect(try fixture.succeed("ps", "-aq") == "")
    try fixture.expectNoLeaks()
  }
}
