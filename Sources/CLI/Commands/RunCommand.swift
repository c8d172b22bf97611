import ArgumentParser
import Engine
import Linux
import Runtime

struct RunCommand: Command {
  static let configuration = CommandConfiguration(
    commandName: "run",
    abstract: "Create a container from an image and run a command in it.",
    usage: "minidock run [OPTIONS] IMAGE [COMMAND] [ARG...]",
    discussion: """
      Example:
        minidock run --rm -it busybox sh
        minidock run --rm -m 256m --cpus 0.5 -v "$PWD:/work:ro" busybox ls /work

      The exit status is the command's; 128+n when signal n ended it; 125 when minidock failed, 126 \
      when the command cannot be executed and 127 when it does not exist.
      """)

  @OptionGroup(title: "Container") var container: ContainerFlags
  @OptionGroup(title: "Process") var process: ProcessFlags
  @OptionGroup(title: "Files") var files: FileFlags
  @OptionGroup(title: "Network") var network: NetworkFlags
  @OptionGroup(title: "Limits") var limits: LimitFlags
  @OptionGroup(title: "Security") var security: SecurityFlags

  @Argument(help: "The image to run.") var image: String
  @Argument(parsing: .captureForPassthrough, help: "The command and its arguments.")
  var command: [String] = []

  func execute(_ context: Context) throws(Failure) -> Int32 {
    let options = try self.options()
    let installation = try context.installation()
    let images = ImageResolution(
      installation: installation, bundleFolders: ImageResolution.standardFolders(),
      notice: { Console.error("minidock: \($0)") })
    let run = ContainerRun(installation: installation, images: images, options: options)
    return try run.foreground { for line in $0 { Console.error(line) } }
  }

  func status(for failure: Failure) -> Int32 { failure.exitCode }

  /// The flags in the engine's terms.
  func options() throws(Failure) -> RunOptions {
    var options = RunOptions()
    options.image = image
    options.command = command
    try container.apply(to: &options)
    try process.apply(to: &options)
    try files.apply(to: &options)
    try network.apply(to: &options)
    try limits.apply(to: &options)
    try security.apply(to: &options)
    if options.terminal && options.interactive && !Terminal.isTerminal(0) {
      throw Failure(
        .invalid, "run", "-it", reason: "the input device is not a terminal",
        remedy: "use -i alone when input comes from a pipe or file")
    }
    return options
  }
}
