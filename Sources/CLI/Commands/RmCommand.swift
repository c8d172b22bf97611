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
    var removal = ContainerRemoval(installation)
    removal.force = force
    removal.volumes = volumes
    var pending: [(String, ContainerRemoval.Pending)] = []
    var status: Int32 = 0
    // All are killed before the first is waited for: they die at the same time.
    for name in containers {
      do throws(Failure) { pending.append((name, try removal.begin(name))) } catch {
        // Docker's rm -f of a container that does not exist succeeds, but says so.
        Console.error("minidock: \(error)")
        if !(force && error.code == .notFound) { status = 1 }
      }
    }
    for (name, container) in pending {
      let failed = context.each([name]) { name throws(Failure) in
        try removal.finish(container)
        Console.print(name)
      }
      if failed != 0 { status = failed }
    }
    removal.emptyTrash()
    return status
  }
}
