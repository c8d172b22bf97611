/// Writes values in D-Bus's form, little-endian (D-Bus specification, "Marshaling").
struct DBusWriter {
  /// What has been written; its beginning is a multiple of 8 bytes from the message's.
  private(set) var bytes: [UInt8] = []

  /// Fills up with zeros.
  mutating func align(to multiple: Int) {
    while bytes.count % multiple != 0 { bytes.append(0) }
  }

  mutating func put(_ value: DBusValue) {
    switch value {
    case .byte(let number): bytes.append(number)
    case .bool(let isTrue): number(UInt32(isTrue ? 1 : 0))
    case .int16(let number): self.number(number)
    case .uint16(let number): self.number(number)
    case .int32(let number): self.number(number)
    case .uint32(let number), .descriptor(let number): self.number(number)
    case .int64(let number): self.number(number)
    case .uint64(let number): self.number(number)
    case .double(let number): self.number(number.bitPattern)
    case .string(let text), .objectPath(let text):
      number(UInt32(text.utf8.count))
      bytes += Array(text.utf8) + [0]
    case .signature(let text):
      bytes += [UInt8(truncatingIfNeeded: text.utf8.count)] + Array(text.utf8) + [0]
    case .array(let element, let values): array(element, values)
    case .structure(let members):
      align(to: 8)
      for member in members { put(member) }
    case .entry(let key, let value):
      align(to: 8)
      put(key)
      put(value)
    case .variant(let value):
      put(.signature(value.signature))
      put(value)
    }
  }

  private mutating func array(_ element: String, _ values: [DBusValue]) {
    number(UInt32(0))
    let place = bytes.count - 4
    // The space before the first element does not count, and is there without any too.
    align(to: DBusValue.alignment(of: element.utf8.first ?? 0))
    let start = bytes.count
    for value in values { put(value) }
    let length = UInt32(bytes.count - start)
    for index in 0..<4 { bytes[place + index] = UInt8(truncatingIfNeeded: length >> (8 * index)) }
  }

  private mutating func number<Integer: FixedWidthInteger>(_ value: Integer) {
    align(to: MemoryLayout<Integer>.size)
    withUnsafeBytes(of: value.littleEndian) { bytes.append(contentsOf: $0) }
  }
}
