import Linux

/// A container whose end nobody has seen.
enum LossFinding {
  static func find(_ evidence: Evidence) -> Finding? {
    let error = evidence.state.error
    if error.contains("the host was restarted") {
      return Finding(
        kind: "host-restarted",
        headline: "\(evidence.name) ended because the host was restarted while it ran",
        advice: evidence.policy.kind == .no
          ? ["minidock start \(evidence.name); with --restart unless-stopped the service starts it"]
          : [])
    }
    guard error.contains("monitor") && error.contains("killed") else { return nil }
    return Finding(
      kind: "monitor-killed",
      headline: "\(evidence.name) ended because its monitor was killed, and it with that",
      facts: [
        .init(
          "monitor", "the minidock process that holds its output; a container never outlives it"),
        .init("reason", error),
      ],
      advice: [
        "look for who killed it: kill -9, pkill minidock, or the host's out-of-memory killer "
          + "(dmesg)", "minidock start \(evidence.name)",
      ])
  }
}

/// A container that could not be started, for whatever reason but its command.
enum StartFailureFinding {
  static func find(_ evidence: Evidence) -> Finding? {
    guard evidence.startFailure != 0 else { return nil }
    let (text, remedy) = split(evidence.state.error)
    var finding = Finding(
      kind: "start-failed",
      headline: "\(evidence.name) did not start: minidock could not set it up",
      facts: [.init("reason", text)], advice: remedy.map { [$0] } ?? [])
    if text.contains("mount") || text.contains("bind") {
      finding.kind = "mount-failed"
      finding.headline = "\(evidence.name) did not start: a mount of it failed"
      finding.facts += evidence.record.binds.map { .init("bind", $0) }
      if finding.advice.isEmpty {
        finding.advice.append("check that what it mounts from the host is there and of its kind")
      }
    } else if text.hasPrefix("change directory") {
      finding.kind = "no-working-directory"
      finding.headline =
        "\(evidence.name) did not start: its working directory "
        + "\(evidence.record.workingDirectory) cannot be used"
    } else if text.hasPrefix("look up") {
      finding.kind = "no-user"
      finding.headline =
        "\(evidence.name) did not start: its image has no user \"\(evidence.record.user)\""
    }
    return finding
  }

  /// A failure's text and the remedy behind its last semicolon.
  static func split(_ error: String) -> (text: String, remedy: String?) {
    guard let place = error.lastIndex(of: ";") else { return (error, nil) }
    let remedy = String(error[error.index(after: place)...]).trimmed
    return (String(error[..<place]), remedy.isEmpty ? nil : remedy)
  }
}

/// A container that ran out of memory.
enum MemoryFinding {
  static func find(_ evidence: Evidence) -> Finding? {
    guard evidence.state.oomKilled else { return nil }
    let kill = KernelEvidence.memoryKill(evidence.kernel, id: evidence.record.id)
    let limit = evidence.record.memory
    let isLimit = kill?.isLimit ?? (limit > 0)
    let size = ByteCount.binary(limit)
    var finding = Finding(kind: "out-of-memory", headline: "")
    let name = evidence.name
    let hasEndedItself = evidence.state.signal != Signal.kill
    switch (isLimit && limit > 0, hasEndedItself) {
    case (true, false):
      finding.headline = "\(name) ran out of memory: the kernel killed it at its limit of \(size)"
    case (true, true):
      finding.headline =
        "\(name) ran out of memory: at its limit of \(size) the kernel killed one of its processes"
    case (false, _):
      finding.headline = "\(name) was killed because the host had no memory left"
    }
    finding.facts = facts(evidence)
    if isLimit && limit > 0 {
      let more = bytesForFlag(limit * 2)
      let swap = evidence.record.memorySwap
      let both = swap > 0 && swap < limit * 2 ? " --memory-swap \(more)" : ""
      finding.advice = [
        "give it more: minidock update --memory \(more)\(both) \(name), then minidock start \(name)",
        "or let it use less; minidock stats \(name) shows its memory while it runs",
      ]
    } else {
      finding.advice = [
        "see what else uses the host's memory, and give containers limits: --memory"
      ]
    }
    return finding
  }

  /// What is known of the memory that it had, and of what the kernel killed.
  static func facts(_ evidence: Evidence) -> [Explanation.Fact] {
    var facts: [Explanation.Fact] = []
    let limit = evidence.record.memory
    if let peak = evidence.state.memoryPeak {
      facts.append(
        .init(
          "memory",
          "\(ByteCount.binary(Int64(clamping: peak))) at most"
            + (limit > 0 ? ", of a limit of \(ByteCount.binary(limit))" : "")))
    }
    if let kill = KernelEvidence.memoryKill(evidence.kernel, id: evidence.record.id) {
      let held = ByteCount.binary(Int64(clamping: kill.kibibytes) << 10)
      facts.append(
        .init(
          "kernel",
          "killed process \(kill.pid) (\(kill.command))"
            + (kill.kibibytes > 0 ? ", which held \(held)" : "")))
    }
    return facts
  }

  private static func bytesForFlag(_ bytes: Int64) -> String {
    bytes % (1 << 30) == 0 ? "\(bytes >> 30)g" : "\((bytes + (1 << 20) - 1) >> 20)m"
  }
}

/// A program that made a system call that its filter answers with death.
enum SyscallFinding {
  static func find(_ evidence: Evidence) -> Finding? {
    let number = Signals.number("SYS") ?? 31
    guard evidence.state.signal == number || evidence.state.exitCode == 128 + number else {
      return nil
    }
    let command = evidence.record.command.first?.split(separator: "/").last.map(String.init) ?? ""
    let call = KernelEvidence.refusedCall(evidence.kernel, pid: evidence.pid, command: command)
    var finding = Finding(
      kind: "system-call-refused",
      headline: "\(evidence.name) was killed because it made a system call that its filter forbids"
        + (call.map { ": \($0.call)" } ?? ""))
    if let call {
      finding.facts.append(.init("kernel", "\(call.command) called \(call.call), and got SIGSYS"))
    } else {
      finding.facts.append(
        .init("kernel", "its log does not say which call (see dmesg, type=1326)"))
    }
    finding.advice = [
      "allow \(call?.call ?? "the call") in the profile given with --security-opt seccomp=FILE; "
        + "minidock's own refuses calls with an error and kills nobody",
      "to see whether it is that: --security-opt seccomp=unconfined",
    ]
    return finding
  }
}
