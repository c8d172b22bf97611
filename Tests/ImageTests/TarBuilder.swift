import Glibc

/// Builds a tar byte by byte, so that a test can write what no tool would.
struct TarBuilder {
  private(set) var bytes: [UInt8] = []

  /// The header's fields; ustar unless `magic` says otherwise.
  struct Header {
    var name: [UInt8]
    var mode = 0o644
    var user = 0
    var group = 0
    var size = 0
    var time = 1_000_000_000
    var type: Character = "0"
    var link: [UInt8] = []
    var magic = Array("ustar\u{0}00".utf8)
    var major = 0
    var minor = 0

    init(_ name: String, _ type: Character = "0") {
      self.name = Array(name.utf8)
      self.type = type
    }
  }

  static func block(_ header: Header) -> [UInt8] {
    var block = [UInt8](repeating: 0, count: 512)
    func put(_ value: [UInt8], _ offset: Int, _ length: Int) {
      for (index, byte) in value.prefix(length).enumerated() { block[offset + index] = byte }
    }
    func number(_ value: Int, _ offset: Int, _ length: Int) {
      let digits = String(value, radix: 8)
      let padded = String(repeating: "0", count: max(0, length - 1 - digits.count)) + digits
      put(Array(padded.utf8), offset, length - 1)
    }
    put(header.name, 0, 100)
    number(header.mode, 100, 8)
    number(header.user, 108, 8)
    number(header.group, 116, 8)
    number(header.size, 124, 12)
    number(header.time, 136, 12)
    put([UInt8](repeating: 32, count: 8), 148, 8)
    block[156] = header.type.asciiValue!
    put(header.link, 157, 100)
    put(header.magic, 257, 8)
    number(header.major, 329, 8)
    number(header.minor, 337, 8)
    let sum = block.reduce(0) { $0 + Int($1) }
    number(sum, 148, 7)
    block[154] = 0
    block[155] = 32
    return block
  }

  mutating func add(_ header: Header, _ content: [UInt8] = []) {
    bytes += Self.block(header)
    addContent(content)
  }

  mutating func addContent(_ content: [UInt8]) {
    bytes += content
    bytes += [UInt8](repeating: 0, count: (512 - content.count % 512) % 512)
  }

  mutating func file(_ name: String, _ content: String = "content", mode: Int = 0o644) {
    var header = Header(name)
    header.size = content.utf8.count
    header.mode = mode
    add(header, Array(content.utf8))
  }

  mutating func directory(_ name: String, mode: Int = 0o755) {
    var header = Header(name, "5")
    header.mode = mode
    add(header)
  }

  mutating func link(_ name: String, _ target: String) {
    var header = Header(name, "2")
    header.link = Array(target.utf8)
    add(header)
  }

  mutating func hardLink(_ name: String, _ target: String) {
    var header = Header(name, "1")
    header.link = Array(target.utf8)
    add(header)
  }

  mutating func device(_ name: String, _ type: Character, _ major: Int, _ minor: Int) {
    var header = Header(name, type)
    header.major = major
    header.minor = minor
    add(header)
  }

  /// A pax header in front of the next entry; values may hold any byte.
  mutating func pax(_ records: [(String, [UInt8])], type: Character = "x") {
    var body: [UInt8] = []
    for (key, value) in records {
      let rest = 1 + key.utf8.count + 1 + value.count + 1
      var length = rest + String(rest).count
      if String(length).count > String(rest).count { length = rest + String(length).count }
      body += Array("\(length) \(key)=".utf8) + value + [10]
    }
    var header = Header("pax", type)
    header.size = body.count
    add(header, body)
  }

  /// GNU's long name ("L") or long link ("K") in front of the next entry.
  mutating func gnuLong(_ name: String, type: Character) {
    var header = Header("././@LongLink", type)
    header.magic = Array("ustar  \u{0}".utf8)
    header.size = name.utf8.count + 1
    add(header, Array(name.utf8) + [0])
  }

  mutating func raw(_ more: [UInt8]) { bytes += more }

  /// The archive with its end mark.
  var finished: [UInt8] { bytes + [UInt8](repeating: 0, count: 1024) }

  /// Builds an archive.
  static func archive(_ build: (inout TarBuilder) -> Void) -> [UInt8] {
    var builder = TarBuilder()
    build(&builder)
    return builder.finished
  }
}
