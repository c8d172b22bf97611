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

  /// Does what the words ask for; nil when ArgumentParser has to say what is wrong with them.
  static func fast(_ words: [String], _ context: Context) throws(Failure) -> Int32? {
    guard let (options, container) = try ExecDraft.parse(words) else { return nil }
    return try ContainerExec(try context.installation(), options).run(container)
  }

  // Reached only with words that ArgumentParser accepts and ExecDraft does not.
  func execute(_ context: Context) throws(Failure) -> Int32 {
    var draft = ExecDraft()
    for (name, isOn) in [
      ("-d", detach), ("-i", interactive), ("-t", tty), ("--privileged", privileged),
    ] { _ = draft.turn(name, isOn) }
    for path in envFile { draft.set("--env-file", path) }
    for text in env { draft.set("--env", text) }
    for (name, value) in [("-w", workdir), ("-u", user), ("--detach-keys", detachKeys)] {
      if let value { draft.set(name, value) }
    }
    let options = try draft.finish(container: container, command: command)
    return try ContainerExec(try context.installation(), options).run(container)
  }

  func status(for failure: Failure) -> Int32 { ExecCommand.status(of: failure) }

  /// Docker's exit status of an `exec` that failed.
  static func status(of failure: Failure) -> Int32 {
    switch failure.code {
    case .commandNotFound: 127
    case .notExecutable: 126
    default: 1
    }
  }
}
