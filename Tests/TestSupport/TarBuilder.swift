import Glibc

/// Builds a tar byte by byte, so that a test can write what no tool would.
public struct TarBuilder {
  /// What has been built, without an end mark.
  public private(set) var bytes: [UInt8] = []

  /// The header's fields; ustar unless `magic` says otherwise.
  public struct Header {
    /// The path.
    public var name: [UInt8]
    /// Permissions.
    public var mode = 0o644
    /// The owner.
    public var user = 0
    /// The group.
    public var group = 0
    /// Bytes of content that the header promises.
    public var size = 0
    /// Seconds since 1970.
    public var time = 1_000_000_000
    /// ustar's letter for the kind of entry.
    public var type: Character = "0"
    /// A link's target.
    public var link: [UInt8] = []
    /// Magic and version.
    public var magic = Array("ustar\u{0}00".utf8)
    /// A device's major number.
    public var major = 0
    /// A device's minor number.
    public var minor = 0

    /// A header for a path.
    public init(_ name: String, _ type: Character = "0") {
      self.name = Array(name.utf8)
      self.type = type
    }
  }

  /// A header's 512 bytes with their checksum.
  public static func block(_ header: Header) -> [UInt8] {
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

  /// Nothing yet.
  public init() {}

  /// Adds a header and its content.
  public mutating func add(_ header: Header, _ content: [UInt8] = []) {
    bytes += Self.block(header)
    addContent(content)
  }

  /// Adds content, filled up to a block.
  public mutating func addContent(_ content: [UInt8]) {
    bytes += content
    bytes += [UInt8](repeating: 0, count: (512 - content.count % 512) % 512)
  }

  /// Adds a file.
  public mutating func file(_ name: String, _ content: String = "content", mode: Int = 0o644) {
    var header = Header(name)
    header.size = content.utf8.count
    header.mode = mode
    add(header, Array(content.utf8))
  }

  /// Adds a directory.
  public mutating func directory(_ name: String, mode: Int = 0o755) {
    var header = Header(name, "5")
    header.mode = mode
    add(header)
  }

  /// Adds a symbolic link.
  public mutating func link(_ name: String, _ target: String) {
    var header = Header(name, "2")
    header.link = Array(target.utf8)
    add(header)
  }

  /// Adds a hard link.
  public mutating func hardLink(_ name: String, _ target: String) {
    var header = Header(name, "1")
    header.link = Array(target.utf8)
    add(header)
  }

  /// Adds a device: type "3" for characters, "4" for blocks.
  public mutating func device(_ name: String, _ type: Character, _ major: Int, _ minor: Int) {
    var header = Header(name, type)
    header.major = major
    header.minor = minor
    add(header)
  }

  /// A pax header in front of the next entry; values may hold any byte.
  public mutating func pax(_ records: [(String, [UInt8])], type: Character = "x") {
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
  public mutating func gnuLong(_ name: String, type: Character) {
    var header = Header("././@LongLink", type)
    header.magic = Array("ustar  \u{0}".utf8)
    header.size = name.utf8.count + 1
    add(header, Array(name.utf8) + [0])
  }

  /// Adds bytes as they are.
  public mutating func raw(_ more: [UInt8]) { bytes += more }

  /// The archive with its end mark.
  public var finished: [UInt8] { bytes + [UInt8](repeating: 0, count: 1024) }

  /// Builds an archive.
  public static func archive(_ build: (inout TarBuilder) -> Void) -> [UInt8] {
    var builder = TarBuilder()
    build(&builder)
    return builder.finished
  }
}
