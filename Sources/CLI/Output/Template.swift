import Engine
import Linux

/// docker's `--format` templates: the part of Go's text/template that people use with them.
///
/// Fields (`{{.State.Status}}`), `json`, `index`, `len`, `join`, `upper`, `lower`, `println`, `if`/`else`,
/// `range`, `with` and `end`.
struct Template {
  private let nodes: [Node]

  private indirect enum Node {
    case text(String)
    case expression(Expression)
    case condition(Expression, [Node], [Node])
    case loop(Expression, [Node], [Node])
    case scope(Expression, [Node], [Node])
  }

  /// Parses a template; `\t` and `\n` stand for the characters.
  ///
  /// - Throws: ``Failure/Code/invalid`` saying what is wrong.
  init(_ text: String) throws(Failure) {
    var parser = Parser(text)
    nodes = try parser.parse()
  }

  /// Fills the template in.
  ///
  /// - Throws: ``Failure/Code/invalid`` for a field that the document does not have.
  func render(_ document: JSONValue) throws(Failure) -> String {
    try Template.render(nodes, document, document)
  }

  /// The template with every field's heading in its place.
  func heading(_ headers: [String: String]) -> String {
    nodes.map { node in
      switch node {
      case .text(let text): text
      case .expression(let expression): expression.heading(headers)
      default: ""
      }
    }.joined()
  }

  private static func render(
    _ nodes: [Node], _ scope: JSONValue, _ root: JSONValue
  ) throws(Failure) -> String {
    var text = ""
    for node in nodes {
      switch node {
      case .text(let part): text += part
      case .expression(let expression): text += try expression.value(scope, root).templateText
      case .condition(let expression, let yes, let no):
        let holds = try expression.value(scope, root).isTrue
        text += try render(holds ? yes : no, scope, root)
      case .scope(let expression, let yes, let no):
        let value = try expression.value(scope, root)
        text += try value.isTrue ? render(yes, value, root) : render(no, scope, root)
      case .loop(let expression, let body, let empty):
        let items = try expression.value(scope, root).elements
        if items.isEmpty { text += try render(empty, scope, root) }
        for item in items { text += try render(body, item, root) }
      }
    }
    return text
  }

  /// Splits the text at {{ and }} and nests the blocks.
  private struct Parser {
    private var rest: Substring
    private let whole: String

    init(_ text: String) {
      whole = text
      rest = Substring(text)
    }

    mutating func parse() throws(Failure) -> [Node] {
      let (nodes, end) = try block()
      if let end { throw wrong("{{\(end)}} without a block") }
      return nodes
    }

    private func wrong(_ reason: String) -> Failure {
      Failure(.invalid, "parse template", whole, reason: reason)
    }

    // Nodes up to the {{end}} or {{else}} that closes the block, which is returned.
    private mutating func block() throws(Failure) -> ([Node], String?) {
      var nodes: [Node] = []
      while !rest.isEmpty {
        let (before, action) = try next()
        if !before.isEmpty { nodes.append(.text(before)) }
        guard let action else { break }
        let words = action.split(separator: " ", maxSplits: 1).map(String.init)
        switch words.first ?? "" {
        case "end", "else": return (nodes, action)
        case "if", "range", "with":
          guard words.count == 2 else { throw wrong("{{\(action)}} has no condition") }
          nodes.append(try nested(words[0], try Expression(words[1], in: whole)))
        default: nodes.append(.expression(try Expression(action, in: whole)))
        }
      }
      return (nodes, nil)
    }

    private mutating func nested(
      _ kind: String, _ expression: Expression
    ) throws(Failure) -> Node {
      let (body, end) = try block()
      var other: [Node] = []
      var closing = end
      if let end, end.hasPrefix("else ") {
        // Nested in the else part, and closed by the same {{end}}.
        let words = end.split(separator: " ", maxSplits: 2).map(String.init)
        guard words.count == 3, words[1] == "if" || words[1] == "with" else {
          throw wrong("{{\(end)}} has no condition")
        }
        other = [try nested(words[1], try Expression(words[2], in: whole))]
        closing = "end"
      } else if end == "else" {
        (other, closing) = try block()
      }
      guard closing == "end" else { throw wrong("{{\(kind)}} without {{end}}") }
      switch kind {
      case "if": return .condition(expression, body, other)
      case "range": return .loop(expression, body, other)
      default: return .scope(expression, body, other)
      }
    }

    // The text before the next action, and the action.
    private mutating func next() throws(Failure) -> (String, String?) {
      guard let open = rest.firstRange(of: "{{") else {
        defer { rest = "" }
        return (Template.unescape(rest), nil)
      }
      var before = Template.unescape(rest[..<open.lowerBound])
      let inner = rest[open.upperBound...]
      guard let close = inner.firstRange(of: "}}") else { throw wrong("{{ without }}") }
      rest = inner[close.upperBound...]
      var action = inner[..<close.lowerBound].trimmed
      // A dash takes the white space on its side of the action with it.
      if action.hasPrefix("- ") {
        action = String(action.dropFirst(2))
        while before.last?.isWhitespace == true { before.removeLast() }
      }
      if action.hasSuffix(" -") {
        action = String(action.dropLast(2))
        rest = rest.drop { $0.isWhitespace }
      }
      return (before, action.trimmed)
    }
  }

  private static func unescape(_ text: Substring) -> String {
    var result = ""
    var escaped = false
    for character in text {
      if escaped {
        switch character {
        case "t": result.append("\t")
        case "n": result.append("\n")
        default:
          result.append("\\")
          result.append(character)
        }
        escaped = false
      } else if character == "\\" {
        escaped = true
      } else {
        result.append(character)
      }
    }
    return escaped ? result + "\\" : result
  }
}

extension Substring {
  fileprivate func firstRange(of text: String) -> Range<Index>? {
    var start = startIndex
    while start < endIndex {
      if self[start...].hasPrefix(text) { return start..<index(start, offsetBy: text.count) }
      start = index(after: start)
    }
    return nil
  }
}
