import Linux

/// Where the files of a plain tar archive lie: found by reading its headers alone, so that an archive of
/// images is neither unpacked nor copied.
///
/// Written in Swift over checked bytes: no C decoder sees the outer archive. ustar, pax and GNU's long
/// names; what an image archive has no use for (sparse files, devices) is passed over.
struct TarIndex {
  /// What a name stands for.
  enum Item: Equatable {
    case file(offset: Int64, size: Int64)
    /// A symbolic link's target, as it stands there.
    case link([UInt8])
    /// A hard link's target: another name of the archive.
    case same([UInt8])
    case directory
  }

  private(set) var items: [[UInt8]: Item] = [:]
  private let object: String

  /// Reads `length` bytes' worth of archive by `read`, which fills a buffer from an offset.
  ///
  /// - Throws: ``Failure/Code/corrupt`` for what is no tar, is cut short or has no end mark;
  ///   ``Failure/Code/refused`` beyond a limit.
  init(
    length: Int64, object: String = "archive",
    read: (UnsafeMutableRawBufferPointer, Int64) throws(Failure) -> Int
  ) throws(Failure) {
    self.object = object
    var reader = Reader(length: length)
    while true {
      guard let header = try reader.header(read) else { return }
      let start = reader.offset
      guard header.size >= 0, header.size <= length - start else { throw reader.cutShort }
      // Rounded up without overflow: the size is within the file's.
      reader.offset = start + (header.size + 511) / 512 * 512
      switch header.type {
      case UInt8(ascii: "x"):
        reader.take(pax: try reader.content(start, header.size, read))
      case UInt8(ascii: "g"): break
      case UInt8(ascii: "L"): reader.longName = try reader.text(start, header.size, read)
      case UInt8(ascii: "K"): reader.longLink = try reader.text(start, header.size, read)
      default:
        let name = reader.longName ?? header.name
        let target = reader.longLink ?? header.link
        let size = reader.paxSize ?? header.size
        guard size >= 0, size <= length - start else { throw reader.cutShort }
        reader.offset = start + (size + 511) / 512 * 512
        add(name, header.type, target, start, size)
        reader.forget()
      }
      guard items.count <= 100_000, reader.headers <= 400_000 else {
        throw Failure(.refused, "read", object, reason: "it has too many entries")
      }
    }
  }

  private mutating func add(
    _ name: [UInt8], _ type: UInt8, _ target: [UInt8], _ offset: Int64, _ size: Int64
  ) {
    guard let path = Self.normalized(name), !path.isEmpty else { return }
    switch type {
    case UInt8(ascii: "0"), 0, UInt8(ascii: "7"):
      items[path] =
        name.last == UInt8(ascii: "/") ? .directory : .file(offset: offset, size: size)
    case UInt8(ascii: "1"): items[path] = .same(target)
    case UInt8(ascii: "2"): items[path] = .link(target)
    case UInt8(ascii: "5"): items[path] = .directory
    default: items[path] = nil
    }
  }

  /// The place of a file, through links within the archive; nil when there is none.
  func file(_ path: String) -> (offset: Int64, size: Int64)? {
    guard var name = Self.normalized(Array(path.utf8)) else { return nil }
    for _ in 0..<16 {
      switch items[name] {
      case .file(let offset, let size): return (offset, size)
      case .same(let target):
        guard let next = Self.normalized(target) else { return nil }
        name = next
      case .link(let target):
        guard target.first != UInt8(ascii: "/") else { return nil }
        let cut = name.lastIndex(of: UInt8(ascii: "/")).map { name[...$0] } ?? []
        guard let next = Self.normalized(Array(cut) + target) else { return nil }
        name = next
      default: return nil
      }
    }
    return nil
  }

  /// The components without "." and with ".." taken back; nil when that would lead out.
  static func normalized(_ path: [UInt8]) -> [UInt8]? {
    var parts: [ArraySlice<UInt8>] = []
    for part in path.split(separator: UInt8(ascii: "/")) {
      if part.elementsEqual([46]) { continue }
      if part.elementsEqual([46, 46]) {
        guard parts.popLast() != nil else { return nil }
        continue
      }
      parts.append(part)
    }
    return Array(parts.joined(separator: [UInt8(ascii: "/")]))
  }
}

extension TarIndex {
  private struct Header {
    var name: [UInt8]
    var link: [UInt8]
    var type: UInt8
    var size: Int64
  }

  private typealias Source = (UnsafeMutableRawBufferPointer, Int64) throws(Failure) -> Int

  /// A position in the archive, and what the next entry has by extended headers.
  private struct Reader {
    let length: Int64
    var offset: Int64 = 0
    var headers = 0
    var longName: [UInt8]?
    var longLink: [UInt8]?
    var paxSize: Int64?

    init(length: Int64) { self.length = length }

    mutating func forget() { (longName, longLink, paxSize) = (nil, nil, nil) }

    var cutShort: Failure {
      Failure(.corrupt, "read", "archive", reason: "it is cut short")
    }

    /// The next header; nil at the end mark.
    mutating func header(_ read: Source) throws(Failure) -> Header? {
      headers += 1
      let block = try bytes(offset, 512, read)
      if block.allSatisfy({ $0 == 0 }) { return nil }
      guard block.withUnsafeBytes({ ArchiveKind.isTarHeader($0) }),
        let size = TarIndex.number(block[124..<136])
      else {
        throw Failure(.corrupt, "read", "archive", reason: "a header at byte \(offset) is damaged")
      }
      offset += 512
      func text(_ range: Range<Int>) -> [UInt8] { Array(block[range].prefix { $0 != 0 }) }
      var name = text(0..<100)
      let isUstar = block[257..<263].elementsEqual(Array("ustar\0".utf8))
      let prefix = isUstar ? text(345..<500) : []
      if !prefix.isEmpty { name = prefix + [UInt8(ascii: "/")] + name }
      return Header(name: name, link: text(157..<257), type: block[156], size: size)
    }

    func bytes(_ offset: Int64, _ count: Int, _ read: Source) throws(Failure) -> [UInt8] {
      guard Int64(count) <= length - offset else { throw cutShort }
      var space = [UInt8](repeating: 0, count: count)
      let got = try space.withMutableBytes { (buffer) throws(Failure) in
        var done = 0
        while done < count {
          let rest = UnsafeMutableRawBufferPointer(rebasing: buffer[done...])
          let got = try read(rest, offset + Int64(done))
          if got <= 0 { break }
          done += got
        }
        return done
      }
      guard got == count else { throw cutShort }
      return space
    }

    func content(_ offset: Int64, _ size: Int64, _ read: Source) throws(Failure) -> [UInt8] {
      guard size <= 1 << 20 else {
        throw Failure(.refused, "read", "archive", reason: "an extended header is too large")
      }
      return try bytes(offset, Int(size), read)
    }

    func text(_ offset: Int64, _ size: Int64, _ read: Source) throws(Failure) -> [UInt8] {
      Array(try content(offset, size, read).prefix { $0 != 0 })
    }

    /// "LENGTH KEY=VALUE\n" again and again (POSIX pax, "Extended Header"); what is malformed says nothing.
    mutating func take(pax records: [UInt8]) {
      var rest = records[...]
      while let space = rest.firstIndex(of: UInt8(ascii: " ")),
        space - rest.startIndex <= 8,
        let count = TarIndex.decimal(rest[rest.startIndex..<space]),
        count > Int64(space - rest.startIndex) + 1, count <= Int64(rest.count)
      {
        let record = rest[(space + 1)..<(rest.startIndex + Int(count))]
        rest = rest[(rest.startIndex + Int(count))...]
        guard let equals = record.firstIndex(of: UInt8(ascii: "=")) else { continue }
        let key = record[record.startIndex..<equals]
        var value = record[(equals + 1)...]
        if value.last == UInt8(ascii: "\n") { value.removeLast() }
        if key.elementsEqual("path".utf8) { longName = Array(value) }
        if key.elementsEqual("linkpath".utf8) { longLink = Array(value) }
        if key.elementsEqual("size".utf8) { paxSize = TarIndex.decimal(value) }
      }
    }
  }

  /// Decimal digits; nil for anything else and for what does not fit.
  static func decimal(_ digits: ArraySlice<UInt8>) -> Int64? {
    guard !digits.isEmpty, digits.count <= 18 else { return nil }
    var value: Int64 = 0
    for digit in digits {
      guard (48...57).contains(digit) else { return nil }
      value = value * 10 + Int64(digit - 48)
    }
    return value
  }

  /// A header's number: octal, or GNU's base 256 with the top bit of the first byte set.
  static func number(_ field: ArraySlice<UInt8>) -> Int64? {
    guard let first = field.first else { return nil }
    var value: Int64 = 0
    if first & 0x80 != 0 {
      guard first == 0x80 else { return nil }
      for byte in field.dropFirst() {
        guard value < 1 << 54 else { return nil }
        value = value << 8 | Int64(byte)
      }
      return value
    }
    for byte in field where byte != 0 && byte != UInt8(ascii: " ") {
      guard (48...55).contains(byte), value < 1 << 59 else { return nil }
      value = value << 3 | Int64(byte - 48)
    }
    return value
  }
}
