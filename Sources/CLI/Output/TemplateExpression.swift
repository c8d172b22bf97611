import Engine
import Linux

extension Template {
  /// The inside of one {{action}}: a field, a string, or a function of such.
  struct Expression {
    private let words: [String]
    private let source: String

    /// Splits an action into words; a quoted string is one word with its quotes.
    init(_ text: String, in source: String) throws(Failure) {
      self.source = source
      words = try Expression.split(text, source)
      guard !words.isEmpty else {
        throw Failure(.invalid, "parse template", source, reason: "{{}} is empty")
      }
    }

    private func wrong(_ reason: String) -> Failure {
      Failure(.invalid, "render template", source, reason: reason)
    }

    /// The value in a scope; `$` is the whole document.
    func value(_ scope: JSONValue, _ root: JSONValue) throws(Failure) -> JSONValue {
      if words.count == 1 && words[0] != "println" { return try operand(words[0], scope, root) }
      var arguments: [JSONValue] = []
      for word in words.dropFirst() { arguments.append(try operand(word, scope, root)) }
      return try call(words[0], arguments)
    }

    /// A field's heading in a table.
    func heading(_ headers: [String: String]) -> String {
      guard let field = words.last(where: { $0.hasPrefix(".") }) else { return "" }
      let name = String(field.dropFirst())
      return headers[name] ?? name.uppercased()
    }

    private func operand(
      _ word: String, _ scope: JSONValue, _ root: JSONValue
    ) throws(Failure) -> JSONValue {
      if word.hasPrefix("\"") { return .string(String(word.dropFirst().dropLast())) }
      if let number = Int64(word) { return .number(number) }
      var value = scope
      var path = word[...]
      if path.hasPrefix("$") {
        value = root
        path.removeFirst()
      }
      guard path.isEmpty || path.hasPrefix(".") else {
        throw wrong("unknown function \"\(word)\"")
      }
      for name in path.split(separator: ".").map(String.init) {
        guard let next = value[name] else {
          throw wrong("there is no field \"\(name)\" in \"\(word)\"")
        }
        value = next
      }
      return value
    }

    private func call(_ name: String, _ arguments: [JSONValue]) throws(Failure) -> JSONValue {
      func text(_ index: Int) -> String { arguments[index].templateText }
      switch (name, arguments.count) {
      case ("json", 1): return .string(arguments[0].compact)
      case ("len", 1): return .number(Int64(arguments[0].elementCount))
      case ("upper", 1): return .string(text(0).uppercased())
      case ("lower", 1): return .string(text(0).lowercased())
      case ("title", 1): return .string(text(0).prefix(1).uppercased() + text(0).dropFirst())
      case ("print", _): return .string(arguments.map(\.templateText).joined(separator: " "))
      case ("println", _):
        return .string(arguments.map(\.templateText).joined(separator: " ") + "\n")
      case ("join", 2):
        return .string(arguments[0].elements.map(\.templateText).joined(separator: text(1)))
      case ("split", 2):
        guard let separator = text(1).first else { throw wrong("split needs a separator") }
        return .strings(text(0).split(separator: separator).map(String.init))
      case ("not", 1): return .bool(!arguments[0].isTrue)
      case ("eq", 2): return .bool(text(0) == text(1))
      case ("ne", 2): return .bool(text(0) != text(1))
      case ("index", 2):
        if case .number(let index) = arguments[1] {
          let items = arguments[0].elements
          guard items.indices.contains(Int(index)) else { throw wrong("index is out of range") }
          return items[Int(index)]
        }
        return arguments[0][text(1)] ?? .string("")
      default: throw wrong("unknown function \"\(name)\" with \(arguments.count) arguments")
      }
    }

    private static func split(_ text: String, _ source: String) throws(Failure) -> [String] {
      var words: [String] = []
      var current = ""
      var quoted = false
      for character in text {
        if character == "\"" {
          quoted.toggle()
          current.append(character)
        } else if character == " " && !quoted {
          if !current.isEmpty { words.append(current) }
          current = ""
        } else {
          current.append(character)
        }
      }
      guard !quoted else {
        throw Failure(.invalid, "parse template", source, reason: "a string has no end")
      }
      if !current.isEmpty { words.append(current) }
      return words
    }
  }
}

extension JSONValue {
  /// The value as a template prints it.
  var templateText: String {
    switch self {
    case .string(let text): text
    case .null: "<no value>"
    case .array(let items): "[" + items.map(\.templateText).joined(separator: " ") + "]"
    case .object(let members):
      "map[" + members.map { "\($0.key):\($0.value.templateText)" }.joined(separator: " ") + "]"
    default: compact
    }
  }

  /// Go's truth: not empty, not zero, not false.
  var isTrue: Bool {
    switch self {
    case .null: false
    case .bool(let value): value
    case .number(let value): value != 0
    case .unsigned(let value): value != 0
    case .decimal: true
    case .string(let text): !text.isEmpty
    case .array(let items): !items.isEmpty
    case .object(let members): !members.isEmpty
    }
  }

  /// What `range` visits.
  var elements: [JSONValue] {
    switch self {
    case .array(let items): items
    case .object(let members): members.map(\.value)
    default: []
    }
  }

  /// What `len` counts.
  var elementCount: Int {
    if case .string(let text) = self { return text.utf8.count }
    return elements.count
  }
}
