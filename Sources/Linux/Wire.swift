/// Writes the compact binary form in which minidock's own processes talk to each other and cache what
/// is cheap to make again: integers little-endian, strings and lists with a 32-bit count in front.
/// It is no durable format: both ends are always the same build.
public struct WireWriter {
  /// What has been written so far.
  public private(set) var bytes: [UInt8] = []

  /// An empty message with room for `capacity` bytes.
  public init(capacity: Int = 512) { bytes.reserveCapacity(capacity) }

  /// Appends an integer in its own width.
  @inline(__always)
  public mutating func put<Integer: FixedWidthInteger>(_ value: Integer) {
    withUnsafeBytes(of: value.littleEndian) { bytes.append(contentsOf: $0) }
  }

  /// Appends a flag as one byte.
  public mutating func put(_ value: Bool) { bytes.append(value ? 1 : 0) }

  /// Appends a string as its UTF-8.
  public mutating func put(_ value: String) {
    var value = value
    value.withUTF8 { text in
      put(UInt32(text.count))
      bytes.append(contentsOf: text)
    }
  }

  /// Appends raw bytes with their count.
  public mutating func put(_ value: [UInt8]) {
    put(UInt32(value.count))
    bytes.append(contentsOf: value)
  }

  /// Appends a list: its count, then each element as `body` writes it.
  public mutating func put<Element>(
    _ list: [Element], _ body: (inout WireWriter, Element) -> Void
  ) {
    put(UInt32(list.count))
    for element in list { body(&self, element) }
  }

  /// Appends a list of strings.
  public mutating func put(_ list: [String]) { put(list) { $0.put($1) } }

  /// Appends an optional: a flag, then the value.
  public mutating func put<Value>(_ value: Value?, _ body: (inout WireWriter, Value) -> Void) {
    put(value != nil)
    if let value { body(&self, value) }
  }
}

/// Reads what ``WireWriter`` wrote; every read is checked against the bytes that are left.
public struct WireReader {
  private let bytes: [UInt8]
  private var offset = 0

  /// Reads `bytes` from the start.
  public init(_ bytes: [UInt8]) { self.bytes = bytes }

  /// True when everything has been read.
  public var isAtEnd: Bool { offset == bytes.count }

  private mutating func take(_ count: Int) throws(Failure) -> Range<Int> {
    guard count >= 0, count <= bytes.count - offset else {
      throw Failure(.corrupt, "decode", "message", reason: "it ends early")
    }
    defer { offset += count }
    return offset..<(offset + count)
  }

  /// Reads an integer in its own width.
  @inline(__always)
  public mutating func get<Integer: FixedWidthInteger>(
    _: Integer.Type = Integer.self
  ) throws(Failure) -> Integer {
    let range = try take(MemoryLayout<Integer>.size)
    return bytes.withUnsafeBytes {
      Integer(littleEndian: $0.loadUnaligned(fromByteOffset: range.lowerBound, as: Integer.self))
    }
  }

  /// Reads a flag.
  public mutating func getBool() throws(Failure) -> Bool { try get(UInt8.self) != 0 }

  /// Reads a string.
  public mutating func getString() throws(Failure) -> String {
    let range = try take(Int(try get(UInt32.self)))
    return String(decoding: bytes[range], as: UTF8.self)
  }

  /// Reads raw bytes.
  public mutating func getBytes() throws(Failure) -> [UInt8] {
    let range = try take(Int(try get(UInt32.self)))
    return [UInt8](bytes[range])
  }

  /// Reads a list whose elements `body` reads.
  public mutating func getList<Element>(
    _ body: (inout WireReader) throws(Failure) -> Element
  ) throws(Failure) -> [Element] {
    let count = Int(try get(UInt32.self))
    guard count <= bytes.count - offset else {
      throw Failure(.corrupt, "decode", "message", reason: "a list is longer than the message")
    }
    var list: [Element] = []
    list.reserveCapacity(count)
    for _ in 0..<count { list.append(try body(&self)) }
    return list
  }

  /// Reads a list of strings.
  public mutating func getStrings() throws(Failure) -> [String] {
    try getList { (reader) throws(Failure) in try reader.getString() }
  }

  /// Reads an optional.
  public mutating func getOptional<Value>(
    _ body: (inout WireReader) throws(Failure) -> Value
  ) throws(Failure) -> Value? {
    try getBool() ? try body(&self) : nil
  }
}
