import ArgumentParser
import Engine
import Linux

struct RunCommand: Command {
  static let configuration = CommandConfiguration(
    commandName: "run",
    abstract: "Create a container from an image and run a command in it.",
    usage: "minidock run [OPTIONS] IMAGE [COMMAND] [ARG...]",
    discussion: """
      Example:
        minidock run --rm -it busybox sh
        minidock run -d --name web --restart unless-stopped busybox httpd -f
        minidock run --rm -m 256m --cpus 0.5 -v "$PWD:/work:ro" busybox ls /work

      The exit status is the command's; 128+n when signal n ended it; 125 when minidock failed, 126 \
      when the command cannot be executed and 127 when it does not exist.
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

  /// Runs what the words ask for; nil when ArgumentParser has to say what is wrong with them.
  static func fast(_ words: [String], _ context: Context) throws(Failure) -> Int32? {
    guard let options = try RunWords.parse(words) else { return nil }
    let installation = try context.installation()
    let run = ContainerRun(
      installation: installation, images: images(installation, isQuiet: options.quietPull),
      options: options)
    return try run.run(
      report: { for line in $0 { Console.error(line) } }, detached: { Console.print($0) })
  }

  /// Where the images of new containers come from.
  ///
  /// - Parameter isQuiet: nothing is said about a pull.
  static func images(_ installation: Installation, isQuiet: Bool) -> ImageResolution {
    ImageResolution(
      installation: installation, bundleFolders: ImageResolution.standardFolders(),
      notice: { if !isQuiet { Console.error("minidock: \($0)") } },
      pull: { (name, platform) throws(Failure) in
        // Standard output is the container's: everything about the pull goes to standard error.
        let screen = TransferScreen(isQuiet: isQuiet)
        defer { screen.finish() }
        let outcome = try ImagePull(installation, platform: platform, progress: screen.update)
          .pull(name)
        screen.finish()
        if !isQuiet { for line in PullCommand.status(outcome) { Console.error(line) } }
        return outcome.image
      })
  }

  // Reached only with words that ArgumentParser accepts and RunWords does not: there are none.
  func execute(_ context: Context) throws(Failure) -> Int32 {
    throw Failure(
      .invalid, "run", image, reason: "its flags are malformed", remedy: "see minidock run --help")
  }

  func status(for failure: Failure) -> Int32 { failure.exitCode }
}
