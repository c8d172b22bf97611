import Glibc
import Linux
import TestSupport
import Testing

@testable import Engine

@Suite struct EnvironmentTests {
  @Test func `a later value replaces an earlier one in its place`() {
    #expect(
      Environment.merge([["A=1", "B=2"], ["C=3", "A=4"], ["B="]]) == ["A=4", "B=", "C=3"])
    #expect(Environment.merge([["A=1", "AB=2", "A=x=y"]]) == ["A=x=y", "AB=2"])
    #expect(Environment.merge([]) == [])
    #expect(Environment.merge([["A=\u{301}1"], ["A=2"]]) == ["A=2"])
  }

  @Test func `-e takes a value, or the caller's own`() throws {
    #expect(try Environment.entry("A=1", flag: "-e") == "A=1")
    #expect(try Environment.entry("A=", flag: "-e") == "A=")
    #expect(try Environment.entry("A=b=c", flag: "-e") == "A=b=c")
    #expect(try Environment.entry("A=\u{301}x", flag: "-e") == "A=\u{301}x")
    #expect(try Environment.entry("NO_SUCH_VARIABLE_HERE", flag: "-e") == nil)
    let path = try #require(getenv("PATH").map { String(cString: $0) })
    #expect(try Environment.entry("PATH", flag: "-e") == "PATH=" + path)
  }

  @Test(arguments: ["", "=", "=x", "A=\0"])
  func `-e without a name is an error`(text: String) {
    #expect(
      thrownBy { () throws(Failure) in _ = try Environment.entry(text, flag: "-e") }?.code
        == .invalid)
  }

  private func entries(_ text: String) throws -> [String] {
    let directory = try TemporaryDirectory("env")
    return try Environment.entries(file: try directory.write("env", text))
  }

  @Test func `a file has one variable on a line, without quoting`() throws {
    let text =
      "\u{feff}A=1\n\n# comment\n  B=two words  \r\nC=\"quoted\"\nD=#no comment\n\t#x\nNO_SUCH_VAR\nE="
    #expect(
      try entries(text) == ["A=1", "B=two words  ", "C=\"quoted\"", "D=#no comment", "E="])
    #expect(try entries("") == [])
  }

  @Test(arguments: ["=x", "A B=1", "A\u{a0}B=1", "ok=1\n=2"])
  func `a line without a proper name is an error with its number`(text: String) throws {
    let directory = try TemporaryDirectory("env")
    let path = try directory.write("env", text)
    let failure = thrownBy { () throws(Failure) in _ = try Environment.entries(file: path) }
    #expect(failure?.code == .invalid)
    #expect(failure?.object == path + (text.hasPrefix("ok") ? ":2" : ":1"))
  }

  @Test func `a missing file is an error`() {
    let failure = thrownBy { () throws(Failure) in
      _ = try Environment.entries(file: "/no/such/file")
    }
    #expect(failure?.errno == ENOENT)
  }
}
