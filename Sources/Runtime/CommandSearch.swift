import Linux

/// Finding and executing the command, with docker's distinction between "not found" (127) and "not
/// executable" (126).
struct CommandSearch {
  var arguments: [String]
  var environment: [String]
  /// The first descriptor that the command does not get.
  var firstClosed: UInt32 = 3

  /// Replaces this process; returns only by throwing.
  func execute() throws(Failure) {
    guard let command = arguments.first, !command.isEmpty else {
      throw Failure(.commandNotFound, "execute", reason: "no command was given")
    }
    SignalReader.unblockAll()
    SignalReader.resetDispositions()
    // Whatever is open beyond the standard three ends with the exec (security row 2).
    ThisProcess.closeDescriptors(from: firstClosed, atExec: true)
    var worst = Failure(
      .commandNotFound, "execute", command, reason: "no such file in the container's PATH",
      remedy: "check the command's spelling and the image's PATH")
    for candidate in candidates(for: command) {
      let number = ThisProcess.execute(
        candidate, arguments: arguments, environment: environment)
      if number == ErrorNumber.noEntry || number == ErrorNumber.notDirectory {
        if Files.exists(candidate) { worst = missingInterpreter(candidate) }
        continue
      }
      worst = failure(candidate, number)
      if number != ErrorNumber.accessDenied { break }
    }
    throw worst
  }

  /// Whether there is something to execute, as far as this process may look; in the words by which engines
  /// tell a missing command (127) from one that cannot be executed (126).
  func check() throws(Failure) {
    guard let command = arguments.first, !command.isEmpty else {
      throw Failure(.commandNotFound, "execute", reason: "no command was given")
    }
    let isPath = command.contains("/")
    var worst = Failure(
      .commandNotFound, "exec:", "\"\(command)\"",
      reason: isPath
        ? "stat \(command): no such file or directory" : "executable file not found in $PATH")
    for candidate in candidates(for: command) {
      guard let status = try? FileStatus(candidate) else { continue }
      if status.kind == .directory {
        if isPath { worst = denied(command, "is a directory: permission denied") }
      } else if Files.isExecutable(candidate) {
        return
      } else {
        worst = denied(command, "permission denied")
      }
    }
    throw worst
  }

  private func denied(_ command: String, _ reason: String) -> Failure {
    Failure(.notExecutable, "exec:", "\"\(command)\"", reason: reason)
  }

  /// The paths to try, in order.
  func candidates(for command: String) -> [String] {
    if command.contains("/") { return [command] }
    let path =
      environment.last { $0.hasPrefix("PATH=") }.map { String($0.dropFirst(5)) }
      ?? "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    return path.split(separator: ":", omittingEmptySubsequences: false).map {
      $0.isEmpty ? "./" + command : "\($0)/\(command)"
    }
  }

  private func missingInterpreter(_ candidate: String) -> Failure {
    Failure(
      .commandNotFound, "execute", candidate,
      reason: "the file is there, but the interpreter or loader that it names is not",
      remedy: "check its first line (#!) or install the C library that it was built for")
  }

  private func failure(_ candidate: String, _ number: Int32) -> Failure {
    switch number {
    case ErrorNumber.accessDenied:
      let isDirectory = (try? FileStatus(candidate))?.kind == .directory
      return Failure(
        .notExecutable, "execute", candidate,
        reason: isDirectory ? "it is a directory" : "permission denied",
        remedy: isDirectory ? "" : "the file is not executable for this user")
    case ErrorNumber.noExecutable:
      return Failure(
        .notExecutable, "execute", candidate, reason: "exec format error",
        remedy: "it is no program for this machine's architecture, or a script without #!")
    default:
      var failure = Failure(errno: number, "execute", candidate)
      failure.code = .notExecutable
      return failure
    }
  }
}
