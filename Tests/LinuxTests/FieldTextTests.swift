import Linux
import Testing

@Suite struct FieldTextTests {
  private func parse(_ text: String) -> FieldText { FieldText(parsing: Array(text.utf8)) }

  @Test func `fields round-trip in their order`() {
    var text = FieldText()
    text.add("id", "abc")
    text.add("env", ["A=1", "", "B=x=y"])
    text.add("number", -5)
    text.add("absent", String?.none)
    let again = FieldText(parsing: text.bytes)
    #expect(again == text)
    #expect(again["id"] == "abc")
    #expect(again["absent"] == nil)
    #expect(again.all("env") == ["A=1", "", "B=x=y"])
    #expect(again.number("number", as: Int.self) == -5)
    #expect(String(decoding: text.bytes, as: UTF8.self).hasPrefix("id=abc\nenv=A=1\nenv=\n"))
  }

  @Test(arguments: [
    "", "\n", "\r\n", "\\", "\\n", "a\\", "\\\\n\n", "key=value\nid=forged", "zwölf", "\0",
    "e\u{301}",
    "=\u{301}", "\u{2028}",
  ])
  func `any value survives and stays one line`(value: String) {
    var text = FieldText()
    text.add("before", "1")
    text.add("key", value)
    text.add("after", "2")
    #expect(text.bytes.count { $0 == 10 } == 3)
    let again = FieldText(parsing: text.bytes)
    #expect(again.fields.count == 3)
    #expect(again["key"].map { Array($0.utf8) } == Array(value.utf8))
    #expect(again["id"] == nil)
  }

  @Test(arguments: [0, 1, 8191, 8192, 8193, 100_000])
  func `a file is read whole, whatever its size`(size: Int) throws {
    let path = "/tmp/minidock-fields-\(UInt64.random(in: 0 ... .max))"
    #expect(try FieldText(file: path) == nil)
    defer { try? Files.remove(path) }
    let line = "key=" + String(repeating: "x", count: max(0, size - 5)) + "\n"
    try Files.replace(path, with: Array(line.utf8.prefix(size)))
    #expect(try FieldText(file: path) == parse(String(line.prefix(size))))
    #expect(try FieldText(file: path)?["key"]?.count == (size > 4 ? size - 5 : nil))
  }

  @Test func `lines that are no fields are ignored`() {
    let text = parse("no equals\n\n=nameless\nid=1\nlast=without line feed")
    #expect(text["id"] == "1")
    #expect(text["last"] == "without line feed")
    #expect(text[""] == "nameless")
    #expect(text.fields.count == 3)
    #expect(parse("").fields.isEmpty)
    #expect(parse("\n\n\n").fields.isEmpty)
  }

  @Test func `the first of several values is the value`() {
    #expect(parse("a=1\na=2")["a"] == "1")
  }

  @Test(arguments: ["", "x", "1x", "99999999999999999999", " 1", "0x10"])
  func `what is no number is nil`(value: String) {
    #expect(parse("n=\(value)").number("n", as: Int64.self) == nil)
    #expect(parse("n=300").number("n", as: UInt8.self) == nil)
    #expect(parse("n=-1").number("n", as: UInt32.self) == nil)
  }

  @Test func `a damaged file parses to something without a crash`() {
    var bytes = Array("id=abc\nkey=a\\nb\nlast=x\\".utf8)
    #expect(FieldText(parsing: bytes)["last"] == "x")
    for index in bytes.indices {
      let old = bytes[index]
      for new: UInt8 in [0, 10, 61, 92, 255] {
        bytes[index] = new
        #expect(FieldText(parsing: bytes).fields.count <= 4)
      }
      bytes[index] = old
      #expect(FieldText(parsing: Array(bytes[..<index])).fields.count <= 3)
    }
  }
}
