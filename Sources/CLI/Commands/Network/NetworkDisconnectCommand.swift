import ArgumentParser
import Engine
import Linux

struct NetworkDisconnectCommand: Command {
  static let configuration = CommandConfiguration(
    commandName: "disconnect", _superCommandName: "minidock network",
    abstract: "Disconnect a container from a network.",
    discussion: """
      Example:
        minidock network disconnect back web
      """)

  @Flag(
    name: [.customShort("f"), .long], help: "A container that is not connected is no failure.")
  var force = false
  @Argument(help: ArgumentHelp("Name or id.", valueName: "network")) var network: String
  @Argument(help: ArgumentHelp("Name or id.", valueName: "container")) var container: String

  func execute(_ context: Context) throws(Failure) -> Int32 {
    let installation = try context.installation()
    try NetworkConnection(installation).disconnect(
      container: container, from: network, force: force)
    return 0
  }
}
