import Linux

/// `org.systemd.property.NAME` annotations: further properties of the unit, in GVariant's text form, as runc
/// and crun take them.
enum SystemdAnnotations {
  /// What such an annotation's key begins with.
  static let prefix = "org.systemd.property."

  /// Adds them all.
  ///
  /// - Throws: ``Failure/Code/invalid`` naming the annotation.
  static func add(
    _ annotations: [(key: String, value: String)], to properties: inout SystemdProperties
  ) throws(Failure) {
    for (key, text) in annotations where key.hasPrefix(prefix) {
      var name = String(key.dropFirst(prefix.count))
      let isName = name.utf8.allSatisfy { byte in
        (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte | 0x20)
      }
      guard isName, name.utf8.count >= 3 else {
        throw Failure.field("annotations.\(key)", "it does not end in a property's name")
      }
      var parser = GVariantText(text)
      guard var value = parser.whole() else {
        throw Failure.field(
          "annotations.\(key)", "\"\(text)\" is no value",
          remedy: "write it like 'text', true, 5, uint64 5 or ['a', 'b']")
      }
      // The manager knows times by their microseconds alone.
      if name.hasSuffix("Sec"), !name.hasSuffix("USec") {
        guard let microseconds = microseconds(value) else {
          throw Failure.field("annotations.\(key)", "\"\(text)\" is no number of seconds")
        }
        name = name.dropLast(3) + "USec"
        value = .uint64(microseconds)
      }
      properties.set(name, value)
    }
  }

  private static func microseconds(_ value: DBusValue) -> UInt64? {
    let seconds: Double
    switch value {
    case .byte(let number): seconds = Double(number)
    case .int16(let number): seconds = Double(number)
    case .uint16(let number): seconds = Double(number)
    case .int32(let number): seconds = Double(number)
    case .uint32(let number): seconds = Double(number)
    case .int64(let number): seconds = Double(number)
    case .uint64(let number): seconds = Double(number)
    case .double(let number): seconds = number
    default: return nil
    }
    guard seconds >= 0, seconds < 1e12 else { return nil }
    return UInt64(seconds * 1_000_000)
  }
}

/// The part of GVariant's text form that properties are written in: truth, numbers with and without a type's
/// name, quoted texts, lists of one kind.
struct GVariantText {
  private var rest: ArraySlice<Character>

  init(_ text: String) { rest = Array(text)[...] }

  /// The value; nil when the text is none, or more than one.
  mutating func whole() -> DBusValue? {
    let result = value(depth: 0)
    skip()
    return rest.isEmpty ? result : nil
  }

  private mutating func skip() {
    while let first = rest.first, first.isWhitespace { rest.removeFirst() }
  }

  private mutating func take(_ character: Character) -> Bool {
    skip()
    guard rest.first == character else { return false }
    rest.removeFirst()
    return true
  }

  private mutating func value(depth: Int) -> DBusValue? {
    skip()
    guard depth < 8, let first = rest.first else { return nil }
    if first == "'" || first == "\"" { return quoted().map { .string($0) } }
    if first == "[" { return list(depth: depth, of: nil) }
    if first == "@" {
      // A list that may be empty says its type: @as [].
      rest.removeFirst()
      let type = word()
      guard type.hasPrefix("a"), type.count == 2 else { return nil }
      skip()
      return list(depth: depth, of: String(type.dropFirst()))
    }
    let word = word()
    switch word {
    case "true": return .bool(true)
    case "false": return .bool(false)
    case "byte", "int16", "uint16", "int32", "uint32", "int64", "uint64", "double", "string",
      "boolean":
      skip()
      if word == "string" { return quoted().map { .string($0) } }
      return number(self.word(), word)
    default:
      return word.contains(where: { ".eE".contains($0) }) && !word.hasPrefix("0x")
        ? number(word, "double") : number(word, "int32")
    }
  }

  // Up to what ends a number or a word.
  private mutating func word() -> String {
    let word = rest.prefix { !$0.isWhitespace && !"[],'\"".contains($0) }
    rest = rest.dropFirst(word.count)
    return String(word)
  }

  private func number(_ text: String, _ type: String) -> DBusValue? {
    let isHex = text.hasPrefix("0x")
    func integer<Number: FixedWidthInteger>(_: Number.Type) -> Number? {
      isHex ? Number(text.dropFirst(2), radix: 16) : Number(text)
    }
    switch type {
    case "byte": return integer(UInt8.self).map { .byte($0) }
    case "int16": return integer(Int16.self).map { .int16($0) }
    case "uint16": return integer(UInt16.self).map { .uint16($0) }
    case "int32": return integer(Int32.self).map { .int32($0) }
    case "uint32": return integer(UInt32.self).map { .uint32($0) }
    case "int64": return integer(Int64.self).map { .int64($0) }
    case "uint64": return integer(UInt64.self).map { .uint64($0) }
    case "double": return Double(text).map { .double($0) }
    case "boolean": return text == "true" ? .bool(true) : text == "false" ? .bool(false) : nil
    default: return nil
    }
  }

  private mutating func quoted() -> String? {
    guard let quote = rest.popFirst(), quote == "'" || quote == "\"" else { return nil }
    var text = ""
    while let character = rest.popFirst() {
      if character == quote { return text.utf8.contains(0) ? nil : text }
      guard character == "\\" else {
        text.append(character)
        continue
      }
      switch rest.popFirst() {
      case "n": text.append("\n")
      case "t": text.append("\t")
      case "\\": text.append("\\")
      case "'": text.append("'")
      case "\"": text.append("\"")
      default: return nil
      }
    }
    return nil
  }

  private mutating func list(depth: Int, of type: String?) -> DBusValue? {
    guard take("[") else { return nil }
    var values: [DBusValue] = []
    if !take("]") {
      repeat {
        guard let value = value(depth: depth + 1) else { return nil }
        values.append(value)
      } while take(",")
      guard take("]") else { return nil }
    }
    guard let signature = type ?? values.first?.signature,
      values.allSatisfy({ $0.signature == signature })
    else { return nil }
    return .array(signature, values)
  }
}
