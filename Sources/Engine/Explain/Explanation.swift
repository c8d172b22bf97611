import Linux

/// Why a container has ended, or what it is doing, in plain words: `minidock explain`.
public struct Explanation: Sendable, Equatable {
  /// Something that is known.
  public struct Fact: Sendable, Equatable {
    /// One or two words.
    public var label: String
    /// A phrase.
    public var text: String

    init(_ label: String, _ text: String) {
      self.label = label
      self.text = text
    }
  }

  /// The container's id and name.
  public var id = ""
  /// See ``id``.
  public var name = ""
  /// Docker's word for its state.
  public var status = ""
  /// One word for machines: what kind of explanation it is, such as "out-of-memory".
  public var kind = ""
  /// One sentence.
  public var headline = ""
  /// What speaks for it, most telling first.
  public var facts: [Fact] = []
  /// What the user can do, most promising first.
  public var advice: [String] = []
  /// The last lines that it printed.
  public var output: [String] = []
  /// " on standard error", or where else ``output`` came from.
  public var outputName = ""
  /// The command's exit code; 0 while it runs.
  public var exitCode: Int32 = 0
  /// The signal that ended it; 0 for none.
  public var signal: Int32 = 0

  init() {}

  /// One that says no more than this.
  public init(name: String, headline: String) {
    self.name = name
    self.headline = headline
  }

  /// As JSON.
  public var document: JSONValue {
    .object([
      ("ID", .string(id)), ("Name", .string(name)), ("Status", .string(status)),
      ("Kind", .string(kind)), ("Headline", .string(headline)),
      ("ExitCode", .number(Int64(exitCode))),
      ("Signal", .string(signal == 0 ? "" : Signals.name(signal))),
      (
        "Facts",
        .array(
          facts.map { .object([("Label", .string($0.label)), ("Text", .string($0.text))]) })
      ),
      ("Advice", .strings(advice)), ("Output", .strings(output)),
    ])
  }
}

/// What one kind of look at the evidence has found.
struct Finding: Equatable {
  var kind: String
  var headline: String
  var facts: [Explanation.Fact] = []
  var advice: [String] = []
}

/// `minidock explain`.
public struct ContainerExplainer {
  let installation: Installation

  /// Explains containers of an installation.
  public init(_ installation: Installation) { self.installation = installation }

  /// Explains one.
  ///
  /// - Throws: ``Failure/Code/notFound``.
  public func explain(_ text: String) throws(Failure) -> Explanation {
    let store = ContainerStore(installation)
    let record = try store.find(text)
    return ContainerExplainer.explanation(Evidence(store, record))
  }

  /// What is looked for in a container that has ended: the first that is found explains it.
  private static let endings: [@Sendable (Evidence) -> Finding?] = [
    LossFinding.find, ProgramFinding.find, StartFailureFinding.find, HealthFinding.findEnd,
    StopFinding.find, MemoryFinding.find, SyscallFinding.find, SignalFinding.find,
    ExitCodeFinding.find,
  ]

  /// The explanation that the evidence allows.
  static func explanation(_ evidence: Evidence) -> Explanation {
    let state = evidence.state
    var result = Explanation()
    (result.id, result.name) = (evidence.record.id, evidence.record.name)
    result.status = state.status.rawValue
    var finding: Finding
    switch state.status {
    case .created: finding = RunningFinding.created(evidence)
    case .running, .paused:
      finding = HealthFinding.findRunning(evidence) ?? RunningFinding.running(evidence)
    case .exited, .restarting:
      finding =
        endings.lazy.compactMap { $0(evidence) }.first ?? ExitCodeFinding.unknown(evidence)
      if state.status == .restarting { RestartFinding.wrap(&finding, evidence) }
      (result.exitCode, result.signal) = (state.exitCode, state.signal)
    }
    result.kind = finding.kind
    result.headline = finding.headline
    if state.oomKilled && finding.kind != "out-of-memory" {
      finding.facts += MemoryFinding.facts(evidence)
    }
    result.facts = finding.facts + CommonFacts.list(evidence)
    result.advice = finding.advice + RestartFinding.advice(evidence)
    if !state.status.isActive || finding.kind == "unhealthy" {
      result.output = evidence.output
      result.outputName = evidence.outputIsErrors ? " on standard error" : ""
    }
    return result
  }
}
