import Linux

/// The parts of a container's document that change while it lives.
extension InspectDocument {
  static func state(_ state: ContainerState) -> JSONValue {
    var members: [(key: String, value: JSONValue)] = [
      ("Status", .string(state.status.rawValue)),
      // As docker: what waits to be started again counts as running.
      ("Running", .bool(state.status.isInUse)),
      ("Paused", .bool(state.status == .paused)),
      ("Restarting", .bool(state.status == .restarting)),
      ("OOMKilled", .bool(state.oomKilled)),
      ("Dead", .bool(false)),
      ("Pid", .number(Int64(state.process?.pid ?? 0))),
      ("ExitCode", .number(Int64(state.exitCode))),
      ("Error", .string(state.error)),
      ("StartedAt", .string(time(state.started))),
      ("FinishedAt", .string(time(state.finished))),
    ]
    if let health = state.health { members.append(("Health", self.health(health))) }
    return .object(members)
  }

  private static func health(_ health: HealthState) -> JSONValue {
    .object([
      ("Status", .string(health.status.rawValue)),
      ("FailingStreak", .number(Int64(health.failingStreak))),
      (
        "Log",
        .array(
          health.log.map { probe in
            .object([
              ("Start", .string(probe.start.description)),
              ("End", .string(probe.end.description)),
              ("ExitCode", .number(Int64(probe.exitCode))),
              ("Output", .string(probe.output)),
            ])
          })
      ),
    ])
  }

  // Docker's zero time stands for "not yet".
  private static func time(_ moment: Timestamp?) -> String {
    moment?.description ?? "0001-01-01T00:00:00Z"
  }

  /// The newest file of a container's log; "" when it keeps none.
  static func logPath(_ directory: String) -> String {
    let log = LogFormat.directory(of: directory)
    return LogFormat.generations(log).last.map { LogFormat.dataPath(log, $0) } ?? ""
  }
}
