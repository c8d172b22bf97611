/// What is wrong with a JSON document, and where: the path grows from the inside outward.
public struct JSONFault: Error, Sendable {
  /// "linux.mounts[3].destination"; empty for the document itself.
  public private(set) var path: String
  /// Why, in words.
  public let reason: String

  /// A fault at the place that is being read.
  public init(_ reason: String) {
    path = ""
    self.reason = reason
  }

  /// The same fault seen from the object that has the member.
  public func inside(_ key: String) -> JSONFault { below(key) }

  /// The same fault seen from the list.
  public func inside(_ index: Int) -> JSONFault { below("[\(index)]") }

  private func below(_ step: String) -> JSONFault {
    var outer = self
    let separator = path.isEmpty || path.hasPrefix("[") ? "" : "."
    outer.path = step + separator + path
    return outer
  }
}

extension JSONValue {
  /// How deep objects and lists may lie in one another.
  public static let depthLimit = 64

  /// Reads a document (RFC 8259) and nothing after it.
  ///
  /// Stricter than most readers where a lenient one could be led to see another document than the next:
  /// a key given twice, text that is not UTF-8 and a zero byte in a text are refused.
  /// - Throws: the fault with the number of the line.
  public init(parsing bytes: [UInt8]) throws(JSONFault) {
    let outcome: Result<JSONValue, JSONFault> = bytes.withUnsafeBufferPointer { buffer in
      var parser = JSONParser(text: buffer)
      do throws(JSONFault) { return .success(try parser.document()) } catch {
        return .failure(error)
      }
    }
    self = try outcome.get()
  }
}

private struct JSONParser {
  let text: UnsafeBufferPointer<UInt8>
  private var place = 0
  private var depth = 0

  init(text: UnsafeBufferPointer<UInt8>) { self.text = text }

  mutating func document() throws(JSONFault) -> JSONValue {
    let value = try value()
    skipSpace()
    if place < text.count { throw fault("there is something behind the document") }
    return value
  }

  private func fault(_ reason: String) -> JSONFault {
    var line = 1
    for index in 0..<min(place, text.count) where text[index] == UInt8(ascii: "\n") { line += 1 }
    let end = place >= text.count ? "the document ends early" : reason
    return JSONFault("\(end) (line \(line))")
  }

  private mutating func skipSpace() {
    while place < text.count {
      switch text[place] {
      case 0x20, 0x0a, 0x0d, 0x09: place += 1
      default: return
      }
    }
  }

  private mutating func value() throws(JSONFault) -> JSONValue {
    skipSpace()
    guard place < text.count else { throw fault("") }
    switch text[place] {
    case UInt8(ascii: "{"): return try object()
    case UInt8(ascii: "["): return try array()
    case UInt8(ascii: "\""): return .string(try string())
    case UInt8(ascii: "t"): return try word("true", .bool(true))
    case UInt8(ascii: "f"): return try word("false", .bool(false))
    case UInt8(ascii: "n"): return try word("null", .null)
    case UInt8(ascii: "-"), UInt8(ascii: "0")...UInt8(ascii: "9"): return try number()
    default: throw fault("it is no JSON")
    }
  }

  private mutating func word(
    _ word: StaticString, _ value: JSONValue
  ) throws(JSONFault) -> JSONValue {
    for index in 0..<word.utf8CodeUnitCount {
      guard place < text.count, text[place] == word.utf8Start[index] else {
        throw fault("it is no JSON")
      }
      place += 1
    }
    return value
  }

  private mutating func descend() throws(JSONFault) {
    depth += 1
    if depth > JSONValue.depthLimit {
      throw fault("it is nested more than \(JSONValue.depthLimit) deep")
    }
  }

  private mutating func object() throws(JSONFault) -> JSONValue {
    try descend()
    place += 1
    var members: [(key: String, value: JSONValue)] = []
    skipSpace()
    if place < text.count, text[place] == UInt8(ascii: "}") {
      place += 1
      depth -= 1
      return .object([])
    }
    while true {
      skipSpace()
      guard place < text.count, text[place] == UInt8(ascii: "\"") else {
        throw fault("a key is expected")
      }
      let key = try string()
      skipSpace()
      guard place < text.count, text[place] == UInt8(ascii: ":") else {
        throw fault("a colon is expected")
      }
      place += 1
      do throws(JSONFault) { members.append((key, try value())) } catch {
        throw error.inside(key)
      }
      if try isEnd(UInt8(ascii: "}")) { break }
    }
    try refuseRepetition(members)
    depth -= 1
    return .object(members)
  }

  // Small objects by comparing, large ones by sorting: a hostile one must not take quadratic time.
  private func refuseRepetition(
    _ members: [(key: String, value: JSONValue)]
  ) throws(JSONFault) {
    if members.count <= 16 {
      for first in members.indices.dropLast() {
        for second in (first + 1)..<members.count where members[first].key == members[second].key {
          throw JSONFault("it is given twice").inside(members[first].key)
        }
      }
      return
    }
    let keys = members.map(\.key).sorted()
    for index in keys.indices.dropFirst() where keys[index] == keys[index - 1] {
      throw JSONFault("it is given twice").inside(keys[index])
    }
  }

  private mutating func array() throws(JSONFault) -> JSONValue {
    try descend()
    place += 1
    var items: [JSONValue] = []
    skipSpace()
    if place < text.count, text[place] == UInt8(ascii: "]") {
      place += 1
      depth -= 1
      return .array([])
    }
    while true {
      do throws(JSONFault) { items.append(try value()) } catch {
        throw error.inside(items.count)
      }
      if try isEnd(UInt8(ascii: "]")) { break }
    }
    depth -= 1
    return .array(items)
  }

  // Behind a member or an item: a comma, or the end.
  private mutating func isEnd(_ closing: UInt8) throws(JSONFault) -> Bool {
    skipSpace()
    guard place < text.count else { throw fault("") }
    let byte = text[place]
    guard byte == closing || byte == UInt8(ascii: ",") else {
      throw fault("a comma is expected")
    }
    place += 1
    return byte == closing
  }

  private mutating func number() throws(JSONFault) -> JSONValue {
    let start = place
    var isInteger = true
    if text[place] == UInt8(ascii: "-") { place += 1 }
    let first = place
    try digits()
    if text[first] == UInt8(ascii: "0"), place > first + 1 {
      throw fault("a number starts with a zero")
    }
    if place < text.count, text[place] == UInt8(ascii: ".") {
      isInteger = false
      place += 1
      try digits()
    }
    if place < text.count, text[place] | 0x20 == UInt8(ascii: "e") {
      isInteger = false
      place += 1
      if place < text.count, text[place] == UInt8(ascii: "-") || text[place] == UInt8(ascii: "+") {
        place += 1
      }
      try digits()
    }
    let digits = String(decoding: text[start..<place], as: UTF8.self)
    if isInteger {
      if let value = Int64(digits) { return .number(value) }
      if let value = UInt64(digits) { return .unsigned(value) }
    }
    return .decimal(digits)
  }

  private mutating func digits() throws(JSONFault) {
    let start = place
    while place < text.count, (48...57).contains(text[place]) { place += 1 }
    if place == start { throw fault("a digit is expected") }
  }

  private mutating func string() throws(JSONFault) -> String {
    place += 1
    let start = place
    // Nearly always there is no escape: the text is taken as it stands.
    while place < text.count, text[place] != UInt8(ascii: "\""), text[place] != UInt8(ascii: "\\"),
      text[place] >= 0x20
    { place += 1 }
    guard place < text.count else { throw fault("") }
    if text[place] == UInt8(ascii: "\"") {
      defer { place += 1 }
      return try utf8(UnsafeBufferPointer(rebasing: text[start..<place]))
    }
    var bytes = Array(text[start..<place])
    while place < text.count {
      let byte = text[place]
      place += 1
      switch byte {
      case UInt8(ascii: "\""): return try bytes.withUTF8 { (it) throws(JSONFault) in try utf8(it) }
      case UInt8(ascii: "\\"): try escape(into: &bytes)
      case 0..<0x20: throw fault("a text has a control character")
      default: bytes.append(byte)
      }
    }
    throw fault("")
  }

  private func utf8(_ bytes: UnsafeBufferPointer<UInt8>) throws(JSONFault) -> String {
    guard let string = String(validating: bytes, as: UTF8.self) else {
      throw fault("a text is not UTF-8")
    }
    return string
  }

  private mutating func escape(into bytes: inout [UInt8]) throws(JSONFault) {
    guard place < text.count else { throw fault("") }
    let letter = text[place]
    place += 1
    switch letter {
    case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): bytes.append(letter)
    case UInt8(ascii: "b"): bytes.append(0x08)
    case UInt8(ascii: "f"): bytes.append(0x0c)
    case UInt8(ascii: "n"): bytes.append(0x0a)
    case UInt8(ascii: "r"): bytes.append(0x0d)
    case UInt8(ascii: "t"): bytes.append(0x09)
    case UInt8(ascii: "u"):
      let scalar = try unicodeEscape()
      if scalar.value == 0 { throw fault("a text has a zero byte") }
      bytes += Array(String(Character(scalar)).utf8)
    default: throw fault("a text has an unknown escape")
    }
  }

  // Half a surrogate pair becomes the replacement character, as Go and JavaScript read it.
  private mutating func unicodeEscape() throws(JSONFault) -> Unicode.Scalar {
    let first = try hexadecimal()
    if let scalar = Unicode.Scalar(first) { return scalar }
    let before = place
    if (0xd800..<0xdc00).contains(first), place + 1 < text.count,
      text[place] == UInt8(ascii: "\\"), text[place + 1] == UInt8(ascii: "u")
    {
      place += 2
      let second = try hexadecimal()
      if (0xdc00..<0xe000).contains(second),
        let scalar = Unicode.Scalar(0x10000 + (first - 0xd800) << 10 + (second - 0xdc00))
      {
        return scalar
      }
      place = before
    }
    return "\u{fffd}"
  }

  private mutating func hexadecimal() throws(JSONFault) -> UInt32 {
    var value: UInt32 = 0
    for _ in 0..<4 {
      guard place < text.count else { throw fault("") }
      switch text[place] {
      case 48...57: value = value << 4 | UInt32(text[place] - 48)
      case 65...70: value = value << 4 | UInt32(text[place] - 55)
      case 97...102: value = value << 4 | UInt32(text[place] - 87)
      default: throw fault("a text has an unknown escape")
      }
      place += 1
    }
    return value
  }
}

extension [UInt8] {
  fileprivate func withUTF8<Value>(
    _ body: (UnsafeBufferPointer<UInt8>) throws(JSONFault) -> Value
  ) throws(JSONFault) -> Value {
    let outcome: Result<Value, JSONFault> = withUnsafeBufferPointer { bytes in
      do throws(JSONFault) { return .success(try body(bytes)) } catch { return .failure(error) }
    }
    return try outcome.get()
  }
}
