import Linux

/// A container that was stopped or killed by minidock.
enum StopFinding {
  static func find(_ evidence: Evidence) -> Finding? {
    let state = evidence.state
    guard let note = evidence.notes.last else { return nil }
    let isStop = note.command.hasPrefix("minidock stop")
    if state.signal == Signal.kill {
      if note.signal == Signal.kill {
        return note.command.contains("time-out")
          ? killedAfterTimeout(evidence, note) : killed(evidence, note)
      }
      // The monitor kills what has not ended in time, unless the kernel was faster for want of memory.
      return isStop && !state.oomKilled ? killedAfterTimeout(evidence, nil) : nil
    }
    guard
      isStop || evidence.isStopped || state.signal == note.signal
        || state.exitCode == 128 + note.signal
    else { return nil }
    guard isStop else {
      return Finding(
        kind: "killed",
        headline:
          "\(evidence.name) was ended by \(note.command), with \(Signals.name(note.signal))",
        facts: [sender(note)])
    }
    let answered =
      state.signal != 0 || state.exitCode == 0 || state.exitCode == 128 + note.signal
    return Finding(
      kind: "stopped",
      headline: "\(evidence.name) was stopped by \(note.command), and ended "
        + (answered ? "in time" : "with exit code \(state.exitCode)"),
      facts: [sender(note)])
  }

  private static func sender(_ note: SignalNotes.Note) -> Explanation.Fact {
    .init(
      "sent by",
      "\(note.command), \(note.sender), at \(note.time.short): \(Signals.name(note.signal))")
  }

  private static func killed(_ evidence: Evidence, _ note: SignalNotes.Note) -> Finding {
    Finding(
      kind: "killed",
      headline: "\(evidence.name) was killed by \(note.command), with SIGKILL",
      facts: [sender(note)])
  }

  private static func killedAfterTimeout(
    _ evidence: Evidence, _ note: SignalNotes.Note?
  ) -> Finding {
    let first = evidence.notes.last { $0.signal != Signal.kill }
    let signal = first.map { Signals.name($0.signal) } ?? evidence.record.stopSignal
    let end = note?.time ?? evidence.state.finished ?? .now
    let seconds = first.map { end.seconds(since: $0.time) } ?? Int64(evidence.stopTimeout)
    var finding = Finding(
      kind: "stop-timeout",
      headline:
        "\(evidence.name) was stopped by force: it did not end within \(seconds) s of \(signal)",
      facts: [first, note].compactMap { $0 }.map(sender))
    if !evidence.record.usesInit {
      finding.facts.append(
        .init("why", "a container's first process ignores \(signal) unless it handles it"))
      finding.advice.append(
        "create it with --init, or have its command handle \(signal) (in a shell script: exec the "
          + "program, or trap)")
    }
    finding.advice.append("or give it longer: --stop-timeout SECONDS, minidock stop -t SECONDS")
    return finding
  }
}

/// A container that a signal ended, nobody's of minidock.
enum SignalFinding {
  static func find(_ evidence: Evidence) -> Finding? {
    let state = evidence.state
    let number = state.signal != 0 ? state.signal : state.exitCode - 128
    guard (1...64).contains(number), state.signal != 0 || state.exitCode <= 128 + 31 else {
      return nil
    }
    let name = Signals.name(number)
    let cause = cause(number)
    var finding = Finding(
      kind: "signal",
      headline: state.signal != 0
        ? "\(evidence.name) was ended by the signal \(name)"
        : "\(evidence.name) ended with exit code \(state.exitCode), which stands for the signal \(name)"
    )
    if let cause { finding.headline += ": \(cause.what)" }
    if state.signal == 0 {
      finding.facts.append(
        .init(
          "meaning", "a process that its command had started, or the command itself, got \(name)"))
    } else if number == Signal.kill || number == Signal.terminate {
      finding.facts.append(
        .init("sent by", "not by minidock: a process of the host, or one in the container"))
    }
    if let fault = KernelEvidence.fault(evidence.kernel, pid: evidence.pid) {
      finding.facts.append(.init("kernel", fault))
    }
    if let advice = cause?.advice { finding.advice.append(advice) }
    return finding
  }

  /// The common cause of a signal, and what to do about it.
  static func cause(_ number: Int32) -> (what: String, advice: String?)? {
    switch Signals.name(number) {
    case "SIGHUP": ("its terminal was closed", nil)
    case "SIGINT": ("somebody pressed Ctrl-C", nil)
    case "SIGILL":
      (
        "an instruction that this processor does not have",
        "use a build for this processor: it may need AVX or the like"
      )
    case "SIGTRAP": ("a breakpoint, or an assertion of its runtime", nil)
    case "SIGABRT":
      (
        "it gave up by itself (abort)",
        "its last output should say which assertion failed or what was corrupted"
      )
    case "SIGBUS":
      (
        "memory that it had mapped could not be had, often as /dev/shm was full",
        "give it a larger /dev/shm: --shm-size 256m"
      )
    case "SIGFPE": ("a division by zero or the like", nil)
    case "SIGKILL":
      ("it was killed from outside", "look for kill -9, pkill or the host's out-of-memory killer")
    case "SIGSEGV":
      (
        "it touched memory that it may not",
        "this is a fault of the program, or of libraries that do not fit it"
      )
    case "SIGPIPE": ("it wrote to a pipe or socket whose reader was gone", nil)
    case "SIGTERM": ("it was asked to end", nil)
    case "SIGXCPU": ("its limit of CPU time was reached", "raise it: --ulimit cpu=SECONDS")
    case "SIGXFSZ":
      ("a file reached the largest size allowed", "raise it: --ulimit fsize=BYTES")
    default: nil
    }
  }
}
