import ArgumentParser
import Engine
import Linux

struct KillCommand: Command {
  static let configuration = CommandConfiguration(
    commandName: "kill", _superCommandName: "minidock",
    abstract: "Send a signal to running containers.",
    discussion: """
      Example:
        minidock kill web
        minidock kill -s HUP web
      """)

  @Option(
    name: [.customShort("s"), .long],
    help: ArgumentHelp("Signal to send, by name or number.", valueName: "signal"))
  var signal = "KILL"
  @Argument(help: ArgumentHelp("Names or ids.", valueName: "container")) var containers: [String]

  func execute(_ context: Context) throws(Failure) -> Int32 {
    let installation = try context.installation()
    context.sweep(installation)
    var stop = ContainerStop(installation)
    stop.signal = signal
    return context.each(containers) { name throws(Failure) in
      try stop.kill(name)
      Console.print(name)
    }
  }
}
