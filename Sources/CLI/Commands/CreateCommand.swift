import ArgumentParser
import Engine
import Linux

struct CreateCommand: Command {
  static let configuration = CommandConfiguration(
    commandName: "create",
    abstract: "Create a container from an image without starting it.",
    usage: "minidock create [OPTIONS] IMAGE [COMMAND] [ARG...]",
    discussion: """
      Example:
        minidock create --name web busybox httpd -f
        minidock start web

      The options are those of run. The container's id is printed.
      """)

  @OptionGroup(title: "Container") var container: ContainerFlags
  @OptionGroup(title: "Process") var process: ProcessFlags
  @OptionGroup(title: "Health") var health: HealthFlags
  @OptionGroup(title: "Files") var files: FileFlags
  @OptionGroup(title: "Network") var network: NetworkFlags
  @OptionGroup(title: "Limits") var limits: LimitFlags
  @OptionGroup(title: "Security") var security: SecurityFlags

  @Argument(help: "The image to run.") var image: String
  @Argument(parsing: .captureForPassthrough, help: "The command and its arguments.")
  var command: [String] = []

  /// As ``RunCommand/fast(_:_:)``.
  static func fast(_ words: [String], _ context: Context) throws(Failure) -> Int32? {
    guard let options = try RunWords.parse(words, forCreation: true) else { return nil }
    let installation = try context.installation()
    var creation = ContainerCreation(
      installation: installation,
      images: RunCommand.images(installation, isQuiet: options.quietPull), options: options)
    Console.print(try creation.create())
    return 0
  }

  func execute(_ context: Context) throws(Failure) -> Int32 {
    throw Failure(
      .invalid, "create", image, reason: "its flags are malformed",
      remedy: "see minidock create --help")
  }

  func status(for failure: Failure) -> Int32 { failure.exitCode }
}
