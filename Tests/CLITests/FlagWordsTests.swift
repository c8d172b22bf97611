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
    let described = describedFlags(of: ExecCommand.self)
    #expect(described.count == 15)
    var draft = ExecDraft()
    #expect(described.allSatisfy { draft.turn($0, true) || draft.takesValue($0) })
    #expect(Set(ExecDraft.valueNames).subtracting(described).isEmpty)
  }
}

/// `ps` takes its words by itself too.
@Suite struct PsWordsTests {
  @Test func `flags are what ArgumentParser's are`() throws {
    let draft = try #require(
      try PsDraft.parse(["-aq", "-n3", "--no-trunc", "-f", "name=x", "--format", "json", "-ls"]))
    #expect(draft.showsAll && draft.quiet && draft.noTrunc && draft.latest && draft.showsSize)
    #expect(draft.filters.first?.key == "name" && draft.filters.first?.value == "x")
    #expect(draft.last == 3 && draft.filters.count == 1 && draft.format == "json")
    #expect(try PsDraft.parse([]).map { _ in true } == true)
  }

  @Test(arguments: [["box"], ["-x"], ["--help"], ["-n", "many"], ["--format"]])
  func `words that make no sense are left to the parser that explains them`(words: [String]) throws
  {
    #expect(try PsDraft.parse(words).map { _ in true } == nil)
    #expect((try? PsCommand.parseAsRoot(words) as? PsCommand) == nil)
  }

  @Test func `help describes exactly the flags that are understood`() {
    let described = describedFlags(of: PsCommand.self)
    #expect(described.count == 14)
    var draft = PsDraft()
    #expect(described.allSatisfy { draft.turn($0, true) || draft.takesValue($0) })
    #expect(Set(PsDraft.valueNames).subtracting(described).isEmpty)
  }
}

/// The flags that a command's help names, but for those of help itself.
private func describedFlags<C: ParsableCommand>(of type: C.Type) -> Set<String> {
  var described: Set<String> = []
  for line in type.helpMessage(columns: 200).split(separator: "\n") where line.hasPrefix("  -") {
    for word in line.split(whereSeparator: { " ,/=<".contains($0) })
    where word.hasPrefix("-") && word.contains(where: \.isLetter) {
      described.insert(String(word))
    }
  }
  return described.subtracting(["-h", "--help"])
}
