/// Changes documents at random: the same seed gives the same ones.
struct Mutator {
  private var state: UInt64

  // What replaces a value.
  private static let values = [
    "null", "true", "-1", "0", "4294967295", "4294967296", "-9223372036854775808",
    "18446744073709551615", "1e999", "0.5", "\"\"", "\"/\"", "\"..\"", "\"\\ud800\"", "[]", "{}",
    "[{}]", "[null]", "\"a,b-\"", "\"0-8191\"", "\"0-18446744073709551616\"", "\"-\"", "\"/dev/\"",
    "\"max\"",
  ].map { Array($0.utf8) }
  private static let letters = Array("{}[]\",:0919-.eE\\u\u{0}ntf/ \n".utf8)

  init(seed: UInt64) { state = seed &* 0x9e37_79b9_7f4a_7c15 | 1 }

  /// A number from 0 to `bound` - 1 (xorshift).
  mutating func next(_ bound: Int) -> Int {
    state ^= state << 13
    state ^= state >> 7
    state ^= state << 17
    return Int(state >> 1) % bound
  }

  /// A document with one to four changes.
  mutating func mutate(_ document: [UInt8]) -> [UInt8] {
    var bytes = document
    for _ in 0...next(4) where !bytes.isEmpty {
      let index = next(bytes.count)
      switch next(8) {
      case 0: bytes[index] = Mutator.letters[next(Mutator.letters.count)]
      case 1: bytes.remove(at: index)
      case 2: bytes.insert(UInt8(next(256)), at: index)
      case 3: bytes.removeSubrange(index..<min(index + next(40), bytes.count))
      case 4:
        let end = min(index + next(60), bytes.count)
        bytes.insert(contentsOf: Array(bytes[index..<end]), at: next(bytes.count))
      default:
        let place = Mutator.value(of: bytes, behind: index)
        bytes.replaceSubrange(place, with: Mutator.values[next(Mutator.values.count)])
      }
    }
    return bytes
  }

  // The next value, when it is a plain one.
  private static func value(of document: [UInt8], behind index: Int) -> Range<Int> {
    var start = index
    while start < document.count, document[start] != UInt8(ascii: ":") { start += 1 }
    start = min(start + 1, document.count)
    var end = start
    while end < document.count, !",}]".utf8.contains(document[end]) { end += 1 }
    return start..<end
  }
}
