import ArgumentParser
import Engine
import Linux

/// One command of minidock: parsed by ArgumentParser, executed without a thread.
protocol Command: ParsableCommand {
  /// Does the work.
  ///
  /// - Returns: the exit status.
  func execute(_ context: Context) throws(Failure) -> Int32
  /// The exit status of a failure: 1, unless docker's command has its own.
  func status(for failure: Failure) -> Int32
  /// Flags that take docker's "=true" and "=false", each with what stands for it when it is on and off.
  static var switches: [String: (on: String?, off: String?)] { get }
}

extension Command {
  static var switches: [String: (on: String?, off: String?)] { [:] }

  /// The words with docker's boolean values spelled as ArgumentParser knows them.
  static func spelled(_ words: [String]) -> [String] {
    guard !switches.isEmpty else { return words }
    return words.flatMap { word -> [String] in
      let parts = word.split(separator: "=", maxSplits: 1).map(String.init)
      guard parts.count == 2, let spelling = switches[parts[0]] else { return [word] }
      switch parts[1] {
      case "true", "1", "t", "T", "TRUE", "True": return [spelling.on].compactMap { $0 }
      case "false", "0", "f", "F", "FALSE", "False": return [spelling.off].compactMap { $0 }
      default: return [word]
      }
    }
  }

  func status(for failure: Failure) -> Int32 { 1 }

  // Commands are executed by CommandDispatch with a context.
  mutating func run() throws {
    throw CleanExit.helpRequest(self)
  }
}

/// The options before the command's name.
struct GlobalOptions {
  var root: String?
  var runRoot: String?

  /// Takes --root and --runroot off the front of the words.
  mutating func take(from words: inout ArraySlice<String>) throws(Failure) {
    while let word = words.first, word.hasPrefix("--root") || word.hasPrefix("--runroot") {
      words.removeFirst()
      let name = String(word.prefix { $0 != "=" })
      guard name == "--root" || name == "--runroot" else {
        throw Failure(.invalid, "parse", word, reason: "unknown option")
      }
      var value: String? = word.contains("=") ? String(word.dropFirst(name.count + 1)) : nil
      if value == nil { value = words.popFirst() }
      guard let value, !value.isEmpty else {
        throw Failure(.invalid, "parse", name, reason: "it needs a directory")
      }
      if name == "--root" { root = value } else { runRoot = value }
    }
  }
}

/// What every command works with.
struct Context {
  let global: GlobalOptions

  /// The installation that the options or the environment name.
  func installation() throws(Failure) -> Installation {
    try Installation(
      root: global.root ?? Console.environment("MINIDOCK_ROOT") ?? Installation.defaultRoot,
      runRoot: global.runRoot ?? Console.environment("MINIDOCK_RUNROOT")
        ?? Installation.defaultRunRoot)
  }

  /// Undoes what killed processes left; a failure to do so must not keep anybody from their work.
  @discardableResult
  func sweep(_ installation: Installation) -> Housekeeping.Findings {
    let findings = (try? Housekeeping(installation).sweep()) ?? Housekeeping.Findings()
    for notice in findings.notices { Console.error("minidock: \(notice)") }
    return findings
  }

  /// Does something with each of several objects and reports every failure, not only the first.
  ///
  /// - Returns: 1 when anything failed.
  func each(_ names: [String], _ body: (String) throws(Failure) -> Void) -> Int32 {
    var status: Int32 = 0
    for name in names {
      do throws(Failure) { try body(name) } catch {
        Console.error("minidock: \(error)")
        status = 1
      }
    }
    return status
  }
}
