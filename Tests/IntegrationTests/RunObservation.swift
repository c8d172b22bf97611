import Glibc
import Linux
import TestSupport
import Testing

// What the tests of run's flags share: a command in busybox, and what it saw.

extension MinidockFixture {
  /// Runs a shell script in a fresh busybox container without network and returns what it printed,
  /// without the last line feed; a status other than `status` is an issue.
  func inside(
    _ flags: [String] = [], _ script: String, status: Int32 = 0,
    sourceLocation: SourceLocation = #_sourceLocation
  ) throws -> String {
    let result = try run(flags + ["busybox", "sh", "-c", script])
    #expect(
      result.status == status, "\(flags) \(script): \(result.errors)",
      sourceLocation: sourceLocation)
    return result.output.trimmingLineFeeds
  }

  /// Runs `minidock ARGUMENTS`, which must succeed, and returns what it printed.
  @discardableResult
  func succeed(
    _ arguments: String..., sourceLocation: SourceLocation = #_sourceLocation
  ) throws -> String {
    try succeed(arguments, sourceLocation: sourceLocation)
  }

  /// Runs `minidock ARGUMENTS`, which must succeed, and returns what it printed.
  @discardableResult
  func succeed(
    _ arguments: [String], sourceLocation: SourceLocation = #_sourceLocation
  ) throws -> String {
    let result = try minidock(arguments)
    #expect(
      result.status == 0, "\(arguments): \(result.errors)", sourceLocation: sourceLocation)
    return result.output.trimmingLineFeeds
  }

  /// Runs `minidock ARGUMENTS`, which must fail with `status`, nothing on stdout and one line of
  /// minidock's on stderr; returns that line.
  @discardableResult
  func refuse(
    _ arguments: [String], status: Int32, input: [UInt8] = [],
    sourceLocation: SourceLocation = #_sourceLocation
  ) throws -> String {
    let result = try minidock(arguments, input: input)
    #expect(result.status == status, "\(arguments)", sourceLocation: sourceLocation)
    #expect(result.output == "", "\(arguments)", sourceLocation: sourceLocation)
    let lines = result.errors.lines
    #expect(lines.count == 1, "\(arguments): \(result.errors)", sourceLocation: sourceLocation)
    #expect(
      lines.first?.hasPrefix("minidock: ") == true, "\(arguments): \(result.errors)",
      sourceLocation: sourceLocation)
    return result.errors
  }

  /// What `inspect --format` says of a container or image.
  func inspect(
    _ name: String, _ path: String, sourceLocation: SourceLocation = #_sourceLocation
  ) throws -> String {
    try succeed("inspect", "-f", "{{\(path)}}", name, sourceLocation: sourceLocation)
  }

  /// The pid of a running container's first process.
  func process(of name: String) throws -> Int32 {
    Int32(try inspect(name, ".State.Pid")) ?? 0
  }

  /// The pid of a running container's monitor: the parent of its first process.
  func monitor(of name: String) throws -> Int32 {
    ProcessStat(pid: try process(of: name))?.parent ?? 0
  }

  /// Waits up to `seconds` until a condition holds; an issue when it does not.
  func eventually(
    _ what: String, seconds: Int = 60, sourceLocation: SourceLocation = #_sourceLocation,
    _ condition: () throws -> Bool
  ) throws {
    for _ in 0..<(seconds * 50) {
      if try condition() { return }
      usleep(20_000)
    }
    Issue.record("\(what): not within \(seconds) seconds", sourceLocation: sourceLocation)
  }

  /// Nothing may be left of containers that have ended and were removed.
  ///
  /// The files of a container that was removed are deleted by a process in the background, and what a
  /// killed minidock left by the next command: for both there is some time.
  ///
  /// - Parameter sweeping: whether commands that sweep are run meanwhile.
  func expectNoLeaks(
    sweeping: Bool = false, sourceLocation: SourceLocation = #_sourceLocation
  ) throws {
    var found: [String] = []
    for _ in 0..<80 {
      if sweeping { try succeed("ps", "-aq", sourceLocation: sourceLocation) }
      found = try leaks()
      if found.isEmpty { return }
      usleep(100_000)
    }
    Issue.record("left behind: \(found.joined(separator: "; "))", sourceLocation: sourceLocation)
  }

  /// Starts `minidock ARGUMENTS` and leaves it running; ended with the returned object.
  func start(_ arguments: [String]) throws -> BackgroundProcess {
    try BackgroundProcess([MinidockFixture.binary] + arguments, environment: environment)
  }

  /// Puts the bundled busybox into the store, so that no later run has to say that it did.
  func importBusybox() throws { try run("busybox", "true") }
}

extension String {
  /// The text without line feeds and carriage returns at its end.
  var trimmingLineFeeds: String {
    var text = self[...]
    while text.last?.isNewline == true { text.removeLast() }
    return String(text)
  }

  /// The lines that are not empty.
  var lines: [String] {
    split(whereSeparator: \.isNewline).map(String.init)
  }
}
