import ArgumentParser
import Engine
import Linux

struct SystemGroup: CommandGroup {
  static let configuration = CommandConfiguration(
    commandName: "system", _superCommandName: "minidock",
    abstract: "Commands about the whole installation.",
    discussion: """
      Example:
        minidock system df
        minidock system prune
      """,
    subcommands: [
      SystemDfCommand.self, EventsCommand.self, InfoCommand.self, SystemPruneCommand.self,
    ])
}
