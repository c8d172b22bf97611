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
    ])

  /// Commands by name.
  static let commands: [String: any Command.Type] = [
    "run": RunCommand.self, "ps": PsCommand.self, "images": ImagesCommand.self,
    "import": ImportCommand.self, "inspect": InspectCommand.self, "rm": RmCommand.self,
    "rmi": RmiCommand.self, "info": InfoCommand.self, "version": VersionCommand.self,
  ]

  mutating func run() throws { throw CleanExit.helpRequest(self) }
}

/// What this build is.
enum Version {
  static let number = "0.1.0"
}
