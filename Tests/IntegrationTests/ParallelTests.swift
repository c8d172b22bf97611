import TestSupport
import Testing

/// Many minidock processes at once on one installation.
@Suite(.enabled(if: MinidockFixture.isAvailable, MinidockFixture.requirement), .serialized)
struct ParallelTests {
  let fixture: MinidockFixture

  init() throws { fixture = try MinidockFixture("parallel") }

  @Test func twoHundredRunsAtOnceMakeNoError() throws {
    try fixture.importBusybox()
    let result = try fixture.shell(
      """
      for number in $(seq 200); do
        "$MINIDOCK" run --rm busybox echo "run $number" > "$DIRECTORY/out.$number" 2>&1 &
      done
      wait
      cat "$DIRECTORY"/out.* | sort -k 2 -n
      """)
    #expect(result.output.lines == (1...200).map { "run \($0)" })
    #expect(try fixture.succeed("ps", "-aq") == "")
    try fixture.expectNoLeaks()
  }

  @Test func aHundredContainersAtOnceHaveAddressesOfTheirOwn() throws {
    try fixture.importBusybox()
    let result = try fixture.shell(
      """
      seq 100 | xargs -P 25 -I{} "$MINIDOCK" run -d --name c{} busybox sleep 1000 > /dev/null
      for number in $(seq 100); do
        "$MINIDOCK" exec c$number ip -4 -o addr show eth0 | tr -s ' ' | cut -d ' ' -f 4
      done
      "$MINIDOCK" rm -f $("$MINIDOCK" ps -aq) > /dev/null
      """)
    #expect(result.output.lines.count == 100, "\(result.errors)")
    #expect(Set(result.output.lines).count == 100)
    try fixture.expectNoLeaks()
  }

  @Test func theFirstRunsOfAllImportTheBundledImageOnce() throws {
    let result = try fixture.shell(
      """
      for number in $(seq 8); do "$MINIDOCK" run --rm --network none busybox echo fine & done
      wait
      """)
    #expect(result.output.lines == Array(repeating: "fine", count: 8))
    #expect(result.errors.lines.count == 1, "\(result.errors)")
    #expect(try fixture.succeed("images", "-q").lines.count == 1)
  }

  @Test func runsAtOnceIntoOneFileLoseNothing() throws {
    try fixture.importBusybox()
    // The shell's output is one file, whose offset all of them share.
    let result = try fixture.shell(
      """
      for number in $(seq 60); do "$MINIDOCK" run --rm --network none busybox echo $number & done
      wait
      """)
    #expect(Set(result.output.lines) == Set((1...60).map(String.init)), "\(result.errors)")
  }

  @Test func oneNameGoesToOneOfMany() throws {
    try fixture.importBusybox()
    let result = try fixture.shell(
      """
      for number in $(seq 20); do
        { "$MINIDOCK" run --network none --name only busybox true; echo $?; } &
      done
      wait
      """)
    #expect(result.output.lines.sorted() == ["0"] + Array(repeating: "125", count: 19))
    #expect(try fixture.succeed("ps", "-a", "--format", "{{.Names}}") == "only")
  }

  @Test func listsRemovalsAndImportsAmongRunsMakeNoError() throws {
    try fixture.importBusybox()
    let result = try fixture.shell(
      """
      for number in $(seq 25); do
        { "$MINIDOCK" run --network none --name "c$number" busybox true && "$MINIDOCK" rm "c$number" > /dev/null; } &
        "$MINIDOCK" ps -a > /dev/null &
        "$MINIDOCK" run --rm --network none busybox true &
        [ $((number % 5)) = 0 ] && "$MINIDOCK" import "$MINIDOCK_IMAGES/busybox.tar" "i$number" > /dev/null &
      done
      wait
      """)
    #expect(result.errors == "")
    #expect(try fixture.succeed("ps", "-aq") == "")
    #expect(try fixture.succeed("images", "-q", "--no-trunc").lines.count == 6)
    try fixture.expectNoLeaks()
  }
}
