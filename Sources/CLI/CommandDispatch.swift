import ArgumentParser
import Engine
import Linux
import Runtime

/// From the words of the command line to one command: the global options, then the command's name.
///
/// The command is looked up before it is parsed, so that a `run` builds the parser of `run` alone.
struct CommandDispatch {
  private let arguments: [String]

  init(_ arguments: [String]) { self.arguments = Array(arguments.dropFirst()) }

  /// Runs the command and returns the exit status.
  func run() -> Int32 {
    var rest = arguments[...]
    var global = GlobalOptions()
    do throws(Failure) {
      try global.take(from: &rest)
    } catch {
      return report(error, status: 125)
    }
    guard let name = rest.first, !name.hasPrefix("-") else { return runRoot(Array(rest)) }
    if let command = MinidockCommand.command(named: name) {
      return run(command, name, Array(rest.dropFirst()), global)
    }
    guard let group = MinidockCommand.group(named: name) else { return runRoot(Array(rest)) }
    rest.removeFirst()
    guard let word = rest.first, let command = group.command(named: word) else {
      return runGroup(group, name, Array(rest))
    }
    return run(command, "\(name) \(word)", Array(rest.dropFirst()), global)
  }

  private func run(
    _ command: any Command.Type, _ name: String, _ words: [String], _ global: GlobalOptions
  ) -> Int32 {
    let isRun = command == RunCommand.self
    if isRun || command == CreateCommand.self {
      do throws(Failure) {
        let context = Context(global: global)
        let status =
          isRun
          ? try RunCommand.fast(words, context) : try CreateCommand.fast(words, context)
        if let status { return status }
      } catch {
        return report(error, status: error.exitCode)
      }
    }
    if command == ExecCommand.self {
      do throws(Failure) {
        if let status = try ExecCommand.fast(words, Context(global: global)) {
          return status
        }
      } catch {
        return report(error, status: ExecCommand.status(of: error))
      }
    }
    if command == PsCommand.self {
      do throws(Failure) {
        if let status = try PsCommand.fast(words, Context(global: global)) { return status }
      } catch {
        return report(error, status: 1)
      }
    }
    return execute(command, name, words, global)
  }

  private func execute(
    _ type: any Command.Type, _ name: String, _ words: [String], _ global: GlobalOptions
  ) -> Int32 {
    func parseAndRun<C: Command>(_ type: C.Type) -> Int32 {
      var command: C
      do {
        // Help comes back as a command of its own, whose run() throws what `finish` prints.
        var parsed = try C.parseAsRoot(C.spelled(words))
        guard let own = parsed as? C else {
          try parsed.run()
          return 0
        }
        command = own
      } catch {
        return finish(error, of: C.self, name)
      }
      do throws(Failure) {
        return try command.execute(Context(global: global))
      } catch {
        return report(error, status: command.status(for: error))
      }
    }
    return parseAndRun(type)
  }

  // Help is no failure; a mistake in the words is docker's 125.
  private func finish<C: Command>(_ error: any Error, of type: C.Type, _ name: String) -> Int32 {
    let text = C.fullMessage(for: error)
    if C.exitCode(for: error) == .success {
      Console.print(text)
      return 0
    }
    let reason = C.message(for: error)
    Console.error(
      "minidock: \(name): \(reason.lowercasedStart); see 'minidock \(name) --help'")
    return 125
  }

  // Without a command a group shows what it has.
  private func runGroup(
    _ group: any CommandGroup.Type, _ name: String, _ words: [String]
  ) -> Int32 {
    if let word = words.first, !["-h", "--help", "help"].contains(word) {
      return refuse(word, of: group, name + " ")
    }
    Console.print(group.helpMessage())
    return 0
  }

  private func refuse(
    _ word: String, of command: any ParsableCommand.Type, _ prefix: String
  ) -> Int32 {
    let nearest = Suggestion.nearest(to: word, among: Suggestion.names(of: command))
    let question = nearest.map { " Did you mean '\(prefix)\($0)'?" } ?? ""
    Console.error(
      "minidock: '\(prefix)\(word)' is not a minidock command."
        + "\(question) See 'minidock \(prefix)--help'")
    return 125
  }

  private func runRoot(_ words: [String]) -> Int32 {
    if words.first == "--version" || words.first == "-v" {
      Console.print("minidock version \(Version.number)")
      return 0
    }
    if let first = words.first, !first.hasPrefix("-"), first != "help" {
      return refuse(first, of: MinidockCommand.self, "")
    }
    do {
      var parsed = try MinidockCommand.parseAsRoot(words)
      try parsed.run()
      return 0
    } catch {
      if MinidockCommand.exitCode(for: error) == .success {
        Console.print(MinidockCommand.fullMessage(for: error))
        return 0
      }
      Console.error(
        "minidock: \(MinidockCommand.message(for: error).lowercasedStart); see 'minidock --help'")
      return 125
    }
  }

  private func report(_ failure: Failure, status: Int32) -> Int32 {
    Console.error("minidock: \(failure)")
    return status
  }
}

extension String {
  /// The text with a small first letter, as the rest of minidock's messages.
  fileprivate var lowercasedStart: String {
    guard let first else { return self }
    return first.lowercased() + dropFirst()
  }
}
