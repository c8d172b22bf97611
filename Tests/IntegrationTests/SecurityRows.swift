import Glibc
import Linux
import TestSupport
import Testing

/// The ways out of a container that are known from other engines, attempted against the executable. Each
/// test is named after its row of the security matrix and the row's first CVE, and has a negative
/// control: the same attempt against something that lacks the one defence (an engine that works by
/// path, or minidock with the defence switched off) succeeds.
///
/// `MINIDOCK_TEST_ROUNDS` is the number of starts of each race, 200 unless set; thousands prove more.
@Suite(.serialized, .enabled(if: MinidockFixture.isAvailable, MinidockFixture.requirement))
struct SecurityRows {
  let fixture: MinidockFixture
  let tools: SecurityTools

  init() throws {
    fixture = try MinidockFixture("security")
    tools = try SecurityTools.shared()
    // The first use of the bundled image says so on stderr.
    let first = try fixture.run("busybox", "true")
    try #require(first.status == 0, "\(first.errors)")
  }

  static let rounds = getenv("MINIDOCK_TEST_ROUNDS").flatMap { Int(String(cString: $0)) } ?? 200

  /// The flag that shows the tools to a container as /tools.
  var toolsVolume: String { "\(tools.directory):/tools:ro" }

  /// Runs a command in a container that has the tools.
  func run(_ arguments: String...) throws -> CommandResult {
    try fixture.run(["-v", toolsVolume] + arguments)
  }

  /// Runs a command under the engine that works by path; its root has the tools too.
  func naive(_ arguments: [String], timeoutSeconds: Int = 30) throws -> CommandResult {
    try TestSupport.run(
      [tools.tool, "naive", "-b", "\(tools.directory):tools"] + arguments,
      timeoutSeconds: timeoutSeconds)
  }

  /// Exchanges two names in a tight loop for as long as the object lives.
  func flip(_ first: String, _ second: String) throws -> BackgroundProcess {
    let flipper = try BackgroundProcess([tools.tool, "flip", first, second])
    try #require(try flipper.wait(untilOutput: { $0.contains("ready") }))
    return flipper
  }

  /// Runs a script `count` times and counts its output lines. `$ROUND` is the round's number, `$TOOL` the
  /// tool, and `start` runs a container that is removed.
  func tally(_ count: Int, until stop: String = "no", _ script: String) throws -> [String: Int] {
    let result = try fixture.shell(
      """
      TOOL=$1
      start() { "$MINIDOCK" run --rm --network none "$@" </dev/null; }
      for ROUND in $(seq "$2"); do
      \(script)
      \(stop) && break
      done 2>>"$DIRECTORY/tally.err" | sort | uniq -c
      """, tools.tool, String(count), timeoutSeconds: 300)
    var lines: [String: Int] = [:]
    for line in result.output.split(separator: "\n") {
      let words = line.split(separator: " ", maxSplits: 1)
      if words.count == 2, let number = Int(words[0]) { lines[String(words[1])] = number }
    }
    return lines
  }

  /// Nothing may be left of any attempt.
  func expectNothingLeft(_ location: SourceLocation = #_sourceLocation) throws {
    // A monitor tells its client the end a moment before it ends itself.
    var left = try fixture.leaks()
    for _ in 0..<150 where !left.isEmpty {
      usleep(20_000)
      left = try fixture.leaks()
    }
    #expect(left.isEmpty, "\(left)", sourceLocation: location)
  }

  /// The start was refused with one line that holds `text`.
  func expectRefused(
    _ result: CommandResult, _ text: String = "", _ location: SourceLocation = #_sourceLocation
  ) {
    #expect((125...127).contains(result.status), "\(result)", sourceLocation: location)
    #expect(
      result.errors.hasPrefix("minidock: ") && result.errors.split(separator: "\n").count == 1
        && (text.isEmpty || result.errors.contains(text)), "\(result)", sourceLocation: location)
  }
}
