import Linux
import TestSupport
import Testing

@testable import Runtime

/// D-Bus's form of messages, and what comes from a peer that means no good.
@Suite struct DBusTests {
  private static let everyType: [DBusValue] = [
    .byte(7), .bool(true), .int16(-2), .uint16(65535), .int32(-5), .uint32(5), .int64(.min),
    .uint64(.max), .double(1.5), .string("grüße"), .objectPath("/a/b"), .signature("a(sv)"),
    .array("u", [.uint32(1), .uint32(2)]), .array("t", []), .strings(["", "x"]),
    .structure([
      .string("a"), .variant(.array("(ss)", [.structure([.string("b"), .string("c")])])),
    ]),
    .array("{sv}", [.entry(.string("k"), .variant(.bool(false)))]),
    .variant(.variant(.uint64(3))),
  ]

  private static var message: DBusMessage {
    DBusMessage.call(
      "org.example", "/org/example", "org.example.Interface", "Member", everyType, serial: 9)
  }

  @Test func `every type is read as it was written`() throws {
    let message = Self.message
    #expect(try DBusMessage(message.bytes) == message)
  }

  // The bytes of the specification's own example of alignment ("Marshaling": an array of one INT64).
  @Test func `the specification's example of an array`() {
    var writer = DBusWriter()
    writer.put(.uint32(1))
    writer.put(.array("x", [.int64(5)]))
    #expect(
      writer.bytes == [1, 0, 0, 0, 8, 0, 0, 0, 5, 0, 0, 0, 0, 0, 0, 0])
    var empty = DBusWriter()
    empty.put(.array("x", []))
    #expect(empty.bytes == [0, 0, 0, 0, 0, 0, 0, 0])
  }

  // As dbus-daemon 1.14 wrote it.
  @Test func `a reply of a real bus is read`() throws {
    let bytes: [UInt8] =
      [
        0x6c, 2, 1, 1, 9, 0, 0, 0, 1, 0, 0, 0, 0x3d, 0, 0, 0, 6, 1, 0x73, 0, 4, 0, 0, 0,
      ] + Array(":1.4".utf8) + [
        0, 0, 0, 0, 5, 1, 0x75, 0, 1, 0, 0, 0, 8, 1, 0x67, 0, 1, 0x73, 0, 0, 7, 1, 0x73, 0, 0x14, 0,
        0, 0,
      ] + Array("org.freedesktop.DBus".utf8) + [0, 0, 0, 0, 4, 0, 0, 0] + Array(":1.4".utf8) + [0]
    let message = try DBusMessage(bytes)
    #expect(message.kind == .reply)
    #expect(message.replySerial == 1)
    #expect(message.body == [.string(":1.4")])
  }

  @Test func `every beginning of a message is refused`() {
    let bytes = Self.message.bytes
    for count in bytes.indices {
      #expect(throws: Failure.self) { try DBusMessage(Array(bytes[..<count])) }
    }
  }

  @Test func `changed messages are read or refused, and never trap`() {
    let good = Self.message.bytes
    var random = SystemRandomNumberGenerator()
    for _ in 0..<20_000 {
      var bytes = good
      for _ in 0...Int.random(in: 0...3, using: &random) {
        bytes[Int.random(in: bytes.indices, using: &random)] = UInt8.random(in: 0...255)
      }
      _ = try? DBusMessage(bytes)
      _ = try? DBusMessage.length(bytes)
    }
  }

  @Test(
    arguments: [
      ("s", [0xff, 0xff, 0xff, 0xff, 0x61, 0]), ("s", [1, 0, 0, 0, 0x61, 0x61]),
      ("s", [1, 0, 0, 0, 0xff, 0]), ("s", [3, 0, 0, 0, 0x61, 0, 0x61, 0]),
      ("au", [0xff, 0xff, 0xff, 0x7f, 0, 0, 0, 0]), ("au", [3, 0, 0, 0, 1, 2, 3, 4]),
      ("a()", [4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]), ("()", [0]), ("(", [0]), ("a", [0, 0, 0, 0]),
      ("v", [1, 0x61, 0, 0, 0, 0, 0]), ("v", [2, 0x79, 0x79, 0, 1, 1]), ("v", [0, 0]),
      ("g", [255, 0x61, 0]), ("{ss}", [1]), ("z", [0]), ("a{s", [0, 0, 0, 0]), (")", [0]),
      ("}", [0]),
      ("x", [1, 2, 3]),
    ] as [(String, [UInt8])])
  func `a damaged value is an error`(signature: String, bytes: [UInt8]) {
    var reader = DBusReader(bytes)
    #expect(throws: Failure.self) { try reader.values(signature) }
  }

  @Test func `nesting has an end`() {
    var deep = DBusReader([UInt8](repeating: 0, count: 4096))
    #expect(throws: Failure.self) {
      try deep.values(String(repeating: "(", count: 100) + "y" + String(repeating: ")", count: 100))
    }
    // Each variant holds another one.
    var variants = DBusReader((0..<300).flatMap { _ in [1, UInt8(ascii: "v"), 0] })
    #expect(throws: Failure.self) { try variants.values("v") }
  }

  @Test(
    arguments: [
      [UInt8(ascii: "B"), 1, 0, 1], [UInt8(ascii: "l"), 1, 0, 9],
    ] as [[UInt8]])
  func `a message of another form is refused`(start: [UInt8]) {
    #expect(throws: Failure.self) {
      try DBusMessage.length(start + [UInt8](repeating: 0, count: 12))
    }
  }

  @Test func `a message that says it is huge is refused before it is read`() {
    let huge: [UInt8] = [
      UInt8(ascii: "l"), 1, 0, 1, 0xff, 0xff, 0xff, 0xff, 1, 0, 0, 0, 0, 0, 0, 0,
    ]
    #expect(throws: Failure.self) { try DBusMessage.length(huge) }
    let fields: [UInt8] = [
      UInt8(ascii: "l"), 1, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0xff, 0xff, 0xff, 0xff,
    ]
    #expect(throws: Failure.self) { try DBusMessage.length(fields) }
  }
}
