import ArgumentParser
import Engine
import Linux

struct ExplainCommand: Command {
  static let configuration = CommandConfiguration(
    commandName: "explain", _superCommandName: "minidock",
    abstract: "Say in plain words why a container has ended, or what it is doing.",
    discussion: """
      Example:
        minidock explain web
        minidock explain --format json web

      It looks at how the container ended, who sent it signals, its limits, its image's files, its health \
      tests, what it printed last, and the kernel's log.
      """)

  @Option(help: ArgumentHelp("text, or json.", valueName: "format")) var format = "text"
  @Argument(help: ArgumentHelp("Names or ids.", valueName: "container")) var containers: [String]

  func execute(_ context: Context) throws(Failure) -> Int32 {
    guard format == "text" || format == "json" else {
      throw Failure(.invalid, "parse", "--format=\(format)", reason: "it is not text or json")
    }
    let installation = try context.installation()
    context.sweep(installation)
    let explainer = ContainerExplainer(installation)
    let isBold = Console.outputIsTerminal && Console.environment("NO_COLOR") == nil
    var isFirst = true
    return context.each(containers) { name throws(Failure) in
      let explanation = try explainer.explain(name)
      if format == "json" { return Console.print(explanation.document.compact) }
      if !isFirst { Console.print("") }
      isFirst = false
      let width = Console.outputIsTerminal ? Terminal.size(of: 1).map { Int($0.columns) } : nil
      Console.printRaw(
        ExplanationText(explanation, width: width ?? 100, isBold: isBold).text)
    }
  }
}

/// An explanation as a page for a person: a sentence, facts, what to do.
struct ExplanationText {
  private let explanation: Explanation
  private let width: Int
  private let isBold: Bool

  init(_ explanation: Explanation, width: Int, isBold: Bool) {
    self.explanation = explanation
    self.width = max(40, width)
    self.isBold = isBold
  }

  /// The whole page.
  var text: String {
    var lines = wrap(explanation.headline, first: "", rest: "")
    if isBold { lines = lines.map { "\u{1b}[1m\($0)\u{1b}[0m" } }
    lines.append("")
    let column = (explanation.facts.map(\.label.count).max() ?? 0) + 4
    for fact in explanation.facts {
      let label = "  " + fact.label + String(repeating: " ", count: column - fact.label.count - 2)
      lines += wrap(fact.text, first: label, rest: String(repeating: " ", count: column))
    }
    if !explanation.output.isEmpty {
      lines += ["", "  The last it printed\(explanation.outputName):"]
      // What a container prints is shown, not obeyed.
      lines += explanation.output.map { "    " + clip($0.printable, width - 4) }
    }
    if !explanation.advice.isEmpty {
      lines += ["", "What to do"]
      for advice in explanation.advice { lines += wrap(advice, first: "  - ", rest: "    ") }
    }
    return lines.joined(separator: "\n") + "\n"
  }

  private func clip(_ text: String, _ count: Int) -> String {
    text.count <= count ? text : text.prefix(max(1, count - 1)) + "…"
  }

  // At spaces; a word longer than a line stands on one of its own.
  private func wrap(_ text: String, first: String, rest: String) -> [String] {
    var lines: [String] = []
    var line = first
    var isEmpty = true
    for word in text.printable.split(separator: " ", omittingEmptySubsequences: false) {
      if !isEmpty && line.count + 1 + word.count > width {
        lines.append(line)
        line = rest
        isEmpty = true
      }
      line += (isEmpty ? "" : " ") + word
      isEmpty = false
    }
    return lines + [line]
  }
}
