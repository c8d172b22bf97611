import ArgumentParser
import Engine
import Linux

struct RenameCommand: Command {
  static let configuration = CommandConfiguration(
    commandName: "rename", _superCommandName: "minidock",
    abstract: "Give a container another name.",
    discussion: """
      Example:
        minidock rename brave_turing web
      """)

  @Argument(help: ArgumentHelp("Name or id.", valueName: "container")) var container: String
  @Argument(help: ArgumentHelp("The new name.", valueName: "name")) var name: String

  func execute(_ context: Context) throws(Failure) -> Int32 {
    let installation = try context.installation()
    context.sweep(installation)
    try ContainerRename(installation).rename(container, to: name)
    return 0
  }
}
