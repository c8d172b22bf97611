import ArgumentParser
import Engine
import Linux

struct NetworkRmCommand: Command {
  static let configuration = CommandConfiguration(
    commandName: "rm", _superCommandName: "minidock network",
    abstract: "Remove networks.",
    discussion: """
      Example:
        minidock network rm front

      A network that a running container is connected to is kept: stop or disconnect the container first.
      """,
    aliases: ["remove"])

  @Flag(name: [.customShort("f"), .long], help: "A network that does not exist is no failure.")
  var force = false
  @Argument(help: ArgumentHelp("Names or ids.", valueName: "network")) var networks: [String]

  func execute(_ context: Context) throws(Failure) -> Int32 {
    let installation = try context.installation()
    context.sweep(installation)
    let store = NetworkStore(installation)
    return context.each(networks) { name throws(Failure) in
      try store.remove(name, force: force)
      Console.print(name)
    }
  }
}
