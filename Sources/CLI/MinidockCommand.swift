import ArgumentParser
import Linux
import Runtime

/// The root of the commands: what `minidock --help` shows.
struct MinidockCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "minidock",
    abstract: "Runs Linux containers without a daemon.",
    discussion: """
      Example:
        minidock run --rm -it busybox sh

      Global options, before the command:
        --root DIR       durable state: images, containers (/var/lib/minidock, $MINIDOCK_ROOT)
        --runroot DIR    state until the next boot (/run/minidock, $MINIDOCK_RUNROOT)
      """,
    version: Version.number,
    subcommands: [
      RunCommand.self, CreateCommand.self, StartCommand.self, StopCommand.self, KillCommand.self,
      RestartCommand.self, PauseCommand.self, UnpauseCommand.self, WaitCommand.self,
      AttachCommand.self, ExecCommand.self, LogsCommand.self, EventsCommand.self, PsCommand.self,
      RenameCommand.self, UpdateCommand.self, RmCommand.self, CpCommand.self, DiffCommand.self,
      ExportCommand.self, CommitCommand.self, ImagesCommand.self, ImportCommand.self,
      InspectCommand.self, LoadCommand.self, SaveCommand.self,
      TagCommand.self, HistoryCommand.self, RmiCommand.self, InfoCommand.self, VersionCommand.self,
      StatsCommand.self, TopCommand.self, ExplainCommand.self, PortCommand.self,
      PullCommand.self, PushCommand.self, LoginCommand.self, LogoutCommand.self,
      SearchCommand.self,
      OCICommand.self,
    ] + groups)

  /// The words that stand for several commands.
  static let groups: [any CommandGroup.Type] = [
    ContainerGroup.self, ImageGroup.self, NetworkGroup.self, VolumeGroup.self, SystemGroup.self,
  ]

  /// The group of a name; asked only when there is no command of this name.
  static func group(named name: String) -> (any CommandGroup.Type)? {
    groups.first { $0.configuration.commandName == name }
  }

  /// The command of a name.
  ///
  /// A switch, not a dictionary: a hashed collection's first use costs a run tens of microseconds of
  /// metadata look-ups.
  static func command(named name: String) -> (any Command.Type)? {
    switch name {
    case "run": RunCommand.self
    case "exec": ExecCommand.self
    case "create": CreateCommand.self
    case "start": StartCommand.self
    case "stop": StopCommand.self
    case "kill": KillCommand.self
    case "restart": RestartCommand.self
    case "pause": PauseCommand.self
    case "unpause": UnpauseCommand.self
    case "wait": WaitCommand.self
    case "attach": AttachCommand.self
    case "logs": LogsCommand.self
    case "events": EventsCommand.self
    case "rename": RenameCommand.self
    case "update": UpdateCommand.self
    case "ps": PsCommand.self
    case "images": ImagesCommand.self
    case "import": ImportCommand.self
    case "load": LoadCommand.self
    case "save": SaveCommand.self
    case "tag": TagCommand.self
    case "history": HistoryCommand.self
    case "inspect": InspectCommand.self
    case "rm": RmCommand.self
    case "rmi": RmiCommand.self
    case "cp": CpCommand.self
    case "diff": DiffCommand.self
    case "export": ExportCommand.self
    case "commit": CommitCommand.self
    case "info": InfoCommand.self
    case "version": VersionCommand.self
    case "stats": StatsCommand.self
    case "top": TopCommand.self
    case "explain": ExplainCommand.self
    case "port": PortCommand.self
    case "pull": PullCommand.self
    case "push": PushCommand.self
    case "login": LoginCommand.self
    case "logout": LogoutCommand.self
    case "search": SearchCommand.self
    case "oci": OCICommand.self
    default: nil
    }
  }

  mutating func run() throws { throw CleanExit.helpRequest(self) }
}
