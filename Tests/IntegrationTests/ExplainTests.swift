import Glibc
import Linux
import TestSupport
import Testing

/// `explain` of real containers that have ended in every usual way.
@Suite(.enabled(if: MinidockFixture.isAvailable, MinidockFixture.requirement))
struct ExplainTests {
  let fixture: MinidockFixture

  init() throws {
    fixture = try MinidockFixture("explain")
    try fixture.importBusybox()
  }

  @discardableResult
  private func run(_ name: String, _ words: String...) throws -> CommandResult {
    try fixture.minidock(["run", "--network", "none", "--name", name] + words)
  }

  private func explain(
    _ name: String, _ kind: String, _ texts: String..., location: SourceLocation = #_sourceLocation
  ) throws {
    let json = try fixture.succeed("explain", "--format", "json", name, sourceLocation: location)
    #expect(json.contains("\"Kind\":\"\(kind)\""), "\(json)", sourceLocation: location)
    let text = try fixture.succeed("explain", name, sourceLocation: location)
    #expect(text.hasPrefix(name + " "), "\(text)", sourceLocation: location)
    #expect(!text.contains("\u{1b}"), "\(text)", sourceLocation: location)
    // A text may be wrapped.
    let flat = text.split { $0 == " " || $0 == "\n" }.joined(separator: " ")
    for wanted in texts {
      #expect(flat.contains(wanted), "\(wanted): \(text)", sourceLocation: location)
    }
  }

  @Test func anExitCodeWithWhatWasPrintedLast() throws {
    #expect(
      try run("three", "busybox", "sh", "-c", "echo out; echo no such door >&2; exit 3").status == 3
    )
    try explain(
      "three", "exit-code", "ended by itself with exit code 3", "on standard error: no such door",
      "minidock logs three")
    try run("fine", "busybox", "true")
    try explain("fine", "finished", "with success")
    try run("fault", "busybox", "sh", "-c", "kill -SEGV $$")
    #expect(try fixture.refuse(["explain", "absent"], status: 1).contains("absent"))
    try fixture.refuse(["explain", "--format", "xml", "fine"], status: 1)
    try fixture.succeed("create", "--name", "new", "busybox", "true")
    try explain("new", "created", "never started")
    try fixture.succeed("rm", "three", "fine", "fault", "new")
    try fixture.expectNoLeaks()
  }

  @Test func runningOutOfMemory() throws {
    let result = try run("hungry", "-m", "16m", "busybox", "tail", "/dev/zero")
    #expect(result.status == 137)
    try explain(
      "hungry", "out-of-memory", "killed it at its limit of 16MiB", "of a limit of 16MiB",
      "minidock update --memory 32m")
    // What it advises can be done.
    try fixture.succeed("update", "--memory", "32m", "--memory-swap", "64m", "hungry")
    try fixture.succeed("rm", "hungry")
    try fixture.expectNoLeaks()
  }

  @Test func signalsAndWhoSentThem() throws {
    try run("killed", "-d", "busybox", "sleep", "1000")
    try explain("killed", "running", "is running")
    try fixture.succeed("kill", "killed")
    try fixture.succeed("wait", "killed")
    try explain("killed", "killed", "by minidock kill, with SIGKILL", "137 = 128 + 9")
    try run("stubborn", "-d", "busybox", "sleep", "1000")
    try fixture.succeed("stop", "-t", "1", "stubborn")
    try explain("stubborn", "stop-timeout", "did not end within 1 s of SIGTERM", "--init")
    try run("polite", "-d", "--init", "busybox", "sleep", "1000")
    try fixture.succeed("stop", "polite")
    try explain("polite", "stopped", "minidock stop")
    try run("outside", "-d", "busybox", "sleep", "1000")
    let pid = try #require(Int32(try fixture.succeed("inspect", "-f", "{{.State.Pid}}", "outside")))
    #expect(kill(pid, SIGKILL) == 0)
    try fixture.succeed("wait", "outside")
    try explain("outside", "signal", "SIGKILL", "not by minidock")
    // The notes of an earlier run say nothing of a later one.
    try fixture.succeed("start", "killed")
    let again = try #require(
      Int32(try fixture.succeed("inspect", "-f", "{{.State.Pid}}", "killed")))
    #expect(kill(again, SIGKILL) == 0)
    try fixture.succeed("wait", "killed")
    try explain("killed", "signal", "not by minidock")
    try fixture.succeed("rm", "killed", "stubborn", "polite", "outside")
    try fixture.expectNoLeaks()
  }

  @Test func aMonitorThatWasKilled() throws {
    try run("lost", "-d", "busybox", "sleep", "1000")
    let text = try #require(
      Files.text(
        fixture.runRoot + "/containers/" + fixture.succeed("inspect", "-f", "{{.Id}}", "lost")))
    let line = try #require(text.split(separator: "\n").first { $0.hasPrefix("monitor=") })
    let pid = try #require(Int32(line.dropFirst(8).prefix { $0 != " " }))
    #expect(kill(pid, SIGKILL) == 0)
    for _ in 0..<200 {
      if try fixture.succeed("inspect", "-f", "{{.State.Status}}", "lost") == "exited" { break }
      usleep(20_000)
    }
    try explain("lost", "monitor-killed", "because its monitor was killed")
    try fixture.succeed("rm", "lost")
    try fixture.expectNoLeaks()
  }

  @Test func commandsThatCannotBeExecuted() throws {
    try fixture.importImage(
      "broken",
      changes: """
        mkdir app
        printf '#!/bin/bash\\necho hi\\n' > app/bash
        printf '#!/bin/sh\\r\\necho hi\\r\\n' > app/windows
        printf '#!/usr/bin/env python3\\n' > app/env
        cp bin/busybox app/other
        printf '\\267\\0' | dd of=app/other bs=1 seek=18 conv=notrunc 2>/dev/null
        chmod 755 app/*
        echo x > app/data; chmod 644 app/data
        mkdir -p usr/bin; ln -sf /bin/busybox usr/bin/env
        """)
    #expect(try run("nothing", "broken", "slepe", "1").status == 127)
    try explain("nothing", "command-not-found", "no \"slepe\"", "did you mean \"sleep\"?")
    #expect(try run("bash", "broken", "/app/bash").status == 127)
    try explain("bash", "interpreter-missing", "wants /bin/bash", "the image has /bin/sh")
    #expect(try run("windows", "broken", "/app/windows").status == 127)
    try explain("windows", "interpreter-missing", "line ends of Windows")
    #expect(try run("data", "broken", "/app/data").status == 126)
    try explain("data", "not-executable", "is not executable", "mode 0644")
    #expect(try run("env", "broken", "/app/env").status == 127)
    try explain("env", "exit-code", "python3", "install python3")
    #if arch(x86_64)
      #expect(try run("other", "broken", "/app/other").status == 126)
      try explain("other", "wrong-architecture", "a program for arm64", "linux/amd64")
      try fixture.succeed("rm", "other")
    #endif
    #expect(try run("folder", "-w", "/bin/sh", "broken", "true").status == 125)
    try fixture.succeed("rm", "nothing", "bash", "windows", "data", "env")
    try fixture.expectNoLeaks()
  }

  @Test func aContainerThatKeepsEnding() throws {
    try run("looping", "-d", "--restart", "always", "busybox", "sh", "-c", "echo gone >&2; exit 4")
    for _ in 0..<300 {
      let count = try fixture.succeed(
        "inspect", "-f", "{{.RestartCount}} {{.State.Status}}", "looping")
      if count.hasSuffix("restarting"), (Int(count.prefix { $0 != " " }) ?? 0) >= 3 { break }
      usleep(20_000)
    }
    try explain("looping", "restarting", "keeps ending", "exit code 4", "minidock stop looping")
    #expect(
      try fixture.succeed("ps", "--format", "{{.Names}} {{.Status}}").hasPrefix(
        "looping Restarting (4)"))
    try fixture.succeed("rm", "-f", "looping")
    try fixture.expectNoLeaks()
  }

  @Test func aSystemCallThatAFilterForbids() throws {
    let profile = try fixture.write(
      "profile.json",
      #"{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":["sync"],"action":"SCMP_ACT_KILL_PROCESS"}]}"#
    )
    let result = try run("forbidden", "--security-opt", "seccomp=\(profile)", "busybox", "sync")
    #expect(result.status == 128 + SIGSYS)
    try explain("forbidden", "system-call-refused", "its filter forbids", "seccomp=")
    try fixture.succeed("rm", "forbidden")
    try fixture.expectNoLeaks()
  }
}
