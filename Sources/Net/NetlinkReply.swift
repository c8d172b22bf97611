import CMnl
import Linux

/// One message from the kernel, without its header.
public struct NetlinkReply: Sendable {
  /// NLMSG_ERROR, RTM_NEWLINK, …
  public let type: UInt16
  /// NLM_F_*.
  public let flags: UInt16
  /// The number of the request that it answers.
  public let sequence: UInt32
  /// Everything behind the header.
  public let payload: [UInt8]

  /// The fixed structure at the start of the payload; nil when the message is shorter.
  func fixed<Structure: BitwiseCopyable>(_: Structure.Type) -> Structure? {
    guard payload.count >= MemoryLayout<Structure>.size else { return nil }
    return payload.withUnsafeBytes { $0.loadUnaligned(as: Structure.self) }
  }

  /// The attributes after a fixed structure of that type.
  func attributes<Structure>(after _: Structure.Type) -> NetlinkAttributes {
    NetlinkAttributes(payload[min(payload.count, (MemoryLayout<Structure>.size + 3) & ~3)...])
  }
}

/// The attributes of a message or of a nest. What libmnl does not find well-formed ends the list.
public struct NetlinkAttributes: Sendable {
  private let bytes: [UInt8]
  private var entries: [(type: Int, range: Range<Int>)] = []

  init(_ slice: ArraySlice<UInt8>) {
    bytes = Array(slice)
    let entries = bytes.withUnsafeBytes { raw -> [(type: Int, range: Range<Int>)] in
      guard let base = raw.baseAddress else { return [] }
      var found: [(type: Int, range: Range<Int>)] = []
      var cursor = base.assumingMemoryBound(to: nlattr.self)
      while true {
        let offset = UnsafeRawPointer(cursor) - base
        guard offset < raw.count, mnl_attr_ok(cursor, Int32(raw.count - offset)) else { break }
        let start = offset + 4
        let length = Int(mnl_attr_get_payload_len(cursor))
        found.append((Int(mnl_attr_get_type(cursor)), start..<(start + length)))
        cursor = UnsafePointer(mnl_attr_next(cursor))
      }
      return found
    }
    self.entries = entries
  }

  /// The payload of the first attribute of a type.
  public subscript(type: Int) -> ArraySlice<UInt8>? {
    entries.first { $0.type == type }.map { bytes[$0.range] }
  }

  /// The payloads of all attributes of a type, in order.
  public func all(_ type: Int) -> [ArraySlice<UInt8>] {
    entries.filter { $0.type == type }.map { bytes[$0.range] }
  }

  /// A number in the host's byte order; nil when missing or of another width.
  public func number<Integer: FixedWidthInteger>(
    _ type: Int, _: Integer.Type = UInt32.self
  ) -> Integer? {
    guard let payload = self[type], payload.count == MemoryLayout<Integer>.size else { return nil }
    return payload.withUnsafeBytes { $0.loadUnaligned(as: Integer.self) }
  }

  /// A number in network byte order.
  public func bigEndian<Integer: FixedWidthInteger>(
    _ type: Int, _: Integer.Type = UInt32.self
  ) -> Integer? { number(type, Integer.self).map { Integer(bigEndian: $0) } }

  /// A string, without the zero that ends it.
  public func text(_ type: Int) -> String? {
    self[type].map { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
  }

  /// An IPv4 address.
  public func address(_ type: Int) -> IPv4Address? {
    self[type].flatMap { IPv4Address(octets: $0) }
  }

  /// The attributes inside an attribute.
  public func nest(_ type: Int) -> NetlinkAttributes? { self[type].map { NetlinkAttributes($0) } }
}
