import Glibc
import Linux
import TestSupport
import Testing

@testable import Image

/// Both decoders of gzip judge alike: zlib's, and ISA-L's where it is installed. `MINIDOCK_TEST_ROUNDS` is the
/// number of damaged streams.
@Suite("gzip, by zlib and by ISA-L")
struct GzipStreamTests {
  /// Bytes in pieces of one size.
  final class Pieces: ByteStream {
    private let bytes: [UInt8]
    private let size: Int
    private var offset = 0
    private let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 64 << 10, alignment: 16)

    init(_ bytes: [UInt8], of size: Int) {
      self.bytes = bytes
      self.size = min(size, buffer.count)
    }

    deinit { buffer.deallocate() }

    override var stored: Int64 { Int64(offset) }

    override func next() throws(Failure) -> UnsafeRawBufferPointer {
      let end = min(bytes.count, offset + size)
      buffer.copyBytes(from: bytes[offset..<end])
      defer { offset = end }
      return UnsafeRawBufferPointer(rebasing: buffer[..<(end - offset)])
    }
  }

  static let decoders = IgzipLibrary() == nil ? ["zlib"] : ["zlib", "ISA-L"]
  static let rounds = getenv("MINIDOCK_TEST_ROUNDS").flatMap { Int(String(cString: $0)) } ?? 2000

  static func open(_ decoder: String, _ source: ByteStream) throws -> ByteStream {
    guard decoder == "ISA-L" else { return try GzipStream(source) }
    return IgzipStream(source, try #require(IgzipLibrary()))
  }

  /// What comes out, into room for `space` bytes at a time.
  static func decoded(
    _ bytes: [UInt8], by decoder: String, pieces: Int = 4096, space: Int = SharedRing.slotSize
  ) throws -> [UInt8] {
    let stream = try open(decoder, Pieces(bytes, of: pieces))
    let room = UnsafeMutableRawBufferPointer.allocate(byteCount: space, alignment: 16)
    defer { room.deallocate() }
    var result: [UInt8] = []
    while true {
      let count = try stream.fill(room)
      if count == 0 { break }
      result += room[..<count]
    }
    #expect(stream.stored == bytes.count)
    return result
  }

  /// Words that repeat at all distances, and noise between them.
  static func text(_ count: Int) -> [UInt8] {
    var bytes: [UInt8] = []
    var state: UInt64 = 7
    while bytes.count < count {
      state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      let length = Int(state >> 58) + 3
      let start = Int(state >> 20) % max(1, min(bytes.count, 32_700))
      if bytes.count > 64, state >> 40 & 3 != 0 {
        let from = bytes.count - start - 1
        bytes += bytes[from..<min(bytes.count, from + length)]
      } else {
        bytes += (0..<8).map { UInt8(truncatingIfNeeded: state >> ($0 * 8)) }
      }
    }
    return bytes
  }

  static func gzip(_ bytes: [UInt8], _ options: String = "-6") throws -> [UInt8] {
    let directory = try TemporaryDirectory("gzip")
    let path = directory.path + "/f"
    try Files.replace(path, with: bytes)
    try shell("gzip \(options) -c \"$1\" > \"$1.gz\"", path)
    return try #require(try Files.read(path + ".gz"))
  }

  @Test(arguments: decoders)
  func membersAndPaddingComeOutWholeWhateverThePieces(decoder: String) throws {
    let (one, two) = (Self.text(700_000), Self.text(1000))
    let member = try Self.gzip(one)
    for level in ["-1", "-9", "-n"] {
      #expect(try Self.decoded(try Self.gzip(one, level), by: decoder) == one)
    }
    let both = try member + Self.gzip([]) + Self.gzip(two)
    for (pieces, space) in [(4096, 256 << 10), (1, 256 << 10), (60_000, 1), (13, 4097)] {
      let padded = both + [UInt8](repeating: 0, count: 777)
      #expect(try Self.decoded(padded, by: decoder, pieces: pieces, space: space) == one + two)
    }
  }

  @Test(arguments: decoders)
  func whatIsCutShortOrFollowedByAnythingIsAnError(decoder: String) throws {
    let whole = try Self.gzip(Self.text(3000)) + Self.gzip(Self.text(100))
    #expect(try Self.decoded(whole, by: decoder).count >= 3100)
    let border = try Self.gzip(Self.text(3000)).count
    for end in 1..<whole.count where end != border {
      let failure = #expect(throws: Failure.self) {
        try Self.decoded(Array(whole[..<end]), by: decoder, pieces: 64)
      }
      #expect(failure?.code == .corrupt, "cut after \(end): \(String(describing: failure))")
    }
    for junk in [[1], [0, 0, 1], [0x1f], [0x1f, 0x8b, 9]] as [[UInt8]] {
      #expect(throws: Failure.self) { try Self.decoded(whole + junk, by: decoder) }
    }
  }

  /// No flipped bit changes what comes out: it is an error, or it was in a field that means nothing.
  @Test("sec23_aFlippedBitOfGzipChangesNothingUnnoticed", arguments: decoders)
  func flippedBits(decoder: String) throws {
    let text = Self.text(2000)
    let whole = try Self.gzip(text)
    var refused = 0
    for bit in 0..<(whole.count * 8) {
      var flipped = whole
      flipped[bit / 8] ^= 1 << (bit % 8)
      do {
        let result = try Self.decoded(flipped, by: decoder)
        #expect(result == text, "bit \(bit)")
      } catch {
        refused += 1
        #expect((error as? Failure)?.code == .corrupt, "bit \(bit): \(error)")
      }
    }
    // All but the header's time, system and extra flags.
    #expect(refused > whole.count * 8 - 100)
  }

  /// Neither decoder is led out of its memory or into an endless loop by noise behind a good header.
  @Test("sec39_noiseInGzipEndsInAnError", arguments: decoders)
  func noise(decoder: String) throws {
    let whole = try Self.gzip(Self.text(20_000))
    var state: UInt64 = 11
    func random() -> Int {
      state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      return Int(state >> 33)
    }
    for _ in 0..<Self.rounds {
      var bytes = whole
      for _ in 0...(random() % 8) {
        bytes[10 + random() % (bytes.count - 10)] = UInt8(random() & 255)
      }
      let cut = random() % 3 == 0 ? random() % bytes.count : bytes.count
      _ = try? Self.decoded(Array(bytes[..<cut]), by: decoder, pieces: 1 + random() % 5000)
    }
  }
}
