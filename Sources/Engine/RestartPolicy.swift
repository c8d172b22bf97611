import Linux

/// `--restart`: whether a container that ended is started again.
public struct RestartPolicy: Sendable, Equatable {
  /// Docker's names.
  public enum Kind: String, Sendable {
    case no
    case onFailure = "on-failure"
    case always
    case unlessStopped = "unless-stopped"
  }

  /// When it is restarted.
  public var kind = Kind.no
  /// Of on-failure: the most restarts in a row; 0 is no bound.
  public var maximumRetries = 0

  /// Never.
  public init() {}

  /// Parses "no", "always", "unless-stopped", "on-failure" or "on-failure:5".
  ///
  /// - Throws: ``Failure/Code/invalid``.
  public init(_ text: String) throws(Failure) {
    let parts = text.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
      .map(String.init)
    func wrong(_ reason: String) -> Failure {
      Failure(
        .invalid, "parse", "--restart=\(text)", reason: reason,
        remedy: "use no, always, unless-stopped or on-failure[:max-retries]")
    }
    guard let kind = Kind(rawValue: parts[0].isEmpty ? "no" : parts[0]) else {
      throw wrong("unknown policy \"\(parts[0])\"")
    }
    self.kind = kind
    if parts.count == 2 {
      guard kind == .onFailure else { throw wrong("only on-failure takes a number of retries") }
      guard let number = Int(parts[1]), number >= 0 else {
        throw wrong("\"\(parts[1])\" is not a number of retries")
      }
      maximumRetries = number
    }
  }

  /// The form that ``init(_:)`` parses.
  public var text: String {
    maximumRetries > 0 ? "\(kind.rawValue):\(maximumRetries)" : kind.rawValue
  }

  /// Whether a container that just ended is started again.
  ///
  /// - Parameters:
  ///   - exitCode: the command's.
  ///   - restarts: how often in a row it has been restarted already.
  ///   - stopped: whether a user has stopped it.
  func restarts(exitCode: Int32, restarts: Int, stopped: Bool) -> Bool {
    if stopped { return false }
    switch kind {
    case .no: return false
    case .always, .unlessStopped: return true
    case .onFailure:
      return exitCode != 0 && (maximumRetries == 0 || restarts < maximumRetries)
    }
  }

  /// Whether a container that does not run should be started when the host or minidock comes up.
  ///
  /// - Parameters:
  ///   - exitCode: nil when it was running at the end.
  ///   - stopped: whether a user has stopped it.
  func startsAtBoot(exitCode: Int32?, stopped: Bool) -> Bool {
    switch kind {
    case .no: false
    case .always: true
    case .unlessStopped: !stopped
    case .onFailure: !stopped && exitCode != 0
    }
  }

  /// Docker's back-off: 100 ms, doubled each time up to a minute; a run of 10 seconds begins anew.
  ///
  /// - Parameter restarts: how many restarts in a row were quick.
  /// - Returns: milliseconds to wait.
  static func delay(afterQuickRestarts restarts: Int) -> Int64 {
    min(60_000, 100 << Int64(min(restarts, 20)))
  }
}
