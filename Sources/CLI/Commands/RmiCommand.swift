import ArgumentParser
import Engine
import Image
import Linux

struct RmiCommand: Command {
  static let configuration = CommandConfiguration(
    commandName: "rmi", _superCommandName: "minidock",
    abstract: "Remove images.",
    discussion: """
      Example:
        minidock rmi myimage:1.0
      """)

  @Flag(name: [.customShort("f"), .long], help: "Remove all names of an image given by its id.")
  var force = false
  @Argument(help: ArgumentHelp("Names or ids.", valueName: "image")) var images: [String]

  func execute(_ context: Context) throws(Failure) -> Int32 {
    let installation = try context.installation()
    context.sweep(installation)
    let removal = ImageRemoval(installation)
    var status: Int32 = 0
    for name in images {
      do throws(Failure) {
        for line in try removal.remove(name, force: force) { Console.print(line) }
      } catch {
        Console.error("minidock: \(error)")
        status = 1
      }
    }
    return status
  }
}
