import ArgumentParser
import Engine
import Linux

struct RmCommand: Command {
  static let configuration = CommandConfiguration(
    commandName: "rm", _superCommandName: "minidock",
    abstract: "Remove containers.",
    discussion: """
      Example:
        minidock rm brave_turing
        minidock rm -f $(minidock ps -aq)
      """)

  @Flag(name: [.customShort("f"), .long], help: "Kill a running container first.")
  var force = false
  @Flag(name: [.customShort("v"), .long], help: "Remove its anonymous volumes as well.")
  var volumes = false
  @Argument(help: ArgumentHelp("Names or ids.", valueName: "container")) var containers: [String]

  func execute(_ context: Context) throws(Failure) -> Int32 {
    let installation = try context.installation()
    context.sweep(installation)
    let removal = ContainerRemoval(installation)
    var status: Int32 = 0
    for name in containers {
      do throws(Failure) {
        try removal.remove(name, force: force)
        Console.print(name)
      } catch {
        // Docker's rm -f of a container that does not exist succeeds, but says so.
        Console.error("minidock: \(error)")
        if !(force && error.code == .notFound) { status = 1 }
      }
    }
    return status
  }
}
