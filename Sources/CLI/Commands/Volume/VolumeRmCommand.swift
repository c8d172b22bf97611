import ArgumentParser
import Engine
import Linux

struct VolumeRmCommand: Command {
  static let configuration = CommandConfiguration(
    commandName: "rm", _superCommandName: "minidock volume",
    abstract: "Remove volumes.",
    discussion: """
      Example:
        minidock volume rm data

      A volume that a container has, running or not, is kept: remove the container first.
      """,
    aliases: ["remove"])

  @Flag(name: [.customShort("f"), .long], help: "A volume that does not exist is no failure.")
  var force = false
  @Argument(help: ArgumentHelp("Names.", valueName: "volume")) var volumes: [String]

  func execute(_ context: Context) throws(Failure) -> Int32 {
    let installation = try context.installation()
    context.sweep(installation)
    let removal = VolumeRemoval(installation)
    return context.each(volumes) { name throws(Failure) in
      try removal.remove(name, force: force)
      Console.print(name)
    }
  }
}
