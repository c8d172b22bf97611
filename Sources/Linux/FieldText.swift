/// The text form of minidock's own small records: one `key=value` on a line, a repeated key for a
/// list. A backslash, line feed or carriage return in a value is escaped. Unknown keys are kept for
/// the reader to ignore, so records survive up- and downgrades; it parses some hundred times faster
/// than a JSON document decodes, which is what keeps `run` and `ps` short.
public struct FieldText: Sendable, Equatable {
  /// The lines in order.
  public private(set) var fields: [(key: String, value: String)] = []

  /// No fields.
  public init() {}

  /// Reads one of minidock's own files; nil when it does not exist.
  public init?(file path: String) throws(Failure) {
    guard let fields = try Files.withSmallFile(path, { FieldText(parsing: $0) }) else { return nil }
    self = fields
  }

  /// Parses text; lines without `=` are ignored.
  public init(parsing bytes: [UInt8]) { self = bytes.withUnsafeBytes { FieldText(parsing: $0) } }

  init(parsing text: UnsafeRawBufferPointer) {
    do {
      fields.reserveCapacity(text.count / 16)
      var start = 0
      while start < text.count {
        var end = start
        var equals = -1
        var isEscaped = false
        while end < text.count, text[end] != UInt8(ascii: "\n") {
          if text[end] == UInt8(ascii: "="), equals < 0 { equals = end }
          if text[end] == UInt8(ascii: "\\") { isEscaped = true }
          end += 1
        }
        if equals >= 0 {
          let value = UnsafeRawBufferPointer(rebasing: text[(equals + 1)..<end])
          fields.append(
            (
              String(
                decoding: UnsafeRawBufferPointer(rebasing: text[start..<equals]), as: UTF8.self),
              isEscaped ? FieldText.unescape(value) : String(decoding: value, as: UTF8.self)
            ))
        }
        start = end + 1
      }
    }
  }

  /// Appends a field.
  public mutating func add(_ key: String, _ value: String) { fields.append((key, value)) }

  /// Appends a field when there is a value.
  public mutating func add(_ key: String, _ value: String?) {
    if let value { fields.append((key, value)) }
  }

  /// Appends a number.
  public mutating func add(_ key: String, _ value: some BinaryInteger) {
    fields.append((key, String(value)))
  }

  /// Appends a field for each value.
  public mutating func add(_ key: String, _ values: [String]) {
    for value in values { fields.append((key, value)) }
  }

  /// The first value of a key.
  public subscript(key: String) -> String? {
    for index in fields.indices where fields[index].key == key { return fields[index].value }
    return nil
  }

  /// All values of a key, in order.
  public func all(_ key: String) -> [String] {
    var values: [String] = []
    for index in fields.indices where fields[index].key == key {
      values.append(fields[index].value)
    }
    return values
  }

  /// A number under a key.
  @inlinable public func number<Integer: FixedWidthInteger>(
    _ key: String, as: Integer.Type = Integer.self
  ) -> Integer? {
    self[key].flatMap { Integer($0) }
  }

  /// The text, as bytes for a file.
  public var bytes: [UInt8] {
    var result: [UInt8] = []
    result.reserveCapacity(fields.count * 40)
    for (key, value) in fields {
      result.append(contentsOf: key.utf8)
      result.append(UInt8(ascii: "="))
      for byte in value.utf8 {
        switch byte {
        case UInt8(ascii: "\\"): result.append(contentsOf: [byte, byte])
        case UInt8(ascii: "\n"): result.append(contentsOf: [UInt8(ascii: "\\"), UInt8(ascii: "n")])
        case UInt8(ascii: "\r"): result.append(contentsOf: [UInt8(ascii: "\\"), UInt8(ascii: "r")])
        default: result.append(byte)
        }
      }
      result.append(UInt8(ascii: "\n"))
    }
    return result
  }

  private static func unescape(_ text: UnsafeRawBufferPointer) -> String {
    var result: [UInt8] = []
    var escaped = false
    for byte in text {
      if escaped {
        switch byte {
        case UInt8(ascii: "n"): result.append(UInt8(ascii: "\n"))
        case UInt8(ascii: "r"): result.append(UInt8(ascii: "\r"))
        default: result.append(byte)
        }
        escaped = false
      } else if byte == UInt8(ascii: "\\") {
        escaped = true
      } else {
        result.append(byte)
      }
    }
    return String(decoding: result, as: UTF8.self)
  }

  /// Equal when the same fields stand in the same order.
  public static func == (a: FieldText, b: FieldText) -> Bool {
    a.fields.elementsEqual(b.fields) { $0 == $1 }
  }
}
