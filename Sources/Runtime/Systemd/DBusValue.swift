/// A value as D-Bus knows it (D-Bus specification, "Type System"): what systemd's manager takes and gives.
indirect enum DBusValue: Equatable, Sendable {
  case byte(UInt8)
  case bool(Bool)
  case int16(Int16)
  case uint16(UInt16)
  case int32(Int32)
  case uint32(UInt32)
  case int64(Int64)
  case uint64(UInt64)
  case double(Double)
  case string(String)
  case objectPath(String)
  case signature(String)
  /// Elements that all have the signature.
  case array(String, [DBusValue])
  case structure([DBusValue])
  /// Only as an array's element.
  case entry(DBusValue, DBusValue)
  case variant(DBusValue)
  /// The number of a descriptor that came along; none is ever asked for.
  case descriptor(UInt32)

  /// The type, in the specification's letters.
  var signature: String {
    switch self {
    case .byte: "y"
    case .bool: "b"
    case .int16: "n"
    case .uint16: "q"
    case .int32: "i"
    case .uint32: "u"
    case .int64: "x"
    case .uint64: "t"
    case .double: "d"
    case .string: "s"
    case .objectPath: "o"
    case .signature: "g"
    case .array(let element, _): "a" + element
    case .structure(let members): "(" + members.map(\.signature).joined() + ")"
    case .entry(let key, let value): "{" + key.signature + value.signature + "}"
    case .variant: "v"
    case .descriptor: "h"
    }
  }

  /// A list of texts.
  static func strings(_ texts: [String]) -> DBusValue { .array("s", texts.map { .string($0) }) }

  /// The text of a string or object path; nil for anything else.
  var text: String? {
    switch self {
    case .string(let text), .objectPath(let text): text
    case .variant(let value): value.text
    default: nil
    }
  }

  /// The multiple of bytes at which a value of a type begins.
  static func alignment(of letter: UInt8) -> Int {
    switch letter {
    case UInt8(ascii: "n"), UInt8(ascii: "q"): 2
    case UInt8(ascii: "b"), UInt8(ascii: "i"), UInt8(ascii: "u"), UInt8(ascii: "s"),
      UInt8(ascii: "o"), UInt8(ascii: "a"), UInt8(ascii: "h"):
      4
    case UInt8(ascii: "x"), UInt8(ascii: "t"), UInt8(ascii: "d"), UInt8(ascii: "("),
      UInt8(ascii: "{"):
      8
    default: 1
    }
  }
}
