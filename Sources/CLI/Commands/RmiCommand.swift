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
        minidock rmi -f 0123456789ab

      A name of several is only taken away; the last one takes the image with it. An image that a container \
      is made of stays; with --force it loses its names.
      """)

  @Flag(
    name: [.customShort("f"), .long],
    help: "Take all names away, also of an image in use; missing ones are no error.")
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
        // What is not there cannot be removed any better: docker's -f takes it for done.
        if !force || error.code != .notFound { status = 1 }
      }
    }
    return status
  }
}
