import ArgumentParser
import Engine
import Linux

struct ContainerGroup: CommandGroup {
  static let configuration = CommandConfiguration(
    commandName: "container", _superCommandName: "minidock",
    abstract: "Commands about containers, by docker's longer names.",
    discussion: """
      Example:
        minidock container ls -a
        minidock container prune

      Each but prune is the command of the same name without "container" in front; ls is ps.
      """,
    subcommands: [
      AttachCommand.self, CommitCommand.self, CpCommand.self, CreateCommand.self,
      DiffCommand.self, ExecCommand.self, ExportCommand.self, ContainerInspectCommand.self,
      KillCommand.self, LogsCommand.self, ContainerLsCommand.self, PauseCommand.self,
      PortCommand.self, ContainerPruneCommand.self, RenameCommand.self, RestartCommand.self,
      RmCommand.self, RunCommand.self, StartCommand.self, StatsCommand.self, StopCommand.self,
      TopCommand.self, UnpauseCommand.self, UpdateCommand.self, WaitCommand.self,
    ])
}

struct ContainerLsCommand: Command {
  static let configuration = CommandConfiguration(
    commandName: "ls", _superCommandName: "minidock container",
    abstract: "List containers.",
    discussion: """
      Example:
        minidock container ls -a
      """,
    aliases: ["list", "ps"])

  @OptionGroup var command: PsCommand

  func execute(_ context: Context) throws(Failure) -> Int32 { try command.execute(context) }
}

struct ContainerInspectCommand: Command {
  static let configuration = CommandConfiguration(
    commandName: "inspect", _superCommandName: "minidock container",
    abstract: "Show all that is known of containers.",
    discussion: """
      Example:
        minidock container inspect --format '{{.State.Status}}' web
      """)

  @OptionGroup var command: InspectCommand

  func execute(_ context: Context) throws(Failure) -> Int32 {
    var command = command
    command.type = "container"
    return try command.execute(context)
  }
}
