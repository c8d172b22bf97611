import Crypto
import Linux

/// The identity of content: "sha256:" and 64 lower-case hexadecimal digits, and nothing else (OCI
/// image-spec, descriptor.md). As every digit is checked, a digest is safe as a file name (row 24).
public struct Digest: Sendable, Hashable, CustomStringConvertible {
  /// The 32 bytes, eight at a time, the first in the highest place.
  private var words = SIMD4<UInt64>()

  /// Parses "sha256:…".
  ///
  /// - Throws: ``Failure/Code/invalid`` for another algorithm, length, case or character.
  public init(_ text: String) throws(Failure) {
    guard text.utf8.count == 71, text.utf8.starts(with: "sha256:".utf8),
      let digest = Digest(hexDigits: text.utf8.dropFirst(7))
    else {
      throw Failure(
        .invalid, "parse digest", Root.printable(Array(text.utf8.prefix(100))),
        reason: "expected sha256: and 64 lower-case hexadecimal digits")
    }
    self = digest
  }

  /// 64 lower-case hexadecimal digits; nil for anything else.
  public init?(hex: String) {
    guard hex.utf8.count == 64 else { return nil }
    self.init(hexDigits: hex.utf8)
  }

  init?(hexDigits: some Sequence<UInt8>) {
    var count = 0
    for digit in hexDigits {
      guard count < 64, let value = Digest.value(digit) else { return nil }
      words[count / 16] = words[count / 16] << 4 | value
      count += 1
    }
    guard count == 64 else { return nil }
  }

  /// The digest of bytes.
  public init(of bytes: [UInt8]) {
    var hasher = SHA256()
    bytes.withUnsafeBytes { hasher.update(bufferPointer: $0) }
    self.init(finishing: hasher)
  }

  init(finishing hasher: SHA256) {
    for (index, byte) in hasher.finalize().enumerated() {
      words[index / 8] = words[index / 8] << 8 | UInt64(byte)
    }
  }

  static func isHexDigit(_ byte: UInt8) -> Bool { value(byte) != nil }

  private static func value(_ digit: UInt8) -> UInt64? {
    switch digit {
    case UInt8(ascii: "0")...UInt8(ascii: "9"): UInt64(digit - UInt8(ascii: "0"))
    case UInt8(ascii: "a")...UInt8(ascii: "f"): UInt64(digit - UInt8(ascii: "a")) + 10
    default: nil
    }
  }

  /// The identity of a stack of layers: the lowest one's diff id, then each further one hashed onto it
  /// (OCI image-spec, config.md, "Layer ChainID").
  public static func chain(_ diffIDs: [Digest]) -> [Digest] {
    var chain: [Digest] = []
    for diffID in diffIDs {
      let text = chain.last.map { "\($0) \(diffID)" }
      chain.append(text.map { Digest(of: Array($0.utf8)) } ?? diffID)
    }
    return chain
  }

  /// The 64 digits.
  public var hex: String {
    String(unsafeUninitializedCapacity: 64) { space in
      for index in 0..<64 {
        let value =
          UInt8(truncatingIfNeeded: words[index / 16] >> (60 - 4 * UInt64(index % 16))) & 15
        space[index] = value < 10 ? UInt8(ascii: "0") + value : UInt8(ascii: "a") + value - 10
      }
      return 64
    }
  }

  /// "sha256:…"
  public var description: String { "sha256:" + hex }

  /// The first 12 digits, as docker prints ids.
  public var short: String { String(hex.prefix(12)) }

  /// The order of the digits.
  func precedes(_ other: Digest) -> Bool {
    for index in 0..<4 where words[index] != other.words[index] {
      return words[index] < other.words[index]
    }
    return false
  }

  func write(to writer: inout WireWriter) { for index in 0..<4 { writer.put(words[index]) } }

  /// What ``write(to:)`` wrote; the caller knows that 32 bytes are there.
  init(loading bytes: UnsafeRawBufferPointer, at offset: Int) {
    for index in 0..<4 {
      words[index] = bytes.loadUnaligned(fromByteOffset: offset + 8 * index, as: UInt64.self)
    }
  }
}
