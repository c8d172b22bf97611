import Linux
import Testing

@Suite struct WireTests {
  private func sample() -> [UInt8] {
    var writer = WireWriter()
    writer.put(UInt8(200))
    writer.put(Int64.min)
    writer.put(true)
    writer.put("zwölf\n\0")
    writer.put([UInt8]([0, 255]))
    writer.put(["a", "", "c"])
    writer.put(Int32?.some(-5)) { $0.put($1) }
    writer.put(Int32?.none) { $0.put($1) }
    return writer.bytes
  }

  private func read(_ bytes: [UInt8]) throws(Failure) -> Bool {
    var reader = WireReader(bytes)
    let numbers = [Int64(try reader.get(UInt8.self)), try reader.get(Int64.self)]
    let flag = try reader.getBool()
    let texts = [try reader.getString()] + [String(describing: try reader.getBytes())]
    let list = try reader.getStrings()
    let some = try reader.getOptional { (reader) throws(Failure) in try reader.get(Int32.self) }
    let none = try reader.getOptional { (reader) throws(Failure) in try reader.get(Int32.self) }
    return numbers == [200, .min] && flag && texts == ["zwölf\n\0", "[0, 255]"]
      && list == ["a", "", "c"] && some == -5 && none == nil && reader.isAtEnd
  }

  @Test func `what is written is read`() throws {
    #expect(try read(sample()))
    #expect(WireReader([]).isAtEnd)
  }

  @Test func `integers are little-endian, with counts of four bytes`() {
    var writer = WireWriter()
    writer.put(UInt16(0x0102))
    writer.put("hi")
    #expect(writer.bytes == [2, 1, 2, 0, 0, 0, 0x68, 0x69])
  }

  @Test func `a message cut anywhere is an error`() {
    let bytes = sample()
    for length in 0..<bytes.count {
      let failure = thrownBy { () throws(Failure) in _ = try read(Array(bytes[..<length])) }
      #expect(failure?.code == .corrupt, "\(length) bytes")
    }
  }

  @Test func `counts beyond the message reserve and read nothing`() {
    let huge: [UInt8] = [255, 255, 255, 255, 1, 2]
    #expect(
      thrownBy { () throws(Failure) in
        var reader = WireReader(huge)
        _ = try reader.getString()
      }?.code == .corrupt)
    #expect(
      thrownBy { () throws(Failure) in
        var reader = WireReader(huge)
        _ = try reader.getBytes()
      }?.code == .corrupt)
    #expect(
      thrownBy { () throws(Failure) in
        var reader = WireReader(huge)
        _ = try reader.getStrings()
      }?.reason == "a list is longer than the message")
  }

  @Test func `bytes that are not UTF-8 become a string all the same`() throws {
    var reader = WireReader([2, 0, 0, 0, 0x61, 0xff])
    #expect(try reader.getString() == "a\u{fffd}")
  }

  @Test func `a failure travels with all its parts`() throws {
    for failure in [
      Failure(errno: 13, "open", "/x", reason: "why", remedy: "do"),
      Failure(.commandNotFound, "execute", "sh", reason: "none"), Failure(.corrupt, "", reason: ""),
    ] {
      var writer = WireWriter()
      writer.put(failure)
      var reader = WireReader(writer.bytes)
      #expect(try Failure(&reader) == failure)
      #expect(reader.isAtEnd)
    }
  }
}
