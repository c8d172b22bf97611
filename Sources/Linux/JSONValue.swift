/// A JSON document whose objects keep the order in which they were written, as docker's output does.
public enum JSONValue: Sendable {
  case object([(key: String, value: JSONValue)])
  case array([JSONValue])
  case string(String)
  case number(Int64)
  case unsigned(UInt64)
  /// A number with a fraction or an exponent, as it was written.
  case decimal(String)
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
  public var compact: String { text(indent: nil) }

  /// The document with an indentation of four spaces, as `docker inspect` prints it.
  public var pretty: String { text(indent: 4) }

  private func text(indent: Int?) -> String {
    var bytes: [UInt8] = []
    bytes.reserveCapacity(4096)
    write(to: &bytes, indent: indent, level: 0)
    return String(decoding: bytes, as: UTF8.self)
  }

  private func write(to bytes: inout [UInt8], indent: Int?, level: Int) {
    switch self {
    case .object(let members):
      JSONValue.list(members, "{", "}", &bytes, indent, level) { bytes, member in
        JSONValue.quote(member.key, &bytes)
        bytes += indent == nil ? ":".utf8 : ": ".utf8
        member.value.write(to: &bytes, indent: indent, level: level + 1)
      }
    case .array(let items):
      JSONValue.list(items, "[", "]", &bytes, indent, level) { bytes, item in
        item.write(to: &bytes, indent: indent, level: level + 1)
      }
    case .string(let value): JSONValue.quote(value, &bytes)
    case .number(let value): bytes += String(value).utf8
    case .unsigned(let value): bytes += String(value).utf8
    case .decimal(let text): bytes += text.utf8
    case .bool(let value): bytes += value ? "true".utf8 : "false".utf8
    case .null: bytes += "null".utf8
    }
  }

  private static func list<Item>(
    _ items: [Item], _ open: String, _ close: String, _ bytes: inout [UInt8], _ indent: Int?,
    _ level: Int, _ body: (inout [UInt8], Item) -> Void
  ) {
    func newLine(_ bytes: inout [UInt8], _ level: Int) {
      guard let indent else { return }
      bytes.append(UInt8(ascii: "\n"))
      bytes += repeatElement(UInt8(ascii: " "), count: indent * level)
    }
    bytes += open.utf8
    for (index, item) in items.enumerated() {
      if index > 0 { bytes.append(UInt8(ascii: ",")) }
      newLine(&bytes, level + 1)
      body(&bytes, item)
    }
    if !items.isEmpty { newLine(&bytes, level) }
    bytes += close.utf8
  }

  // Byte by byte: what is not ASCII stands in JSON as it is.
  private static func quote(_ value: String, _ bytes: inout [UInt8]) {
    bytes.append(UInt8(ascii: "\""))
    for byte in value.utf8 {
      switch byte {
      case UInt8(ascii: "\""), UInt8(ascii: "\\"): bytes += [UInt8(ascii: "\\"), byte]
      case UInt8(ascii: "\n"): bytes += "\\n".utf8
      case UInt8(ascii: "\r"): bytes += "\\r".utf8
      case UInt8(ascii: "\t"): bytes += "\\t".utf8
      case 0..<0x20, 0x7f: bytes += ("\\u00" + hex([byte])).utf8
      default: bytes.append(byte)
      }
    }
    bytes.append(UInt8(ascii: "\""))
  }
}
