import ArgumentParser
import Linux

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
      RunCommand.self, PsCommand.self, ImagesCommand.self, ImportCommand.self, InspectCommand.self,
      RmCommand.self, RmiCommand.self, InfoCommand.self, VersionCommand.self,
      CpCommand.self, DiffCommand.self, ExportCommand.self, CommitCommand.self,
    ])

  /// The command of a name.
  ///
  /// A switch, not a dictionary: a hashed collection's first use costs a run tens of microseconds of
  /// metadata look-ups.
  static func command(named name: String) -> (any Command.Type)? {
    switch name {
    case "run": RunCommand.self
    case "ps": PsCommand.self
    case "images": ImagesCommand.self
    case "import": ImportCommand.self
    case "inspect": InspectCommand.self
    case "rm": RmCommand.self
    case "rmi": RmiCommand.self
    case "cp": CpCommand.self
    case "diff": DiffCommand.self
    case "export": ExportCommand.self
    case "commit": CommitCommand.self
    case "info": InfoCommand.self
    case "version": VersionCommand.self
    default: nil
    }
  }

  mutating func run() throws { throw CleanExit.helpRequest(self) }
}

/// What this build is.
enum Version {
  static let number = "0.1.0"
}
