import ArgumentParser
import Engine
import Linux

struct ExecCommand: Command {
  static let configuration = CommandConfiguration(
    commandName: "exec",
    abstract: "Run a further command in a running container.",
    usage: "minidock exec [OPTIONS] CONTAINER COMMAND [ARG...]",
    discussion: """
      Example:
        minidock exec -it web sh
        minidock exec -u nobody -e MODE=test web id

      The command gets the container's namespaces, cgroup, user, environment, capabilities and system \
      call filter. It ends when this minidock ends, unless -d was given. The exit status is the \
      command's; 128+n when signal n ended it; 126 when it cannot be executed and 127 when it does not \
      exist.
      """)

  @Flag(name: [.customShort("d"), .long], help: "Leave the command running, without its output.")
  var detach = false
  @Flag(name: [.customShort("i"), .long], help: "Keep the command's input open.")
  var interactive = false
  @Flag(name: [.customShort("t"), .long], help: "Give the command a terminal.") var tty = false
  @Option(
    name: [.customShort("e"), .long], parsing: .singleValue,
    help: ArgumentHelp("Environment variable.", valueName: "name=value"))
  var env: [String] = []
  @Option(
    parsing: .singleValue, help: ArgumentHelp("File of environment variables.", valueName: "file"))
  var envFile: [String] = []
  @Option(name: [.customShort("w"), .long], help: "Directory that the command starts in.")
  var workdir: String?
  @Option(
    name: [.customShort("u"), .long],
    help: ArgumentHelp("User, by name or number.", valueName: "user[:group]"))
  var user: String?
  @Flag(help: "Give the command all capabilities.") var privileged = false
  @Option(help: ArgumentHelp("Keys that leave the terminal.", valueName: "keys"))
  var detachKeys: String?
  @Argument(help: ArgumentHelp("Name or id.", valueName: "container")) var container: String
  @Argument(parsing: .captureForPassthrough, help: "The command and its arguments.")
  var command: [String]

  func execute(_ context: Context) throws(Failure) -> Int32 {
    var options = ExecOptions()
    options.command = command.first == "--" ? Array(command.dropFirst()) : command
    options.detached = detach
    options.interactive = interactive
    options.terminal = tty
    options.workingDirectory = workdir
    options.user = user
    options.privileged = privileged
    options.detachKeys = detachKeys
    for path in envFile { options.environment += try Environment.entries(file: path) }
    for text in env {
      if let entry = try Environment.entry(text, flag: "--env") {
        options.environment.append(entry)
      }
    }
    guard !options.command.isEmpty else {
      throw Failure(.invalid, "exec", container, reason: "no command was given")
    }
    if tty && interactive && !detach && !Terminal.isTerminal(0) {
      throw Failure(
        .invalid, "exec", "-it", reason: "the input device is not a terminal",
        remedy: "use -i alone when input comes from a pipe or file")
    }
    return try ContainerExec(try context.installation(), options).run(container)
  }

  func status(for failure: Failure) -> Int32 {
    switch failure.code {
    case .commandNotFound: 127
    case .notExecutable: 126
    default: 1
    }
  }
}
