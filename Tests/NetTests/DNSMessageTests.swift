import Testing

@testable import Net

/// Messages as tests write them.
enum Wire {
  static func name(_ text: String) -> [UInt8] {
    text.split(separator: ".").flatMap { [UInt8($0.utf8.count)] + Array($0.utf8) } + [0]
  }

  static func query(
    _ text: String, type: UInt16 = 1, id: UInt16 = 0x1234, flags: UInt16 = 0x0100,
    datagramLimit: UInt16? = nil
  ) -> [UInt8] {
    var bytes: [UInt8] = []
    func put(_ number: UInt16) { bytes += [UInt8(number >> 8), UInt8(number & 255)] }
    for number in [id, flags, 1, 0, 0, datagramLimit == nil ? 0 : 1] { put(number) }
    bytes += name(text)
    put(type)
    put(1)
    if let datagramLimit {
      bytes.append(0)
      put(41)
      put(datagramLimit)
      bytes += [0, 0, 0, 0, 0, 0]
    }
    return bytes
  }
}

@Suite("DNS messages")
struct DNSMessageTests {
  @Test("A question's name is read in lower case, and repeated as it came")
  func question() throws {
    let query = try #require(DNSQuery(Wire.query("Web.Example", type: 28)))
    #expect(query.name == "web.example")
    #expect(query.type == DNSType.address6)
    #expect(query.question == Wire.name("Web.Example") + [0, 28, 0, 1])
    #expect(query.answerLimit == 512)
  }

  @Test("EDNS says how long an answer may be, within reason")
  func edns() throws {
    for (said, limit) in [(UInt16(1232), 1232), (100, 512), (65_000, 4096)] {
      let query = try #require(DNSQuery(Wire.query("a", datagramLimit: said)))
      #expect(query.answerLimit == limit)
      #expect(query.answer(.noError).suffix(11) == [0, 0, 41, 4, 208, 0, 0, 0, 0, 0, 0])
    }
  }

  @Test("An answer has the question's id, its records and no time to live")
  func answer() throws {
    let query = try #require(DNSQuery(Wire.query("web")))
    let bytes = query.answer(.noError, [DNSRecord(address: [10, 1, 2, 3])])
    #expect(
      bytes == [0x12, 0x34, 0x81, 0x80, 0, 1, 0, 1, 0, 0, 0, 0] + query.question
        + [0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 0, 0, 4, 10, 1, 2, 3])
    #expect(query.isAnswered(by: bytes, id: 0x1234))
    #expect(!query.isAnswered(by: bytes, id: 0x1235))
    #expect(!query.isAnswered(by: Wire.query("web"), id: 0x1234))
  }

  @Test(
    "What is no question is none",
    arguments: [
      [], [UInt8](repeating: 0, count: 11), [UInt8](repeating: 0, count: 12),
      // An answer.
      [0, 1, 0x81, 0, 0, 1, 0, 0, 0, 0, 0, 0, 1, 97, 0, 0, 1, 0, 1],
      // Two questions.
      [0, 1, 1, 0, 0, 2, 0, 0, 0, 0, 0, 0, 1, 97, 0, 0, 1, 0, 1],
      // A name that points at itself.
      [0, 1, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0xc0, 12, 0, 1, 0, 1],
      // A label that goes beyond the end.
      [0, 1, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 9, 97, 0, 0, 1, 0, 1],
      // No type.
      [0, 1, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 1, 97, 0, 0, 1],
    ])
  func refused(_ bytes: [UInt8]) { #expect(DNSQuery(bytes) == nil) }

  @Test("A name of more than 255 bytes is none, one of 255 is")
  func longName() {
    let label = String(repeating: "a", count: 49)
    #expect(DNSQuery(Wire.query(Array(repeating: label, count: 5).joined(separator: "."))) != nil)
    #expect(DNSQuery(Wire.query(Array(repeating: label, count: 6).joined(separator: "."))) == nil)
  }

  @Test("A label that no host can have is no name of ours")
  func oddLabel() throws {
    let bytes = Wire.query("a b")
    let query = try #require(DNSQuery(bytes))
    #expect(query.name == nil)
  }

  @Test("Reverse names lead to addresses")
  func reverse() throws {
    let four = try #require(DNSQuery(Wire.query("4.3.2.10.in-addr.arpa", type: 12)))
    #expect(four.reversedAddress == [10, 2, 3, 4])
    let digits = "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.d.f.ip6.arpa"
    let six = try #require(DNSQuery(Wire.query(digits, type: 12)))
    #expect(six.reversedAddress == [0xfd] + [UInt8](repeating: 0, count: 14) + [1])
    for name in ["3.2.10.in-addr.arpa", "256.3.2.10.in-addr.arpa", "x.ip6.arpa", "web"] {
      #expect(try #require(DNSQuery(Wire.query(name, type: 12))).reversedAddress == nil)
    }
  }

  @Test("A pointer is written label by label")
  func pointer() {
    #expect(DNSRecord(pointerTo: "web.net")?.data == Wire.name("web.net"))
    #expect(DNSRecord(pointerTo: "web..net") == nil)
  }

  @Test("Changed and shortened messages are read without a trap, and answers stay whole")
  func mutations() {
    var generator = Numbers(state: 42)
    let seeds = [
      Wire.query("web", datagramLimit: 1232), Wire.query("db.backend.example.com", type: 28),
      Wire.query("4.3.2.10.in-addr.arpa", type: 12), Wire.query("a", type: 255),
    ]
    var understood = 0
    for round in 0..<40_000 {
      var bytes = seeds[round % seeds.count]
      for _ in 0...Int(generator.next() % 4) {
        bytes[Int(generator.next() % UInt64(bytes.count))] = UInt8(generator.next() & 255)
      }
      if generator.next() % 4 == 0 { bytes.removeLast(Int(generator.next() % UInt64(bytes.count))) }
      guard let query = DNSQuery(bytes) else { continue }
      understood += 1
      _ = query.reversedAddress
      let answer = query.answer(.noError, [DNSRecord(address: [1, 2, 3, 4])])
      #expect(query.isAnswered(by: answer, id: query.id))
      #expect(query.truncatedAnswer.count <= 512)
    }
    #expect(understood > 1000)
  }
}

/// The same numbers in every run.
struct Numbers {
  var state: UInt64

  mutating func next() -> UInt64 {
    state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
    return state >> 33
  }
}
