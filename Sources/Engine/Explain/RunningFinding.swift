import Linux

/// A container that runs, or has not been started.
enum RunningFinding {
  static func created(_ evidence: Evidence) -> Finding {
    Finding(
      kind: "created", headline: "\(evidence.name) was created and never started",
      facts: [.init("created", Elapsed.ago(evidence.record.created).lowercased())],
      advice: ["minidock start \(evidence.name)"])
  }

  static func running(_ evidence: Evidence) -> Finding {
    let state = evidence.state
    let since = Elapsed.words(seconds: Timestamp.now.seconds(since: state.started ?? .now))
      .lowercased()
    if state.status == .paused {
      return Finding(
        kind: "paused",
        headline: "\(evidence.name) is paused: its processes are frozen until they are let go on",
        facts: facts(evidence, since), advice: ["minidock unpause \(evidence.name)"])
    }
    var headline = "\(evidence.name) is running"
    if let health = state.health {
      headline += health.status == .healthy ? " and healthy" : ", and its health is not known yet"
    }
    return Finding(kind: "running", headline: headline, facts: facts(evidence, since))
  }

  static func facts(_ evidence: Evidence, _ since: String) -> [Explanation.Fact] {
    var facts: [Explanation.Fact] = [.init("started", "\(since) ago")]
    if let process = evidence.state.process {
      facts.append(.init("process", "\(process.pid) on the host"))
    }
    return facts
  }
}

/// A container whose health test fails, or that was ended for it.
enum HealthFinding {
  static func findRunning(_ evidence: Evidence) -> Finding? {
    guard evidence.state.status == .running, let health = evidence.state.health,
      health.status == .unhealthy
    else { return nil }
    let since = Elapsed.words(seconds: Timestamp.now.seconds(since: evidence.state.started ?? .now))
    return Finding(
      kind: "unhealthy",
      headline:
        "\(evidence.name) is running, but unhealthy: its test failed \(times(health)) in a row",
      facts: facts(evidence, health) + RunningFinding.facts(evidence, since.lowercased()),
      advice: [
        "try the test by hand: minidock exec \(evidence.name) " + command(evidence)
      ])
  }

  static func findEnd(_ evidence: Evidence) -> Finding? {
    guard evidence.state.error.contains("health test failed") else { return nil }
    let wasKilled = evidence.state.error.contains("killed")
    return Finding(
      kind: "unhealthy",
      headline: "\(evidence.name) was \(wasKilled ? "killed" : "stopped") because its health test "
        + "failed \(times(evidence.state.health)) in a row",
      facts: evidence.state.health.map { facts(evidence, $0) } ?? [],
      advice: ["its --health-on-failure asked for that; find out why the test failed"])
  }

  private static func times(_ health: HealthState?) -> String {
    let count = health?.failingStreak ?? 0
    return count == 1 ? "once" : "\(count) times"
  }

  private static func command(_ evidence: Evidence) -> String {
    evidence.health.command.map { $0.contains(" ") ? "'\($0)'" : $0 }.joined(separator: " ")
  }

  private static func facts(
    _ evidence: Evidence, _ health: HealthState
  ) -> [Explanation.Fact] {
    var facts: [Explanation.Fact] = [.init("test", command(evidence))]
    guard let probe = health.log.last(where: { $0.exitCode != 0 }) ?? health.log.last else {
      return facts
    }
    let how = probe.exitCode < 0 ? "no answer" : "exit code \(probe.exitCode)"
    facts.append(.init("last test", "\(how), \(Elapsed.ago(probe.end).lowercased())"))
    let output = probe.output.trimmed
    if !output.isEmpty {
      facts.append(
        .init("it said", output.count <= 300 ? output : output.prefix(299) + "…"))
    }
    return facts
  }
}

/// A container that is started again and again.
enum RestartFinding {
  /// Puts the restart in front of why it ended.
  static func wrap(_ finding: inout Finding, _ evidence: Evidence) {
    let restarts = evidence.state.restarts
    finding.facts.insert(.init("last end", finding.headline), at: 0)
    finding.headline =
      "\(evidence.name) keeps ending and is being started again"
      + (restarts > 0 ? ": \(restarts == 1 ? "once" : "\(restarts) times") so far" : "")
    finding.facts.insert(
      .init("waiting", "twice as long after each quick end, a minute at most"), at: 1)
    finding.kind = "restarting"
    finding.advice.append("to end that: minidock stop \(evidence.name)")
  }

  /// What follows for a container that its policy has given up.
  static func advice(_ evidence: Evidence) -> [String] {
    let policy = evidence.policy
    guard evidence.state.status == .exited, policy.kind == .onFailure, policy.maximumRetries > 0,
      evidence.state.restarts >= policy.maximumRetries, evidence.state.exitCode != 0
    else { return [] }
    return [
      "its policy \(policy.text) allows no more restarts: minidock start \(evidence.name) begins anew"
    ]
  }
}
