import Linux
import TestSupport
import Testing

@testable import Engine

@Suite struct ExplainTests {
  private func ended(
    _ code: Int32, signal: Int32 = 0, error: String = "", command: [String] = ["app"]
  ) -> Evidence {
    var evidence = Evidence()
    evidence.record.name = "web"
    evidence.record.id = String(repeating: "c", count: 64)
    evidence.record.image = "busybox"
    evidence.record.command = command
    evidence.state.status = .exited
    evidence.state.started = Timestamp(nanoseconds: 1_000_000_000)
    evidence.state.finished = Timestamp(nanoseconds: 5_000_000_000)
    evidence.state.exitCode = code
    evidence.state.signal = signal
    evidence.state.error = error
    return evidence
  }

  private func note(
    _ signal: Int32, _ command: String, at seconds: Int64
  ) -> SignalNotes.Note {
    SignalNotes.Note(
      time: Timestamp(nanoseconds: seconds * 1_000_000_000), signal: signal, command: command,
      sender: "process 7 of ann")
  }

  private func explain(_ evidence: Evidence) -> Explanation {
    ContainerExplainer.explanation(evidence)
  }

  @Test(arguments: [
    (0, "finished", "success"), (1, "exit-code", "failure"), (2, "exit-code", "arguments"),
    (3, "exit-code", "exit code 3"), (126, "exit-code", "not executable"),
    (127, "exit-code", "not found"), (255, "exit-code", "-1"), (139, "signal", "SIGSEGV"),
    (143, "signal", "SIGTERM"),
  ])
  func `every exit code has a meaning`(code: Int32, kind: String, words: String) {
    let explanation = explain(ended(code))
    #expect(explanation.kind == kind)
    #expect(explanation.headline.contains(words), "\(explanation.headline)")
    #expect(explanation.headline.hasPrefix("web "))
    #expect(explanation.exitCode == code)
    #expect(explanation.facts.contains { $0.label == "exit code" && $0.text.contains("\(code)") })
  }

  @Test func `a shell without input is told about -it`() {
    let explanation = explain(ended(0, command: ["/bin/sh"]))
    #expect(explanation.advice.contains { $0.contains("-it") })
    var interactive = ended(0, command: ["/bin/sh"])
    interactive.record.interactive = true
    #expect(!explain(interactive).advice.contains { $0.contains("-it") })
  }

  @Test func `running out of memory names limit, peak and process`() {
    var evidence = ended(137, signal: 9)
    evidence.state.oomKilled = true
    evidence.state.memoryPeak = 64 << 20
    evidence.record.memory = 64 << 20
    evidence.kernel = [
      .init(
        microseconds: 1,
        text: "oom-kill:constraint=CONSTRAINT_MEMCG,nodemask=(null),cpuset=/,mems_allowed=0,"
          + "oom_memcg=/minidock/\(evidence.record.id),task_memcg=/minidock/\(evidence.record.id),"
          + "task=tail,pid=3354,uid=0"),
      .init(
        microseconds: 2,
        text: "Memory cgroup out of memory: Killed process 3354 (tail) total-vm:26948kB, "
          + "anon-rss:24064kB, file-rss:1580kB, shmem-rss:0kB, UID:0 pgtables:92kB oom_score_adj:0"),
    ]
    let explanation = explain(evidence)
    #expect(explanation.kind == "out-of-memory")
    #expect(explanation.headline.contains("its limit of 64MiB"))
    #expect(explanation.facts.contains { $0.text == "64MiB at most, of a limit of 64MiB" })
    #expect(explanation.facts.contains { $0.text.contains("3354 (tail), which held 23.5MiB") })
    #expect(explanation.advice[0].contains("--memory 128m web"))
    // Another container's kill is not this one's.
    #expect(
      KernelEvidence.memoryKill(evidence.kernel, id: String(repeating: "d", count: 64)) == nil)
    // Without a limit it was the host that had none left.
    evidence.record.memory = 0
    evidence.kernel = []
    #expect(explain(evidence).headline.contains("host had no memory left"))
  }

  @Test func `a kill is laid to who sent it`() {
    var evidence = ended(137, signal: 9)
    #expect(explain(evidence).kind == "signal")
    #expect(explain(evidence).facts.contains { $0.text.contains("not by minidock") })
    evidence.notes = [note(9, "minidock kill", at: 4)]
    #expect(explain(evidence).kind == "killed")
    #expect(explain(evidence).facts.contains { $0.text.contains("process 7 of ann") })
    evidence.notes = [
      note(15, "minidock stop", at: 2), note(9, "minidock stop, after its time-out", at: 4),
    ]
    let forced = explain(evidence)
    #expect(forced.kind == "stop-timeout")
    #expect(forced.headline.contains("within 2 s of SIGTERM"))
    #expect(forced.advice.contains { $0.contains("--init") })
    // The monitor of a host that shuts down kills without a note.
    evidence.notes = [note(15, "minidock stop --shutdown", at: 2)]
    #expect(explain(evidence).kind == "stop-timeout")
    #expect(explain(evidence).headline.contains("within 3 s of SIGTERM"))
    evidence.state.oomKilled = true
    #expect(explain(evidence).kind == "out-of-memory")
    var stopped = ended(143, signal: 15)
    stopped.notes = [note(15, "minidock stop", at: 4)]
    #expect(explain(stopped).kind == "stopped")
    // A signal that it survived does not explain its end.
    var other = ended(3)
    other.notes = [note(10, "minidock kill", at: 2)]
    #expect(explain(other).kind == "exit-code")
  }

  @Test func `what the kernel says of a refused call and of a fault is found`() {
    let lines = [
      KernelLog.Line(
        microseconds: 1,
        text: "audit: type=1326 audit(1795536330.016:7): auid=4294967295 uid=0 gid=0 "
          + "ses=4294967295 pid=18666 comm=\"app\" exe=\"/app\" sig=31 arch=c000003e syscall=101 "
          + "compat=0 ip=0x7f56a591f9b3 code=0x80000000"),
      KernelLog.Line(
        microseconds: 2,
        text:
          "app[18667]: segfault at 0 ip 00000000004011a6 sp 00007ffe error 6 in app[401000+1000]"
      ),
    ]
    let found = KernelEvidence.refusedCall(lines, pid: 18666, command: "other")
    #expect(found == .init(call: "ptrace", command: "app"))
    #expect(KernelEvidence.refusedCall(lines, pid: 0, command: "app")?.call == "ptrace")
    #expect(KernelEvidence.refusedCall(lines, pid: 5, command: "web") == nil)
    #expect(KernelEvidence.fault(lines, pid: 18667)?.hasPrefix("segfault at 0 ip") == true)
    #expect(KernelEvidence.fault(lines, pid: 18666) == nil)
    var evidence = ended(159, signal: 31)
    evidence.pid = 18666
    evidence.kernel = lines
    #expect(explain(evidence).headline.contains("forbids: ptrace"))
  }

  @Test func `an end that nobody saw is told as such`() {
    let killed = ended(137, error: "its monitor (process 12) was killed, and the container with it")
    #expect(explain(killed).kind == "monitor-killed")
    let rebooted = ended(255, error: "the host was restarted while it ran")
    #expect(explain(rebooted).kind == "host-restarted")
  }

  @Test func `a failed start is explained by its reason and remedy`() {
    let mount = ended(
      125, error: "mount /a at /b: no such file or directory; make the source first")
    #expect(explain(mount).kind == "mount-failed")
    #expect(explain(mount).advice == ["make the source first"])
    #expect(explain(ended(125, error: "look up user ann: no such user")).kind == "no-user")
    let other = explain(ended(125, error: "open x: permission denied"))
    #expect(other.kind == "start-failed" && other.advice.isEmpty)
  }

  @Test func `health and restarts are told`() {
    var evidence = ended(137, signal: 9)
    evidence.state.error = "it was killed because its health test failed 3 times in a row"
    evidence.state.health = HealthState()
    evidence.state.health?.failingStreak = 3
    evidence.state.health?.log = [
      .init(start: .now, end: .now, exitCode: 7, output: "connection refused\n")
    ]
    #expect(explain(evidence).kind == "unhealthy")
    #expect(explain(evidence).facts.contains { $0.text == "connection refused" })
    evidence.state.status = .running
    evidence.state.error = ""
    evidence.state.health?.status = .unhealthy
    #expect(explain(evidence).headline.contains("running, but unhealthy"))
    var restarting = ended(1)
    restarting.state.status = .restarting
    restarting.state.restarts = 4
    #expect(explain(restarting).headline.contains("4 times"))
    #expect(explain(restarting).facts[0].text.contains("exit code 1"))
  }

  @Test func `the beginning of a file tells how it is executed`() {
    func of(_ text: String) -> ProgramFile { ProgramFile(Array(text.utf8)) }
    #expect(
      of("#!/bin/sh -e\nx")
        == .script(interpreter: "/bin/sh", argument: "-e", hasCarriageReturn: false))
    #expect(
      of("#! /usr/bin/env python3 -u\n")
        == .script(
          interpreter: "/usr/bin/env", argument: "python3 -u", hasCarriageReturn: false))
    #expect(
      of("#!/bin/sh\r\nx")
        == .script(interpreter: "/bin/sh", argument: "", hasCarriageReturn: true))
    #expect(of("") == .empty)
    #expect(of("echo hello\n") == .unknown(isText: true))
    #expect(of("\u{0}\u{1}") == .unknown(isText: false))
    #expect(
      ProgramFile(ExplainTests.elf(machine: 183, loader: nil)) == .elf(machine: 183, loader: nil))
    #expect(
      ProgramFile(ExplainTests.elf(machine: 62, loader: "/lib64/ld.so"))
        == .elf(machine: 62, loader: "/lib64/ld.so"))
    // Cut and hostile headers are read no further than they go.
    for length in 4..<120 {
      _ = ProgramFile(Array(ExplainTests.elf(machine: 62, loader: "/l").prefix(length)))
    }
    var far = ExplainTests.elf(machine: 62, loader: "/l")
    for index in 32..<40 { far[index] = 0xff }
    #expect(ProgramFile(far) == .elf(machine: 62, loader: nil))
  }

  /// A 64-bit little-endian ELF header with one program header.
  static func elf(machine: UInt16, loader: String?) -> [UInt8] {
    var bytes = [UInt8](repeating: 0, count: 64 + 56)
    bytes.replaceSubrange(0..<8, with: [0x7f, 0x45, 0x4c, 0x46, 2, 1, 1, 0])
    bytes[16] = 2
    bytes[18] = UInt8(machine & 0xff)
    bytes[19] = UInt8(machine >> 8)
    bytes[32] = 64
    bytes[54] = 56
    bytes[56] = 1
    bytes[64] = loader == nil ? 1 : 3
    bytes[72] = 120
    return bytes + Array((loader ?? "").utf8) + [0]
  }

  @Test func `near misses are few letters away or a version longer`() {
    let names = ["python3", "python3.11", "perl", "ls", "sleep", "sh", "cat", "cut"]
    #expect(NearMiss.of("pyhton3", among: names) == ["python3"])
    #expect(NearMiss.of("python", among: names) == ["python3", "python3.11"])
    #expect(NearMiss.of("slepe", among: names) == ["sleep"])
    #expect(NearMiss.of("LS", among: names).first == "ls")
    #expect(NearMiss.of("nginx", among: names) == [])
    #expect(NearMiss.distance(Array("ab"), Array("ba")) == 1)
    #expect(NearMiss.distance([], Array("abc")) == 3)
  }
}
