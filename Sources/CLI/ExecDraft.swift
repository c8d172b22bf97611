import Engine
import Linux

/// The flags of `exec` as they are taken, one after the other.
struct ExecDraft: FlagDraft {
  private var options = ExecOptions()
  private var environment: [String] = []
  private var environmentFiles: [String] = []

  /// What the words ask for, and the container; nil when a word is not understood, or help is wanted.
  static func parse(
    _ words: [String]
  ) throws(Failure) -> (options: ExecOptions, container: String)? {
    var draft = ExecDraft()
    var rest = words[...]
    guard try FlagWords.take(from: &rest, into: &draft) else { return nil }
    guard let container = rest.popFirst(), !rest.isEmpty else { return nil }
    return (try draft.finish(container: container, command: Array(rest)), container)
  }

  /// Sets a flag that has no value; false when there is none of this name.
  mutating func turn(_ name: String, _ isOn: Bool) -> Bool {
    switch name {
    case "-d", "--detach": options.detached = isOn
    case "-i", "--interactive": options.interactive = isOn
    case "-t", "--tty": options.terminal = isOn
    case "--privileged": options.privileged = isOn
    default: return false
    }
    return true
  }

  /// The names of the flags that have a value.
  static let valueNames = [
    "-e", "--env", "--env-file", "-w", "--workdir", "-u", "--user", "--detach-keys",
  ]

  func takesValue(_ name: String) -> Bool { ExecDraft.valueNames.contains(name) }

  mutating func set(_ name: String, _ value: String) {
    switch name {
    case "-e", "--env": environment.append(value)
    case "--env-file": environmentFiles.append(value)
    case "-w", "--workdir": options.workingDirectory = value
    case "-u", "--user": options.user = value
    default: options.detachKeys = value
    }
  }

  /// The options, once all flags have been taken.
  ///
  /// - Throws: ``Failure/Code/invalid`` for what cannot be done; the failure of an environment file.
  consuming func finish(container: String, command: [String]) throws(Failure) -> ExecOptions {
    options.command = command.first == "--" ? Array(command.dropFirst()) : command
    for path in environmentFiles { options.environment += try Environment.entries(file: path) }
    for text in environment {
      if let entry = try Environment.entry(text, flag: "--env") {
        options.environment.append(entry)
      }
    }
    guard !options.command.isEmpty else {
      throw Failure(.invalid, "exec", container, reason: "no command was given")
    }
    if options.terminal && options.interactive && !options.detached && !Terminal.isTerminal(0) {
      throw Failure(
        .invalid, "exec", "-it", reason: "the input device is not a terminal",
        remedy: "use -i alone when input comes from a pipe or file")
    }
    return options
  }
}
