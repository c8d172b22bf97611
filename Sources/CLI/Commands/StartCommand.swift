import ArgumentParser
import Engine
import Linux

struct StartCommand: Command {
  static let configuration = CommandConfiguration(
    commandName: "start", _superCommandName: "minidock",
    abstract: "Start containers that exist.",
    discussion: """
      Example:
        minidock start web
        minidock start -ai shell
        minidock start --restart-policy

      With -a the exit status is the command's. --restart-policy starts every container that its \
      restart policy wants running: the service that `make install` sets up calls it at boot.
      """)

  @Flag(name: [.customShort("a"), .long], help: "Follow the container's output.")
  var attach = false
  @Flag(name: [.customShort("i"), .long], help: "Pass input on to the container, and follow it.")
  var interactive = false
  @Option(help: ArgumentHelp("Keys that leave the terminal.", valueName: "keys"))
  var detachKeys: String?
  @Option(help: ArgumentHelp("Pass signals on to the container.", valueName: "bool"))
  var sigProxy = true
  @Flag(help: "Start what the restart policies want running.") var restartPolicy = false
  @Argument(help: ArgumentHelp("Names or ids.", valueName: "container")) var containers: [String] =
    []

  func validate() throws {
    if restartPolicy != containers.isEmpty {
      throw ValidationError(
        restartPolicy ? "--restart-policy takes no containers" : "missing container")
    }
    if (attach || interactive) && containers.count > 1 {
      throw ValidationError("only one container can be attached to")
    }
  }

  func execute(_ context: Context) throws(Failure) -> Int32 {
    let installation = try context.installation()
    context.sweep(installation)
    let start = ContainerStart(installation)
    if restartPolicy {
      let (started, failures) = try start.byPolicy()
      for name in started { Console.print(name) }
      for failure in failures { Console.error("minidock: \(failure)") }
      return failures.isEmpty ? 0 : 1
    }
    if attach || interactive {
      return try start.attached(
        containers[0], interactive: interactive, signalProxy: sigProxy, detachKeys: detachKeys)
    }
    return context.each(containers) { name throws(Failure) in
      try start.detached(name)
      Console.print(name)
    }
  }
}
