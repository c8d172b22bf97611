import ArgumentParser
import Engine
import Linux

struct RestartCommand: Command {
  static let configuration = CommandConfiguration(
    commandName: "restart", _superCommandName: "minidock",
    abstract: "Stop containers and start them again.",
    discussion: """
      Example:
        minidock restart web
        minidock restart -t 0 web
      """)

  @OptionGroup var flags: StopFlags
  @Argument(help: ArgumentHelp("Names or ids.", valueName: "container")) var containers: [String]

  func execute(_ context: Context) throws(Failure) -> Int32 {
    let installation = try context.installation()
    context.sweep(installation)
    let start = ContainerStart(installation)
    return flags.stop(containers, context, installation) { name throws(Failure) in
      try start.detached(name)
      Console.print(name)
    }
  }
}
