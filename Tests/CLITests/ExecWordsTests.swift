import ArgumentParser
import Engine
import Linux
import Testing

@testable import minidock

/// `exec` takes its words by itself, as `run` does; ArgumentParser describes them.
@Suite struct ExecWordsTests {
  @Test func `flags stand before the container, and everything after it is the command`() throws {
    let words = ["-it", "-eA=1", "--env", "B=2", "-w", "/tmp", "--user=me", "--detach-keys", "a"]
    #expect(try ExecDraft.parse(words + ["-d"]).map { _ in true } == nil)
    let (options, container) = try #require(
      try ExecDraft.parse(["-d"] + words + ["box", "ls", "-l", "--", "x"]))
    #expect(container == "box" && options.command == ["ls", "-l", "--", "x"])
    #expect(options.detached && options.interactive && options.terminal && !options.privileged)
    #expect(options.environment == ["A=1", "B=2"] && options.workingDirectory == "/tmp")
    #expect(options.user == "me" && options.detachKeys == "a")
  }

  @Test(arguments: [
    [], ["box"], ["-x", "box", "ls"], ["--help"], ["-w"], ["--tty=perhaps", "box", "ls"],
  ])
  func `words that make no sense are left to the parser that explains them`(words: [String]) throws
  {
    #expect(try ExecDraft.parse(words).map { _ in true } == nil)
  }

  @Test func `help describes exactly the flags that are understood`() {
    var described: Set<String> = []
    for line in ExecCommand.helpMessage(columns: 200).split(separator: "\n")
    where line.hasPrefix("  -") {
      for word in line.split(whereSeparator: { " ,/=<".contains($0) })
      where word.hasPrefix("-") && word.contains(where: \.isLetter) {
        described.insert(String(word))
      }
    }
    described.subtract(["-h", "--help"])
    #expect(described.count == 15)
    var draft = ExecDraft()
    #expect(described.allSatisfy { draft.turn($0, true) || draft.takesValue($0) })
    #expect(Set(ExecDraft.valueNames).subtracting(described).isEmpty)
  }
}
