import Linux
import TestSupport
import Testing

/// The three streams without a terminal: separate, byte-exact, with their ends and errors.
@Suite(.enabled(if: MinidockFixture.isAvailable, MinidockFixture.requirement), .serialized)
struct StdioTests {
  let fixture: MinidockFixture

  init() throws {
    fixture = try MinidockFixture("stdio")
    try fixture.importBusybox()
  }

  private static let run = #""$MINIDOCK" run --rm --network none"#

  @Test func outputAndErrorsAreSeparate() throws {
    let result = try fixture.run("busybox", "sh", "-c", "echo out; echo err >&2; echo out")
    #expect(result.output == "out\nout\n")
    #expect(result.errors == "err\n")
  }

  @Test func twoHundredMegabytesPassUnchangedInEveryDirection() throws {
    // All byte values, no period that a buffer's size divides.
    let result = try fixture.shell(
      """
      set -e -o pipefail
      head -c 200000000 /dev/urandom > "$DIRECTORY/data"
      sha256sum < "$DIRECTORY/data"
      \(StdioTests.run) -i busybox sha256sum < "$DIRECTORY/data"
      \(StdioTests.run) -v "$DIRECTORY:/d:ro" busybox cat /d/data | sha256sum
      \(StdioTests.run) -v "$DIRECTORY:/d:ro" busybox sh -c 'cat /d/data >&2' 2>&1 >/dev/null | sha256sum
      \(StdioTests.run) -i busybox cat < "$DIRECTORY/data" | sha256sum
      rm "$DIRECTORY/data"
      """)
    #expect(result.status == 0, "\(result.errors)")
    #expect(result.output.lines.count == 5)
    #expect(Set(result.output.lines).count == 1, "\(result.output)")
  }

  @Test func endOfInputIsSeenAndWithoutInteractiveAtOnce() throws {
    #expect(try fixture.run(["-i", "busybox", "cat"], input: Array("abc".utf8)).output == "abc")
    #expect(try fixture.run(["busybox", "cat"], input: Array("abc".utf8)).output == "")
    #expect(try fixture.run(["-i", "busybox", "wc", "-c"]).output == "0\n")
    #expect(try fixture.inside([], "readlink /proc/self/fd/0") == "/dev/null")
  }

  @Test func inputAfterTheEndOfTheCommandDoesNotKeepIt() throws {
    // The writer goes on for ever; the command reads one line.
    let result = try fixture.shell(
      "yes | \(StdioTests.run) -i busybox head -n 1; echo ${PIPESTATUS[1]}", timeoutSeconds: 20)
    #expect(result.output == "y\n0\n")
    // An input that neither ends nor has anything.
    let idle = try fixture.shell(
      #"mkfifo "$DIRECTORY/idle"; exec 3<>"$DIRECTORY/idle"; "#
        + "\(StdioTests.run) -i busybox echo done <&3", timeoutSeconds: 20)
    #expect(idle.output == "done\n" && idle.status == 0)
  }

  @Test func aReaderThatGoesAwayEndsTheCommand() throws {
    let result = try fixture.shell(
      "\(StdioTests.run) busybox yes | head -n 1; echo ${PIPESTATUS[0]}", timeoutSeconds: 20)
    // 141 is SIGPIPE in the container; busybox's yes may report the error as 1.
    #expect(["y\n141\n", "y\n1\n"].contains(result.output), "\(result.output)")
    try fixture.expectNoLeaks()
  }

  @Test func aFullDeviceIsSeenByTheCommandOrSaid() throws {
    let inside = try fixture.run("busybox", "sh", "-c", "echo x > /dev/full")
    #expect(inside.status != 0)
    #expect(inside.errors.contains("No space left on device"))
    let outside = try fixture.shell(
      "\(StdioTests.run) busybox seq 100000 > /dev/full; echo $?", timeoutSeconds: 20)
    #expect(outside.output != "0\n", "lost output passes for success: \(outside.errors)")
    try fixture.expectNoLeaks()
  }

  @Test func closedStreamsOfTheCallerDoNoHarm() throws {
    let result = try fixture.shell(
      """
      \(StdioTests.run) busybox sh -c 'exit 5' <&- >&- 2>&-; echo $?
      \(StdioTests.run) busybox ls /proc/self/fd <&-
      """)
    #expect(result.output.lines == ["5", "0", "1", "2", "3"])
  }

  @Test func aStreamThatAGrandchildKeepsOpenEndsWithTheContainer() throws {
    let result = try fixture.shell(
      "\(StdioTests.run) busybox sh -c 'sleep 60 & echo started'; echo $?", timeoutSeconds: 20)
    #expect(result.output == "started\n0\n")
  }

  @Test func terminalForInputThatIsNoneIsRefused() throws {
    let line = try fixture.refuse(
      ["run", "--rm", "-it", "busybox", "true"], status: 125, input: Array("x".utf8))
    #expect(line.contains("not a terminal"))
  }
}
