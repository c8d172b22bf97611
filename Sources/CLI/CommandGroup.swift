import ArgumentParser

/// A word that stands for several commands: `minidock volume ls`. What it lists in its configuration is
/// all that it has.
protocol CommandGroup: ParsableCommand {}

extension CommandGroup {
  /// The command of a name or an alias of it.
  static func command(named name: String) -> (any Command.Type)? {
    let found = configuration.subcommands.first {
      $0.configuration.commandName == name || $0.configuration.aliases.contains(name)
    }
    return found as? any Command.Type
  }

  // Groups are looked into by CommandDispatch.
  mutating func run() throws { throw CleanExit.helpRequest(self) }
}
