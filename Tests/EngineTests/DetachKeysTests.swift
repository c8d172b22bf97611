import Linux
import Testing

@testable import Engine

@Suite struct DetachKeysTests {
  /// Feeds the input in pieces; nil when the keys were complete.
  private func pass(_ keys: String, _ pieces: [[UInt8]]) throws -> [UInt8]? {
    var keys = try DetachKeys(keys)
    var passed: [UInt8] = []
    for piece in pieces {
      let result = keys.filter(piece[...])
      passed += result.passed
      if result.isDetached { return nil }
    }
    return passed
  }

  private let p: UInt8 = 16
  private let q: UInt8 = 17

  @Test func `the sequence is found whole, split, and behind other keys`() throws {
    for pieces in [[[p, q]], [[p], [q]], [[1, 2, p, q, 3]], [[1, p], [], [q]], [[p, p, q]]] {
      #expect(try pass("ctrl-p,ctrl-q", pieces) == nil, "\(pieces)")
    }
  }

  @Test func `what is not the sequence passes unchanged and in order`() throws {
    #expect(try pass("ctrl-p,ctrl-q", [[1, 2, 3]]) == [1, 2, 3])
    #expect(try pass("ctrl-p,ctrl-q", [[p, 1]]) == [p, 1])
    #expect(try pass("ctrl-p,ctrl-q", [[p], [1, q]]) == [p, 1, q])
    #expect(try pass("ctrl-p,ctrl-q", [[q, p, 1]]) == [q, p, 1])
    #expect(try pass("", [[p, q]]) == [p, q])
  }

  @Test func `a part of the sequence is held back until the next key`() throws {
    #expect(try pass("ctrl-p,ctrl-q", [[p]]) == [])
    #expect(try pass("ctrl-p,ctrl-q", [[1, p], [p]]) == [1, p])
  }

  @Test func `a sequence that overlaps itself is found`() throws {
    #expect(try pass("a,a,b", [Array("aaab".utf8)]) == nil)
    #expect(try pass("a,b,a,c", [Array("ababac".utf8)]) == nil)
    #expect(try pass("a,a,b", [Array("aaac".utf8)]) == Array("aaac".utf8))
  }

  @Test func `one key is a sequence`() throws {
    #expect(try pass("x", [Array("ax".utf8)]) == nil)
    #expect(try pass("x", [Array("aay".utf8)]) == Array("aay".utf8))
  }

  @Test func `control keys have their codes`() throws {
    for (name, code) in [
      ("ctrl-a", 1), ("ctrl-z", 26), ("ctrl-@", 0), ("ctrl-[", 27), ("ctrl-\\", 28), ("ctrl-]", 29),
      ("ctrl-^", 30), ("ctrl-_", 31), ("CTRL-A", 1), ("a", 97),
    ] as [(String, UInt8)] {
      #expect(try pass(name, [[code]]) == nil, "\(name)")
    }
  }

  @Test(arguments: ["ctrl-", "ctrl-1", "ctrl-ab", "alt-a", "ab", "é", "a,ctrl-é"])
  func `an unknown key is an error`(text: String) {
    #expect(thrownBy { () throws(Failure) in _ = try DetachKeys(text) }?.code == .invalid)
  }
}
