import Crypto
import Linux

/// The identity of content: "sha256:" and 64 lower-case hexadecimal digits, and nothing else (OCI
/// image-spec, descriptor.md). As every digit is checked, a digest is safe as a file name (row 24).
public struct Digest: Sendable, Hashable, CustomStringConvertible {
  /// The 64 digits.
  public let hex: String

  /// Parses "sha256:…".
  ///
  /// - Throws: ``Failure/Code/invalid`` for another algorithm, length, case or character.
  public init(_ text: String) throws(Failure) {
    guard text.utf8.count == 71, text.hasPrefix("sha256:"),
      let digest = Digest(hex: String(text.utf8.dropFirst(7))!)
    else {
      throw Failure(
        .invalid, "parse digest", Root.printable(Array(text.utf8.prefix(100))),
        reason: "expected sha256: and 64 lower-case hexadecimal digits")
    }
    self = digest
  }

  /// 64 lower-case hexadecimal digits; nil for anything else.
  public init?(hex: String) {
    guard hex.utf8.count == 64, hex.utf8.allSatisfy(Digest.isHexDigit) else { return nil }
    self.hex = hex
  }

  /// The digest of bytes.
  public init(of bytes: [UInt8]) {
    var hasher = SHA256()
    bytes.withUnsafeBytes { hasher.update(bufferPointer: $0) }
    self.init(finishing: hasher)
  }

  init(finishing hasher: SHA256) {
    let digits = Array("0123456789abcdef".utf8)
    hex = String(
      decoding: hasher.finalize().flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] },
      as: UTF8.self)
  }

  static func isHexDigit(_ byte: UInt8) -> Bool {
    (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte)
      || (UInt8(ascii: "a")...UInt8(ascii: "f")).contains(byte)
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

  /// "sha256:…"
  public var description: String { "sha256:" + hex }

  /// The first 12 digits, as docker prints ids.
  public var short: String { String(hex.prefix(12)) }
}
