/// A JSON document whose objects keep the order in which they were written, as docker's output does.
public indirect enum JSONValue: Sendable {
  case object([(key: String, value: JSONValue)])
  case array([JSONValue])
  case string(String)
  case number(Int64)
  case unsigned(UInt64)
  case bool(Bool)
  case null

  /// A list of strings.
  public static func strings(_ list: [String]) -> JSONValue { .array(list.map { .string($0) }) }

  /// A string, or null without one.
  public static func optional(_ text: String?) -> JSONValue { text.map { .string($0) } ?? .null }

  /// A member of an object.
  public subscript(key: String) -> JSONValue? {
    guard case .object(let members) = self else { return nil }
    return members.first { $0.key == key }?.value
  }

  /// The document on one line.
  public var compact: String {
    var text = ""
    write(to: &text, indent: nil, level: 0)
    return text
  }

  /// The document with an indentation of four spaces, as `docker inspect` prints it.
  public var pretty: String {
    var text = ""
    write(to: &text, indent: 4, level: 0)
    return text
  }

  private func write(to text: inout String, indent: Int?, level: Int) {
    switch self {
    case .object(let members):
      JSONValue.list(members, "{", "}", &text, indent, level) { text, member in
        JSONValue.quote(member.key, &text)
        text += indent == nil ? ":" : ": "
        member.value.write(to: &text, indent: indent, level: level + 1)
      }
    case .array(let items):
      JSONValue.list(items, "[", "]", &text, indent, level) { text, item in
        item.write(to: &text, indent: indent, level: level + 1)
      }
    case .string(let value): JSONValue.quote(value, &text)
    case .number(let value): text += String(value)
    case .unsigned(let value): text += String(value)
    case .bool(let value): text += value ? "true" : "false"
    case .null: text += "null"
    }
  }

  private static func list<Item>(
    _ items: [Item], _ open: String, _ close: String, _ text: inout String, _ indent: Int?,
    _ level: Int, _ body: (inout String, Item) -> Void
  ) {
    text += open
    for (index, item) in items.enumerated() {
      if index > 0 { text += "," }
      if let indent { text += "\n" + String(repeating: " ", count: indent * (level + 1)) }
      body(&text, item)
    }
    if let indent, !items.isEmpty { text += "\n" + String(repeating: " ", count: indent * level) }
    text += close
  }

  private static func quote(_ value: String, _ text: inout String) {
    text += "\""
    for scalar in value.unicodeScalars {
      switch scalar {
      case "\"": text += "\\\""
      case "\\": text += "\\\\"
      case "\n": text += "\\n"
      case "\r": text += "\\r"
      case "\t": text += "\\t"
      case _ where scalar.value < 0x20 || scalar.value == 0x7f:
        let digits = String(scalar.value, radix: 16)
        text += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
      default: text.unicodeScalars.append(scalar)
      }
    }
    text += "\""
  }
}
