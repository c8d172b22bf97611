import ArgumentParser
import Engine
import Linux

struct WaitCommand: Command {
  static let configuration = CommandConfiguration(
    commandName: "wait", _superCommandName: "minidock",
    abstract: "Wait until containers have ended, and print their exit statuses.",
    discussion: """
      Example:
        minidock wait job
      """)

  @Argument(help: ArgumentHelp("Names or ids.", valueName: "container")) var containers: [String]

  func execute(_ context: Context) throws(Failure) -> Int32 {
    let installation = try context.installation()
    context.sweep(installation)
    let wait = ContainerWait(installation)
    return context.each(containers) { name throws(Failure) in
      Console.print(String(try wait.wait(name)))
    }
  }
}
