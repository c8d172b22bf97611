import Linux

/// What the first bytes of an import say about it.
///
/// Only tar, plain or in one of four compressions, is decoded. Everything else is refused by its name
/// without any parser looking at it (row 39).
enum ArchiveKind: Equatable {
  case tar
  case gzip
  case zstd
  case xz
  case bzip2
  /// Something known that is not imported: "zip archive".
  case foreign(String)
  case unknown

  /// How many bytes are worth looking at: an ISO 9660 volume names itself at 32,769.
  static let headLength = 36 << 10

  /// Recognizes the kind by magic numbers, and a tar by its header's checksum.
  init(head: UnsafeRawBufferPointer) {
    for (magic, kind) in Self.own where head.has(magic, at: 0) {
      self = kind
      return
    }
    // An ISO 9660 volume begins with 32 KiB of anything, often zeros, which are a tar's end too.
    let isVolume = head.has(Array("CD001".utf8), at: 32769)
    if Self.isTarHeader(head) && !isVolume {
      self = .tar
      return
    }
    for (magic, offset, name) in Self.foreign where head.has(magic, at: offset) {
      self = .foreign(name)
      return
    }
    self = .unknown
  }

  /// The first bytes of a stream, as many as there are: enough to know every kind of archive.
  ///
  /// - Parameter limit: how many may be read at the most.
  static func readHead(_ source: Int32, limit: Int64? = nil) throws(Failure) -> [UInt8] {
    let wanted = Int(min(Int64(headLength), limit ?? .max))
    var head: [UInt8] = []
    var space = [UInt8](repeating: 0, count: headLength)
    while head.count < wanted {
      let got = try space.withMutableBytes { (bytes) throws(Failure) in
        let rest = wanted - head.count
        return try readBytes(source, into: UnsafeMutableRawBufferPointer(rebasing: bytes[..<rest]))
      }
      if got == 0 { break }
      head += space[..<got]
    }
    return head
  }

  private static let own: [([UInt8], ArchiveKind)] = [
    ([0x1f, 0x8b], .gzip), ([0x28, 0xb5, 0x2f, 0xfd], .zstd),
    ([0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00], .xz), ([0x42, 0x5a, 0x68], .bzip2),
  ]

  private static let foreign: [([UInt8], Int, String)] = [
    (Array("PK\u{3}\u{4}".utf8), 0, "zip archive"), (Array("PK\u{5}\u{6}".utf8), 0, "zip archive"),
    ([0x37, 0x7a, 0xbc, 0xaf, 0x27, 0x1c], 0, "7z archive"), (Array("Rar!".utf8), 0, "rar archive"),
    (Array("070701".utf8), 0, "cpio archive"), (Array("070702".utf8), 0, "cpio archive"),
    (Array("070707".utf8), 0, "cpio archive"), ([0xc7, 0x71], 0, "cpio archive"),
    ([0x71, 0xc7], 0, "cpio archive"), (Array("CD001".utf8), 32769, "iso image"),
    (Array("!<arch>\n".utf8), 0, "ar archive or Debian package"),
    (Array("xar!".utf8), 0, "xar archive"),
    (Array("MSCF".utf8), 0, "cab archive"), (Array("hsqs".utf8), 0, "squashfs image"),
    ([0xed, 0xab, 0xee, 0xdb], 0, "rpm package"), (Array("LZIP".utf8), 0, "lzip file"),
    ([0x04, 0x22, 0x4d, 0x18], 0, "lz4 file"), ([0x1f, 0x9d], 0, "compress file"),
    ([0x89, 0x4c, 0x5a, 0x4f], 0, "lzop file"), ([0x5d, 0, 0], 0, "lzma file"),
    (Array("QFI".utf8), 0, "qcow disk image"), ([0x53, 0xef], 0x438, "ext file system image"),
    ([0x7f, 0x45, 0x4c, 0x46], 0, "program"), (Array("#!".utf8), 0, "script"),
  ]

  /// A ustar, GNU or v7 header with a right checksum, or the zeros of an archive without entries.
  static func isTarHeader(_ head: UnsafeRawBufferPointer) -> Bool {
    guard head.count >= 512 else { return false }
    var unsigned = 0
    var signed = 0
    for (index, byte) in head[..<512].enumerated() {
      let value = (148..<156).contains(index) ? UInt8(ascii: " ") : byte
      unsigned += Int(value)
      signed += Int(Int8(bitPattern: value))
    }
    var recorded = 0
    for byte in head[148..<156] where byte != 0 && byte != UInt8(ascii: " ") {
      guard (UInt8(ascii: "0")...UInt8(ascii: "7")).contains(byte) else { return false }
      recorded = recorded * 8 + Int(byte - UInt8(ascii: "0"))
    }
    if recorded == unsigned || recorded == signed { return true }
    return head[..<512].allSatisfy { $0 == 0 }
  }

  /// The error for what is no tar.
  func refusal(_ operation: String, decompressed: Bool) -> Failure? {
    let remedy = "minidock imports tar, plain or compressed with gzip, zstd, xz or bzip2"
    let what = decompressed ? "what is compressed in it" : "this"
    switch self {
    case .tar: return nil
    case .foreign(let name):
      let article = "aei".contains(name.first!) ? "an" : "a"
      return Failure(
        .unsupported, operation, reason: "\(what) is \(article) \(name)", remedy: remedy)
    case .unknown:
      return Failure(
        .unsupported, operation, reason: "\(what) is not a tar archive", remedy: remedy)
    case .gzip, .zstd, .xz, .bzip2:
      if !decompressed { return nil }
      return Failure(
        .unsupported, operation, reason: "it is compressed more than once", remedy: remedy)
    }
  }
}

extension UnsafeRawBufferPointer {
  fileprivate func has(_ magic: [UInt8], at offset: Int) -> Bool {
    count >= offset + magic.count && self[offset..<(offset + magic.count)].elementsEqual(magic)
  }
}
