import Linux

/// The keys that leave a container's terminal: "ctrl-p,ctrl-q" unless changed.
struct DetachKeys: Equatable {
  private let sequence: [UInt8]
  private var matched = 0

  /// No keys.
  static let none = DetachKeys()

  private init() { sequence = [] }

  /// Parses docker's form: letters or "ctrl-" with a letter or one of @ [ \ ] ^ _, separated by commas;
  /// "" for no keys.
  ///
  /// - Throws: ``Failure/Code/invalid`` naming the key.
  init(_ text: String) throws(Failure) {
    var bytes: [UInt8] = []
    for key in text.split(separator: ",", omittingEmptySubsequences: true).map(String.init) {
      if key.utf8.count == 1 {
        bytes.append(key.utf8.first!)
        continue
      }
      let name = key.lowercased()
      guard name.hasPrefix("ctrl-"), name.utf8.count == 6, let last = name.utf8.last,
        (97...122).contains(last) || "@[\\]^_".utf8.contains(last)
      else {
        throw Failure(.invalid, "parse", "--detach-keys=\(text)", reason: "unknown key \"\(key)\"")
      }
      bytes.append(last & 0x1f)
    }
    sequence = bytes
  }

  /// Splits input into what is passed on and whether the sequence is complete. A part of the sequence is
  /// held back until it is known to be none.
  mutating func filter(_ input: ArraySlice<UInt8>) -> (passed: [UInt8], isDetached: Bool) {
    guard !sequence.isEmpty else { return (Array(input), false) }
    var passed: [UInt8] = []
    for byte in input {
      if byte == sequence[matched] {
        matched += 1
        if matched == sequence.count {
          matched = 0
          return (passed, true)
        }
        continue
      }
      // The longest end of what was typed that may still begin the sequence is held back.
      let typed = sequence[..<matched] + [byte]
      let kept = (0...matched).reversed().first { typed.suffix($0) == sequence[..<$0] } ?? 0
      passed += typed.dropLast(kept)
      matched = kept
    }
    return (passed, false)
  }
}
