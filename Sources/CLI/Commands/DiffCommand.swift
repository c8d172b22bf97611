import ArgumentParser
import Engine
import Linux

struct DiffCommand: Command {
  static let configuration = CommandConfiguration(
    commandName: "diff", _superCommandName: "minidock",
    abstract: "List what a container has changed in its file system.",
    discussion: """
      Example:
        minidock diff web

      Each line is a letter and a path: A added, C changed, D deleted. Volumes and other mounts are not \
      looked into.
      """)

  @Argument(help: ArgumentHelp("Name or id.", valueName: "container")) var container: String

  func execute(_ context: Context) throws(Failure) -> Int32 {
    let installation = try context.installation()
    context.sweep(installation)
    for line in try ContainerDiff(installation).lines(of: container) { Console.print(line) }
    return 0
  }
}
