import Glibc
import Linux
import TestSupport
import Testing

/// kill -9 at random moments of everything that changes a container, in the command and in the monitor:
/// the next command always recovers. `MINIDOCK_TEST_ROUNDS` raises the number of kills.
@Suite(.enabled(if: MinidockFixture.isAvailable, MinidockFixture.requirement), .serialized)
struct LifecycleKillTests {
  let fixture: MinidockFixture

  init() throws {
    fixture = try MinidockFixture("lifekill")
    try fixture.importBusybox()
  }

  /// Runs `$MINIDOCK WORDS` in the background for each of the words in turn and kills it after up to 25
  /// ms; every fourth time the container's monitor is killed as well. Prints how many came before the
  /// command's own end, and what the check says after each kill.
  private func killing(
    _ rounds: Int, _ commands: [String], prepare: String, check: String
  ) throws -> (killed: Int, complaints: [String]) {
    let result = try fixture.shell(
      """
      commands=(\(commands.map { "'\($0)'" }.joined(separator: " ")))
      killed=0
      for round in $(seq \(rounds)); do
        \(prepare)
        words=${commands[$((round % ${#commands[@]}))]}
        "$MINIDOCK" $words < /dev/null > /dev/null 2>&1 &
        pid=$!
        sleep 0.0$(printf %03d $((RANDOM % 250)))
        if [ $((round % 4)) = 0 ]; then
          for file in "$MINIDOCK_RUNROOT"/containers/*; do
            case $file in *.*) continue ;; esac
            monitor=$(sed -n 's/^monitor=\\([0-9]*\\) .*/\\1/p' "$file" 2> /dev/null)
            [ -n "$monitor" ] && kill -9 $monitor 2> /dev/null
          done
        fi
        kill -9 $pid 2> /dev/null
        wait $pid 2> /dev/null
        [ $? = 137 ] && killed=$((killed + 1))
        \(check)
      done
      echo "killed $killed"
      """, timeoutSeconds: 600)
    #expect(result.status == 0, "\(result.errors)")
    let lines = result.output.lines
    let killed = Int(lines.last?.split(separator: " ").last ?? "") ?? 0
    return (killed, Array(lines.dropLast()))
  }

  /// After each kill the container is there or not, can be looked at, stopped and removed, and nothing
  /// says "running" of a process that has ended.
  private let check = """
    state=$(timeout 20 "$MINIDOCK" ps -a --format '{{.State}}' 2> /dev/null) || echo "ps fails"
    timeout 20 "$MINIDOCK" stop -t 0 $("$MINIDOCK" ps -aq 2> /dev/null) > /dev/null 2>&1
    # The monitor of a command that was killed may have been about to start its container.
    sleep 0.05
    timeout 20 "$MINIDOCK" stop -t 0 $("$MINIDOCK" ps -aq 2> /dev/null) > /dev/null 2>&1
    for one in $("$MINIDOCK" ps -aq 2> /dev/null); do
      now=$("$MINIDOCK" inspect -f '{{.State.Status}} {{.State.Pid}}' $one 2> /dev/null)
      case $now in exited*|created*) ;; *) echo "after stop: $now; before: $state" ;; esac
    done
    """

  private func expectRecovery(
    _ rounds: Int, _ commands: [String], prepare: String,
    sourceLocation: SourceLocation = #_sourceLocation
  ) throws {
    let (killed, complaints) = try killing(rounds, commands, prepare: prepare, check: check)
    #expect(complaints == [], sourceLocation: sourceLocation)
    #expect(killed > rounds / 10, "the kills came too late", sourceLocation: sourceLocation)
    // Whatever is left can be used and removed.
    if let id = try fixture.succeed("ps", "-aq").lines.first {
      #expect(try fixture.minidock("start", id).status == 0, sourceLocation: sourceLocation)
      #expect(
        try fixture.minidock("exec", id, "echo", "fine").output == "fine\n",
        sourceLocation: sourceLocation)
    }
    for id in try fixture.succeed("ps", "-aq").lines { try fixture.succeed("rm", "-f", id) }
    try fixture.expectNoLeaks(sweeping: true, sourceLocation: sourceLocation)
  }

  private static let share = max(20, SecurityRows.rounds / 4)

  private let exists = """
    "$MINIDOCK" create --name box --network none busybox sleep 600 > /dev/null 2>&1
    """
  private var runs: String {
    exists + "\n\"$MINIDOCK\" start box > /dev/null 2>&1"
  }

  @Test func startingStoppingAndRestarting() throws {
    try expectRecovery(
      LifecycleKillTests.share, ["start box", "stop -t 0 box", "restart -t 0 box", "start -a box"],
      prepare: exists)
  }

  @Test func runningDetachedWithANetwork() throws {
    try expectRecovery(
      LifecycleKillTests.share,
      ["run -d --name box busybox sleep 600", "run -d --name box --restart always busybox true"],
      prepare: #""$MINIDOCK" rm -f box > /dev/null 2>&1"#)
  }

  @Test func execAndRemoval() throws {
    try expectRecovery(
      LifecycleKillTests.share,
      ["exec box sleep 1", "rm -f box", "exec -i box cat", "kill box", "pause box"], prepare: runs)
  }

  @Test func commitCopyAndRename() throws {
    try expectRecovery(
      LifecycleKillTests.share,
      [
        "commit box made", "cp /etc box:/copy", "rename box box2", "update --pids-limit 99 box",
        "rename box2 box",
      ],
      prepare: runs + "\n\"$MINIDOCK\" rename box2 box > /dev/null 2>&1")
    // The image that the kills may have left half made is whole or absent.
    let whole = try fixture.shell(
      #"""
      cd "$MINIDOCK_ROOT/blobs/sha256" && for blob in *; do
        [ "$(sha256sum < $blob)" = "$blob  -" ] || echo "$blob is damaged"
      done
      """#)
    #expect(whole.output == "", "\(whole.output)")
  }
}

/// Many commands at once on a few containers.
@Suite(.enabled(if: MinidockFixture.isAvailable, MinidockFixture.requirement), .serialized)
struct LifecycleCrowdTests {
  let fixture: MinidockFixture

  init() throws {
    fixture = try MinidockFixture("crowd")
    try fixture.importBusybox()
  }

  @Test func aThousandStartsAndStopsOfTheSameTenNamesEndWell() throws {
    let result = try fixture.shell(
      #"""
      for n in 0 1 2 3 4 5 6 7 8 9; do
        "$MINIDOCK" create --name same$n --network none busybox sleep 600 > /dev/null || exit 9
      done
      seq 1000 | xargs -P 16 -I{} bash -c '
        n=$(({} % 10)); case $(({} / 10 % 3)) in
          0|1) "$MINIDOCK" start same$n ;; *) "$MINIDOCK" stop -t 0 same$n ;;
        esac > /dev/null' 2>&1 | sort | uniq -c
      for n in 0 1 2 3 4 5 6 7 8 9; do
        timeout 10 "$MINIDOCK" stop -t 0 same$n > /dev/null || echo "stop $n failed"
        "$MINIDOCK" inspect -f "{{.State.Status}}" same$n | grep -vx exited
        timeout 10 "$MINIDOCK" rm same$n > /dev/null || echo "rm $n failed"
      done
      """#, timeoutSeconds: 240)
    #expect(result.status == 0 && result.output == "", "\(result.output) \(result.errors)")
    try fixture.expectNoLeaks()
  }

  @Test func oneOfManyRunsGetsTheNameAndTheRestSayWhoHasIt() throws {
    let result = try fixture.shell(
      #"""
      seq 40 | xargs -P 16 -I{} sh -c '
        "$MINIDOCK" run -d --name only --network none busybox sleep 600 > /dev/null 2>&1; echo $?' \
        | sort | uniq -c | tr -s " "
      """#)
    #expect(result.output.lines.sorted() == [" 1 0", " 39 125"], "\(result.output)")
    try fixture.succeed("rm", "-f", "only")
    try fixture.expectNoLeaks()
  }
}
