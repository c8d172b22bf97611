import Linux
import TestSupport
import Testing

/// kill -9 between any two netlink messages of each network command: the next command puts right what
/// is half made. In the suite every fifth place; `MINIDOCK_TEST_ROUNDS` of 300 or more takes them all.
@Suite(
  .serialized, .enabled(if: MinidockFixture.isAvailable, MinidockFixture.requirement),
  .enabled(if: NetlinkKiller.isAvailable, "needs gcc"))
struct NetworkKillTests {
  let fixture: MinidockFixture
  let killer: String

  init() throws {
    fixture = try MinidockFixture("netkill")
    try fixture.importBusybox()
    killer = try NetlinkKiller.compile(below: fixture.directory)
  }

  private var isLong: Bool {
    (Console.environment("MINIDOCK_TEST_ROUNDS").flatMap { Int($0) } ?? 0) >= 300
  }

  /// Kills `$MINIDOCK words` at its first, sixth, … message until it comes to its end.
  ///
  /// - Parameters:
  ///   - prepare: what makes the state before.
  ///   - verify: what must succeed after each kill, and print nothing.
  private func expectRecovery(
    _ words: String, prepare: String, verify: String,
    sourceLocation: SourceLocation = #_sourceLocation
  ) throws {
    let result = try fixture.shell(
      """
      killer=$1; stride=$2
      say() { echo "message $number: $*"; }
      run() { "$MINIDOCK" "$@" > "$DIRECTORY/out" 2> "$DIRECTORY/err"; }
      must() { run "$@" || say "$*: $(cat "$DIRECTORY/err")"; }
      may() { run "$@" || grep -q "$reason" "$DIRECTORY/err" || say "$*: $(cat "$DIRECTORY/err")"; }
      # A killed monitor may still be about to go.
      removed() {
        for _ in $(seq 600); do
          run rm -f "$1" && return
          grep -q 'about to start' "$DIRECTORY/err" || break
          sleep 0.1
        done
        say "rm -f $1: $(cat "$DIRECTORY/err")"
      }
      kills=0
      for number in $(seq 1 $stride 400); do
        \(prepare)
        timeout 60 "$killer" $number "$MINIDOCK" \(words) > "$DIRECTORY/out" 2> "$DIRECTORY/err"
        status=$?
        [ $status = 77 ] || break
        kills=$((kills + 1))
        \(verify)
      done
      [ $status = 0 ] || say "the command ends with $status: $(cat "$DIRECTORY/err")"
      echo "kills $kills"
      """, killer, isLong ? "1" : "5", timeoutSeconds: 900)
    let lines = result.output.lines
    #expect(
      Array(lines.dropLast()) == [], "\(words): \(result.errors)", sourceLocation: sourceLocation)
    let kills = Int(lines.last?.split(separator: " ").last ?? "") ?? 0
    #expect(kills > 0, "no message was met", sourceLocation: sourceLocation)
    print("\(words): \(kills) kills")
  }

  /// A container speaks with its gateway: links, addresses, routes and rules are right.
  private let speaks = """
    gateway=$("$MINIDOCK" exec box ip route | sed -n 's/^default via \\([0-9.]*\\).*/\\1/p')
    must exec box ping -c 1 -W 5 ${gateway:-nowhere}
    """

  private func removeAll() throws {
    for id in try fixture.succeed("ps", "-aq").lines { try fixture.succeed("rm", "-f", id) }
    _ = try fixture.minidock("network", "rm", "-f", "k")
    _ = try fixture.minidock("network", "rm", "-f", "j")
    #expect(try fixture.succeed("network", "ls", "-q", "--filter", "type=custom") == "")
    // Nothing of a container is left in the packet rules.
    for set in ["addresses4", "addresses6"] {
      let list = try TestSupport.run(["nft", "list", "set", "bridge", fixture.table, set])
      #expect(!list.output.contains("elements"), "\(list.output)")
    }
    for map in ["ports4", "ports6", "ports4_at"] {
      let list = try TestSupport.run(["nft", "list", "map", "inet", fixture.table, map])
      #expect(!list.output.contains("elements"), "\(list.output)")
    }
    try fixture.expectNoLeaks(sweeping: true)
  }

  @Test(arguments: ["", "--ipv6"])
  func createAndRemove(_ flags: String) throws {
    try expectRecovery(
      "network create \(flags) k", prepare: "run network rm -f k",
      verify: """
        reason='already exists'; may network create \(flags) k
        must run --rm --network k busybox sh -c \
          'ping -c 1 -W 5 $(ip route | sed -n "s/^default via \\([0-9.]*\\).*/\\1/p")'
        """)
    try expectRecovery(
      "network rm k", prepare: "run network create \(flags) k",
      verify: "must network rm -f k; must network create k; must network rm k")
    try removeAll()
  }

  @Test(arguments: ["", "--network k --network j -p 80 -p 127.0.0.1::81"])
  func run(_ flags: String) throws {
    try fixture.succeed("network", "create", "--ipv6", "k")
    try fixture.succeed("network", "create", "j")
    try expectRecovery(
      "run -d --name box \(flags) busybox sleep 600", prepare: "run rm -f box",
      verify: """
        removed box
        must run -d --name box \(flags) busybox sleep 600
        \(speaks)
        """)
    try removeAll()
  }

  @Test func startAfterTheBridgeWasDeleted() throws {
    try fixture.succeed("network", "create", "k")
    let device = try fixture.succeed(
      "network", "inspect", "-f", #"{{index .Options "com.docker.network.bridge.name"}}"#, "k")
    try expectRecovery(
      "run -d --name box --network k busybox sleep 600",
      prepare: "removed box; ip link del \(device)",
      verify: """
        removed box
        must run -d --name box --network k busybox sleep 600
        \(speaks)
        """)
    try removeAll()
  }

  @Test func connectDisconnectAndRemoval() throws {
    try fixture.succeed("network", "create", "k")
    try fixture.succeed("run", "-d", "--name", "box", "busybox", "sleep", "600")
    try fixture.succeed("run", "-d", "--name", "peer", "--network", "k", "busybox", "sleep", "600")
    try expectRecovery(
      "network connect k box", prepare: "run network disconnect -f k box",
      verify: """
        reason='connected to network k already'; may network connect k box
        must exec box ping -c 1 -W 5 $("$MINIDOCK" inspect peer -f '{{.NetworkSettings.IPAddress}}')
        must exec peer ping -c 1 -W 5 box
        """)
    try expectRecovery(
      "network disconnect k box",
      prepare: "run network connect k box",
      verify: """
        reason='is not connected'; may network disconnect k box
        "$MINIDOCK" exec box ip -o link | grep -q eth1 && say "the link is still there"
        \(speaks)
        """)
    try expectRecovery(
      "rm -f box",
      prepare: "run run -d --name box --network k -p 80 busybox sleep 600",
      verify: "removed box; must run -d --name box --network k -p 80 busybox sleep 600; \(speaks)")
    try removeAll()
  }
}
