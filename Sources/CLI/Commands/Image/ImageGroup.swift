import ArgumentParser
import Engine
import Linux

struct ImageGroup: CommandGroup {
  static let configuration = CommandConfiguration(
    commandName: "image", _superCommandName: "minidock",
    abstract: "Commands about images, by docker's longer names.",
    discussion: """
      Example:
        minidock image ls
        minidock image prune -a
      """,
    subcommands: [
      PullCommand.self, PushCommand.self, ImportCommand.self, LoadCommand.self, SaveCommand.self,
      TagCommand.self, HistoryCommand.self, ImageInspectCommand.self, ImageLsCommand.self,
      ImagePruneCommand.self, ImageRmCommand.self,
      ImageTreeCommand.self, ImageDiffCommand.self, ImageCheckCommand.self, ImageMountCommand.self,
      ImageUnmountCommand.self,
    ])
}

struct ImageLsCommand: Command {
  static let configuration = CommandConfiguration(
    commandName: "ls", _superCommandName: "minidock image",
    abstract: "List images.",
    discussion: """
      Example:
        minidock image ls --filter dangling=true
      """,
    aliases: ["list"])

  @OptionGroup var command: ImagesCommand

  func execute(_ context: Context) throws(Failure) -> Int32 { try command.execute(context) }
}

struct ImageRmCommand: Command {
  static let configuration = CommandConfiguration(
    commandName: "rm", _superCommandName: "minidock image",
    abstract: "Remove images.",
    discussion: """
      Example:
        minidock image rm myimage:1.0
      """,
    aliases: ["remove"])

  @OptionGroup var command: RmiCommand

  func execute(_ context: Context) throws(Failure) -> Int32 { try command.execute(context) }
}

struct ImageInspectCommand: Command {
  static let configuration = CommandConfiguration(
    commandName: "inspect", _superCommandName: "minidock image",
    abstract: "Show all that is known of images.",
    discussion: """
      Example:
        minidock image inspect --format '{{.Config.Cmd}}' busybox
      """)

  @OptionGroup var command: InspectCommand

  func execute(_ context: Context) throws(Failure) -> Int32 {
    var command = command
    command.type = "image"
    return try command.execute(context)
  }
}

struct ImagePruneCommand: Command {
  static let configuration = CommandConfiguration(
    commandName: "prune", _superCommandName: "minidock image",
    abstract: "Remove images that no container is made of.",
    discussion: """
      Example:
        minidock image prune
        minidock image prune -a --filter until=240h

      Without -a only images without a name are removed.
      """)

  @Flag(name: [.customShort("a"), .long], help: "Remove images with a name as well.")
  var all = false
  @OptionGroup var flags: PruneFlags

  func execute(_ context: Context) throws(Failure) -> Int32 {
    let selection = try flags.selection()
    try flags.confirm(
      "images",
      all
        ? "WARNING! This will remove all images without at least one container associated to them."
        : "WARNING! This will remove all dangling images.")
    let installation = try context.installation()
    context.sweep(installation)
    let line = PruneProgress("images")
    let (lines, bytes) = try ImagePrune(installation).prune(all: all, selection) {
      line.show($0, $1)
    }
    line.clear()
    PruneReport.printList("Deleted Images", lines)
    PruneReport.printTotal(bytes)
    return 0
  }
}
