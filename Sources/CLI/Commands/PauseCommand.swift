import ArgumentParser
import Engine
import Linux

struct PauseCommand: Command {
  static let configuration = CommandConfiguration(
    commandName: "pause", _superCommandName: "minidock",
    abstract: "Stop all processes of containers where they are.",
    discussion: """
      Example:
        minidock pause web
        minidock unpause web
      """)

  @Argument(help: ArgumentHelp("Names or ids.", valueName: "container")) var containers: [String]

  func execute(_ context: Context) throws(Failure) -> Int32 {
    let installation = try context.installation()
    context.sweep(installation)
    let pause = ContainerPause(installation)
    return context.each(containers) { name throws(Failure) in
      try pause.pause(name)
      Console.print(name)
    }
  }
}

struct UnpauseCommand: Command {
  static let configuration = CommandConfiguration(
    commandName: "unpause", _superCommandName: "minidock",
    abstract: "Let paused containers go on.",
    discussion: """
      Example:
        minidock unpause web
      """)

  @Argument(help: ArgumentHelp("Names or ids.", valueName: "container")) var containers: [String]

  func execute(_ context: Context) throws(Failure) -> Int32 {
    let installation = try context.installation()
    context.sweep(installation)
    let pause = ContainerPause(installation)
    return context.each(containers) { name throws(Failure) in
      try pause.unpause(name)
      Console.print(name)
    }
  }
}
