import Linux

/// A container whose command ended by itself: what its exit code means.
enum ExitCodeFinding {
  static func find(_ evidence: Evidence) -> Finding? {
    let code = evidence.state.exitCode
    if code == 0 { return success(evidence) }
    var finding = Finding(
      kind: "exit-code", headline: "\(evidence.name) ended by itself with exit code \(code)")
    if let meaning = meaning(code) { finding.headline += ": \(meaning)" }
    if !evidence.state.error.isEmpty {
      finding.facts.append(.init("reason", evidence.state.error))
    }
    switch code {
    case 126, 127:
      finding.advice = ["what it printed last names the program that it looked for"]
      if let missing = missingOfEnv(evidence) {
        finding.headline += ": \(missing)"
        finding.advice = ["install \(missing) in the image, or name its path in the first line"]
      }
    default:
      finding.advice =
        evidence.output.isEmpty
        ? ["it printed nothing that was kept; run it in the foreground to see more"]
        : ["what it printed last should say why"]
    }
    finding.advice.append("minidock logs \(evidence.name) shows all that it printed")
    return finding
  }

  static func unknown(_ evidence: Evidence) -> Finding {
    Finding(kind: "unknown", headline: "\(evidence.name) has ended, and nothing says why")
  }

  /// What programs usually mean by an exit code; nil where there is no custom.
  static func meaning(_ code: Int32) -> String? {
    switch code {
    case 1: "its command reported a failure"
    case 2: "wrong options or arguments, by most programs' custom"
    case 126: "a program that its command wanted to run is not executable"
    case 127: "a program that its command wanted to run was not found"
    case 128: "its command asked for an exit code that does not exist"
    case 255: "its command reported -1, or a number that does not fit"
    default: nil
    }
  }

  private static let shells = ["sh", "bash", "ash", "dash", "zsh"]

  private static func success(_ evidence: Evidence) -> Finding {
    let record = evidence.record
    var finding = Finding(
      kind: "finished", headline: "\(evidence.name) finished: its command ended with success")
    let program = record.command.first?.split(separator: "/").last.map(String.init) ?? ""
    let isShell = shells.contains(program) && record.command.count == 1
    if isShell && !record.interactive {
      finding.facts.append(
        .init("why", "a shell ends at once when nobody types: it had no input to read"))
      finding.advice.append(
        "to work in it: minidock run -it \(record.image); to keep it running, give it a command")
    }
    return finding
  }

  // #!/usr/bin/env NAME: env starts, but does not find the interpreter.
  private static func missingOfEnv(_ evidence: Evidence) -> String? {
    guard evidence.state.exitCode == 127, let command = evidence.record.command.first else {
      return nil
    }
    let search = ProgramFinding.Search(evidence, command)
    guard let entry = search.found?.entry,
      case .script(let interpreter, let argument, _) = ProgramFile(search.tree.head(entry)),
      interpreter.hasSuffix("/env")
    else { return nil }
    let words = argument.split(separator: " ").filter { !$0.hasPrefix("-") && !$0.contains("=") }
    guard let name = words.first.map(String.init),
      ProgramFinding.Search(evidence, name).found == nil
    else { return nil }
    return name
  }
}

/// What is said of every container.
enum CommonFacts {
  static func list(_ evidence: Evidence) -> [Explanation.Fact] {
    let (record, state) = (evidence.record, evidence.state)
    var facts: [Explanation.Fact] = []
    if !state.status.isActive, state.status != .created {
      if let finished = state.finished {
        var text = "\(Elapsed.ago(finished).lowercased()), at \(finished.short)"
        if let started = state.started {
          text += ", after \(Elapsed.words(seconds: finished.seconds(since: started)).lowercased())"
        }
        facts.append(.init("ended", text))
      }
      facts.append(.init("exit code", exitCode(state)))
    }
    if state.restarts > 0 {
      facts.append(
        .init("restarts", "\(state.restarts), by its policy \(evidence.policy.text)"))
    }
    let command = record.command.map { $0.contains(" ") ? "'\($0)'" : $0 }.joined(separator: " ")
    facts.append(.init("command", command.count <= 200 ? command : command.prefix(199) + "…"))
    facts.append(.init("image", record.image))
    return facts
  }

  private static func exitCode(_ state: ContainerState) -> String {
    if state.signal != 0 {
      return "\(state.exitCode) = 128 + \(state.signal), for \(Signals.name(state.signal))"
    }
    if (125...127).contains(state.exitCode) && !state.error.isEmpty {
      let meaning =
        state.exitCode == 127
        ? "the command was not found"
        : state.exitCode == 126
          ? "the command could not be executed" : "minidock could not start it"
      return "\(state.exitCode): \(meaning)"
    }
    return String(state.exitCode)
  }
}

extension Timestamp {
  /// "2026-11-24 16:05:09" in the host's time zone.
  var short: String {
    let local = LocalTime(self)
    func two(_ number: Int) -> String { number < 10 ? "0\(number)" : "\(number)" }
    return "\(local.year)-\(two(local.month))-\(two(local.day)) "
      + "\(two(local.hour)):\(two(local.minute)):\(two(local.second))"
  }
}
