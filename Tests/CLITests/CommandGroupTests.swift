import ArgumentParser
import Engine
import Linux
import TestSupport
import Testing

@testable import minidock

@Suite struct CommandGroupTests {
  private func status(_ words: String...) -> Int32 { CommandDispatch(["minidock"] + words).run() }

  @Test func `every command of a group is found, by its aliases too, and shows help`() throws {
    #expect(MinidockCommand.groups.count >= 4)
    for group in MinidockCommand.groups {
      let name = try #require(group.configuration.commandName)
      #expect(MinidockCommand.command(named: name) == nil)
      #expect(MinidockCommand.group(named: name) == group)
      #expect(status(name) == 0)
      #expect(status(name, "--help") == 0)
      let help = group.helpMessage()
      for command in group.configuration.subcommands {
        let word = try #require(command.configuration.commandName)
        for alias in [word] + command.configuration.aliases {
          #expect(group.command(named: alias).map { $0 == command } == true, "\(name) \(alias)")
        }
        #expect(help.contains("  \(word)"), "\(name) \(word)")
        #expect(status(name, word, "--help") == 0, "\(name) \(word)")
        #expect(command.configuration.discussion.contains("Example:\n  minidock "))
      }
    }
  }

  @Test func `a group has no other words`() {
    #expect(status("volume", "nonsense") == 125)
    #expect(status("volume", "--nonsense") == 125)
    #expect(status("volumes") == 125)
    #expect(status("volume", "ls", "--nonsense") == 125)
    #expect(status("container", "run") == 125)
    #expect(MinidockCommand.group(named: "nonsense") == nil)
  }

  @Test func `a word leads to one command of its group`() throws {
    let group = try #require(MinidockCommand.group(named: "volume"))
    #expect(group.command(named: "create") == VolumeCreateCommand.self)
    #expect(MinidockCommand.group(named: "container")?.command(named: "run") == RunCommand.self)
    #expect(
      MinidockCommand.group(named: "container")?.command(named: "ps") == ContainerLsCommand.self)
  }

  @Test func `completions know the commands of groups`() {
    let script = MinidockCommand.completionScript(for: .bash)
    for word in ["volume", "prune", "system", "df"] { #expect(script.contains(word), "\(word)") }
  }
}
