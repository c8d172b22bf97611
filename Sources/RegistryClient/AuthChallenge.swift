/// What a server asks for with status 401 (RFC 9110, 11.6.1): a scheme and its parameters.
struct AuthChallenge: Sendable, Equatable {
  /// In small letters: "basic", "bearer".
  var scheme: String
  /// By name in small letters; of a name given twice the first.
  var parameters: [String: String]

  /// The challenges of one WWW-Authenticate header; what is none is left out. Never traps, whatever the
  /// bytes, and takes no more than 8 KiB and 32 parameters.
  static func parse(_ header: String) -> [AuthChallenge] {
    var scanner = Scanner(bytes: Array(header.utf8.prefix(8192)))
    return scanner.challenges()
  }

  /// Reads tokens and quoted strings, byte by byte.
  private struct Scanner {
    let bytes: [UInt8]
    var place = 0

    mutating func challenges() -> [AuthChallenge] {
      var list: [AuthChallenge] = []
      var count = 0
      while true {
        skip { $0 == UInt8(ascii: ",") || Scanner.isSpace($0) }
        guard place < bytes.count, count < 64 else { return list }
        count += 1
        let word = token()
        guard !word.isEmpty else {
          // No token can begin here: whatever it is, it is no challenge.
          return list
        }
        let afterWord = place
        skip(Scanner.isSpace)
        if peek == UInt8(ascii: "="), !list.isEmpty {
          place += 1
          skip(Scanner.isSpace)
          let value = value()
          let last = list.count - 1
          if list[last].parameters.count < 32, list[last].parameters[word.lowercased()] == nil {
            list[last].parameters[word.lowercased()] = value
          }
          continue
        }
        place = afterWord
        list.append(AuthChallenge(scheme: word.lowercased(), parameters: [:]))
        skip(Scanner.isSpace)
        skipToken68()
      }
    }

    private var peek: UInt8? { place < bytes.count ? bytes[place] : nil }

    private mutating func skip(_ isSkipped: (UInt8) -> Bool) {
      while let byte = peek, isSkipped(byte) { place += 1 }
    }

    private static func isSpace(_ byte: UInt8) -> Bool { byte == 0x20 || byte == 0x09 }

    private static func isToken(_ byte: UInt8) -> Bool {
      switch byte {
      case 48...57, 65...90, 97...122: true
      default: "!#$%&'*+-.^_`|~".utf8.contains(byte)
      }
    }

    private mutating func token() -> String {
      let start = place
      skip(Scanner.isToken)
      return String(decoding: bytes[start..<place], as: UTF8.self)
    }

    private mutating func value() -> String {
      guard peek == UInt8(ascii: "\"") else { return token() }
      place += 1
      var text: [UInt8] = []
      while let byte = peek {
        place += 1
        if byte == UInt8(ascii: "\"") { break }
        if byte == UInt8(ascii: "\\"), let next = peek {
          text.append(next)
          place += 1
        } else {
          text.append(byte)
        }
      }
      return String(decoding: text, as: UTF8.self)
    }

    /// A challenge may have one opaque word instead of parameters ("Negotiate a87421=="), which is of no
    /// use here: it is told from a parameter by what follows it.
    private mutating func skipToken68() {
      let start = place
      skip { Scanner.isToken($0) || $0 == UInt8(ascii: "/") }
      let end = place
      skip { $0 == UInt8(ascii: "=") }
      let padding = place - end
      skip(Scanner.isSpace)
      let isWhole = peek == nil || peek == UInt8(ascii: ",")
      if end == start || !isWhole || (padding == 0 && end == start) { place = start }
    }
  }
}
