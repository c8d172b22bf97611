import Linux

/// Reads values in D-Bus's little-endian form. Nothing that is read is trusted: every length is compared with
/// what is there, and nesting has an end.
struct DBusReader {
  private let bytes: [UInt8]
  private(set) var offset = 0

  /// Reads from the first byte, which is a multiple of 8 bytes from the message's beginning.
  init(_ bytes: [UInt8]) { self.bytes = bytes }

  /// What is damaged.
  static func damaged(_ reason: String) -> Failure {
    Failure(.corrupt, "read", "message from D-Bus", reason: reason)
  }

  /// The values of a signature.
  mutating func values(_ signature: String) throws(Failure) -> [DBusValue] {
    var types = Array(signature.utf8)[...]
    guard types.count <= 255 else { throw DBusReader.damaged("its signature is too long") }
    var values: [DBusValue] = []
    while !types.isEmpty { values.append(try value(&types, depth: 0)) }
    return values
  }

  /// One value of the type that begins the list, which is taken away from it.
  private mutating func value(
    _ types: inout ArraySlice<UInt8>, depth: Int
  ) throws(Failure) -> DBusValue {
    guard depth < 64 else { throw DBusReader.damaged("its values are nested too deep") }
    guard let letter = types.popFirst() else {
      throw DBusReader.damaged("its signature ends early")
    }
    switch letter {
    case UInt8(ascii: "y"): return .byte(try number())
    case UInt8(ascii: "b"): return .bool(try number(UInt32.self) != 0)
    case UInt8(ascii: "n"): return .int16(try number())
    case UInt8(ascii: "q"): return .uint16(try number())
    case UInt8(ascii: "i"): return .int32(try number())
    case UInt8(ascii: "u"): return .uint32(try number())
    case UInt8(ascii: "h"): return .descriptor(try number())
    case UInt8(ascii: "x"): return .int64(try number())
    case UInt8(ascii: "t"): return .uint64(try number())
    case UInt8(ascii: "d"): return .double(Double(bitPattern: try number()))
    case UInt8(ascii: "s"): return .string(try text(Int(try number(UInt32.self))))
    case UInt8(ascii: "o"): return .objectPath(try text(Int(try number(UInt32.self))))
    case UInt8(ascii: "g"): return .signature(try text(Int(try number(UInt8.self))))
    case UInt8(ascii: "v"):
      var inner = Array(try text(Int(try number(UInt8.self))).utf8)[...]
      let value = try value(&inner, depth: depth + 1)
      guard inner.isEmpty else { throw DBusReader.damaged("a variant has several values") }
      return .variant(value)
    case UInt8(ascii: "a"): return try array(&types, depth: depth)
    case UInt8(ascii: "("):
      try align(to: 8)
      var members: [DBusValue] = []
      while types.first != UInt8(ascii: ")") {
        members.append(try value(&types, depth: depth + 1))
      }
      types.removeFirst()
      guard !members.isEmpty else { throw DBusReader.damaged("a structure is empty") }
      return .structure(members)
    case UInt8(ascii: "{"):
      try align(to: 8)
      let key = try value(&types, depth: depth + 1)
      let value = try value(&types, depth: depth + 1)
      guard types.popFirst() == UInt8(ascii: "}") else {
        throw DBusReader.damaged("its signature is no signature")
      }
      return .entry(key, value)
    default: throw DBusReader.damaged("its signature is no signature")
    }
  }

  private mutating func array(
    _ types: inout ArraySlice<UInt8>, depth: Int
  ) throws(Failure) -> DBusValue {
    let element = try DBusReader.first(of: types)
    types.removeFirst(element.count)
    let length = Int(try number(UInt32.self))
    try align(to: DBusValue.alignment(of: element.first ?? 0))
    guard length <= bytes.count - offset else { throw DBusReader.damaged("a list is too long") }
    let end = offset + length
    var values: [DBusValue] = []
    while offset < end {
      let before = offset
      var type = element
      values.append(try value(&type, depth: depth + 1))
      // Every type has at least one byte, or this would never end.
      guard offset > before else { throw DBusReader.damaged("a list has elements of no size") }
    }
    guard offset == end else { throw DBusReader.damaged("a list ends inside an element") }
    return .array(String(decoding: element, as: UTF8.self), values)
  }

  /// The letters of the first complete type.
  private static func first(of types: ArraySlice<UInt8>) throws(Failure) -> ArraySlice<UInt8> {
    var open = 0
    for index in types.indices {
      switch types[index] {
      case UInt8(ascii: "a"): continue
      case UInt8(ascii: "("), UInt8(ascii: "{"): open += 1
      case UInt8(ascii: ")"), UInt8(ascii: "}"): open -= 1
      default: break
      }
      if open < 0 { break }
      if open == 0 { return types[types.startIndex...index] }
    }
    throw damaged("its signature is no signature")
  }

  /// Skips up to the next multiple.
  mutating func align(to multiple: Int) throws(Failure) {
    let next = (offset + multiple - 1) / multiple * multiple
    guard next <= bytes.count else { throw DBusReader.damaged("it ends early") }
    offset = next
  }

  mutating func number<Integer: FixedWidthInteger>(
    _: Integer.Type = Integer.self
  ) throws(Failure) -> Integer {
    let size = MemoryLayout<Integer>.size
    try align(to: size)
    guard size <= bytes.count - offset else { throw DBusReader.damaged("it ends early") }
    defer { offset += size }
    return bytes.withUnsafeBytes {
      Integer(littleEndian: $0.loadUnaligned(fromByteOffset: offset, as: Integer.self))
    }
  }

  // A text and the zero byte behind it.
  private mutating func text(_ length: Int) throws(Failure) -> String {
    guard length < bytes.count - offset else { throw DBusReader.damaged("a text is too long") }
    let content = bytes[offset..<(offset + length)]
    guard bytes[offset + length] == 0, !content.contains(0) else {
      throw DBusReader.damaged("a text does not end with a zero byte")
    }
    guard let text = String(validating: content, as: UTF8.self) else {
      throw DBusReader.damaged("a text is not UTF-8")
    }
    offset += length + 1
    return text
  }
}
