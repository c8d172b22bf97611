import Linux
import TestSupport
import Testing

/// Networks by name: made, joined, connected, resolved by name, kept apart, removed.
@Suite(.enabled(if: MinidockFixture.isAvailable, MinidockFixture.requirement))
struct UserNetworkTests {
  let fixture: MinidockFixture

  init() throws { fixture = try MinidockFixture("names") }

  private func refusal(_ words: String...) throws -> String {
    let result = try fixture.minidock(words)
    #expect(result.status != 0, "\(words)")
    return result.errors.trimmingLineFeeds
  }

  private func output(_ words: String...) throws -> String {
    let result = try fixture.minidock(words)
    return result.output + result.errors
  }

  @Test func containersOfANetworkReachOneAnotherByNameAliasAndShortID() throws {
    try fixture.succeed("network", "create", "front")
    let id = try fixture.succeed(
      "run", "-d", "--name", "web", "--network", "front", "--network-alias", "www", "busybox",
      "sleep", "1000")
    let address = try fixture.succeed(
      "inspect", "-f", "{{.NetworkSettings.Networks.front.IPAddress}}", "web")
    for name in ["web", "WEB", "www", String(id.prefix(12))] {
      let seen = try output(
        "run", "--rm", "--network", "front", "busybox", "ping", "-c", "1", "-W", "5", name)
      #expect(seen.contains("(\(address))") && seen.contains("1 packets received"), "\(seen)")
    }
    let back = try output(
      "run", "--rm", "--network", "front", "busybox", "nslookup", address)
    #expect(back.contains("name = web.front"), "\(back)")
    try fixture.succeed("rm", "-f", "web")
    for name in ["web", "www"] {
      let seen = try output("run", "--rm", "--network", "front", "busybox", "ping", "-c", "1", name)
      #expect(seen.contains("bad address"), "\(seen)")
    }
    try fixture.succeed("network", "rm", "front")
    try fixture.expectNoLeaks()
  }

  @Test func networksDoNotReachOneAnother() throws {
    try fixture.succeed("network", "create", "front")
    try fixture.succeed("network", "create", "back")
    try fixture.succeed(
      "run", "-d", "--name", "web", "--network", "front", "busybox", "sleep", "1000")
    let address = try fixture.succeed("inspect", "-f", "{{.NetworkSettings.IPAddress}}", "web")
    func answers(_ network: String) throws -> Bool {
      try output(
        "run", "--rm", "--network", network, "busybox", "ping", "-c", "1", "-W", "1", address
      ).contains("1 packets received")
    }
    #expect(try answers("front"))
    #expect(try !answers("back"))
    #expect(try !answers("bridge"))
    try fixture.succeed("rm", "-f", "web")
    try fixture.expectNoLeaks()
  }

  @Test func anInternalNetworkHasNoDefaultRouteAndAnswersNoNameOutside() throws {
    try fixture.succeed("network", "create", "--internal", "vault")
    let seen = try output(
      "run", "--rm", "--network", "vault", "busybox", "sh", "-c",
      "ip route | grep -c default; nslookup example.org 2>&1")
    #expect(seen.hasPrefix("0\n"), "\(seen)")
    #expect(seen.contains("NXDOMAIN") || seen.contains("REFUSED"), "\(seen)")
    try fixture.succeed("network", "rm", "vault")
    try fixture.expectNoLeaks()
  }

  @Test func connectAndDisconnectWorkWhileTheContainerRunsAndOutliveARestart() throws {
    try fixture.succeed("network", "create", "--subnet", "10.231.7.0/24", "back")
    try fixture.succeed("run", "-d", "--name", "lone", "busybox", "sleep", "1000")
    try fixture.succeed("network", "connect", "--ip", "10.231.7.77", "back", "lone")
    for _ in 0..<2 {
      let seen = try output("exec", "lone", "ip", "-4", "-o", "addr", "show", "eth1")
      #expect(seen.contains("10.231.7.77/24"), "\(seen)")
      #expect(
        try output(
          "run", "--rm", "--network", "back", "busybox", "ping", "-c", "1", "-W", "5", "lone"
        ).contains("1 packets received"))
      try fixture.succeed("restart", "-t", "0", "lone")
    }
    #expect(
      try refusal("network", "rm", "back").contains("it has active endpoints"))
    try fixture.succeed("network", "disconnect", "back", "lone")
    #expect(try !output("exec", "lone", "ip", "-o", "link").contains("eth1"))
    #expect(try output("exec", "lone", "ip", "route").contains("default via"))
    #expect(
      try refusal("network", "disconnect", "back", "lone").contains("it is not connected"))
    try fixture.succeed("rm", "-f", "lone")
    try fixture.succeed("network", "rm", "back")
    try fixture.expectNoLeaks()
  }

  @Test func anAddressIsGivenOnceAndAskedForInsideItsSubnetOnly() throws {
    try fixture.succeed("network", "create", "--subnet", "10.231.8.0/29", "tiny")
    func run(_ address: String) throws -> CommandResult {
      try fixture.minidock(
        "run", "-d", "--network", "tiny", "--ip", address, "busybox", "sleep", "1000")
    }
    #expect(try run("10.231.8.3").status == 0)
    #expect(try run("10.231.8.3").errors.contains("has it"))
    for address in ["10.231.9.1", "10.231.8.1", "10.231.8.0", "10.231.8.7"] {
      #expect(try run(address).errors.contains("cannot have it"), "\(address)")
    }
    for _ in 0..<4 {
      try fixture.succeed("run", "-d", "--network", "tiny", "busybox", "sleep", "1000")
    }
    let full = try refusal("run", "--rm", "--network", "tiny", "busybox", "true")
    #expect(full.contains("all 5 addresses are taken"), "\(full)")
    _ = try fixture.shell(#""$MINIDOCK" rm -f $("$MINIDOCK" ps -aq)"#)
    try fixture.expectNoLeaks()
  }

  @Test func aBridgeThatWasDeletedByHandIsMadeAgain() throws {
    try fixture.succeed("network", "create", "front")
    let device = try fixture.succeed(
      "network", "inspect", "-f", #"{{index .Options "com.docker.network.bridge.name"}}"#, "front")
    #expect(try TestSupport.run(["ip", "link", "del", device]).status == 0)
    let seen = try output("run", "--rm", "--network", "front", "busybox", "ip", "route")
    #expect(seen.contains("default via"), "\(seen)")
    try fixture.expectNoLeaks()
  }

  @Test func ipv6IsGivenBesideIPv4AndUsableAtOnce() throws {
    try fixture.succeed("network", "create", "--ipv6", "dual")
    try fixture.succeed(
      "run", "-d", "--name", "six", "--network", "dual", "busybox", "sleep", "1000")
    let seen = try output(
      "run", "--rm", "--network", "dual", "busybox", "ping", "-6", "-c", "1", "-W", "5", "six")
    #expect(seen.contains("1 packets received"), "\(seen)")
    #expect(
      try output("exec", "six", "cat", "/proc/sys/net/ipv6/conf/eth0/accept_ra") == "0\n")
    try fixture.succeed("rm", "-f", "six")
    try fixture.expectNoLeaks()
  }

  @Test func aContainerSharesTheNetworkOfAnother() throws {
    try fixture.succeed("run", "-d", "--name", "first", "busybox", "sleep", "1000")
    let address = try fixture.succeed("inspect", "-f", "{{.NetworkSettings.IPAddress}}", "first")
    let seen = try output(
      "run", "--rm", "--network", "container:first", "busybox", "ip", "-4", "addr")
    #expect(seen.contains(address), "\(seen)")
    try fixture.succeed("stop", "-t", "0", "first")
    let refused = try refusal("run", "--rm", "--network", "container:first", "busybox", "true")
    #expect(refused.contains("the container does not run"), "\(refused)")
    try fixture.succeed("rm", "first")
    try fixture.expectNoLeaks()
  }

  @Test func wrongWordsGiveOneLineThatNamesThem() throws {
    try fixture.succeed("network", "create", "--subnet", "10.231.10.0/24", "front")
    // The bundled image comes into the store with a word about it.
    try fixture.succeed("run", "--rm", "--network", "none", "busybox", "true")
    let cases: [([String], String)] = [
      (["network", "create", "front"], "already exists"),
      (["network", "create", "a/b"], "is allowed"),
      (["network", "create", "-d", "overlay", "x"], "no driver"),
      (["network", "create", "--subnet", "10.0.0.1/8", "x"], "--subnet=10.0.0.1/8"),
      (["network", "create", "--subnet", "10.231.10.0/25", "x"], "overlaps network front"),
      (["network", "create", "--gateway", "10.9.9.9", "x"], "--gateway=10.9.9.9"),
      (["network", "create", "--opt", "mtu=12", "x"], "mtu=12"),
      (["network", "create", "--opt", "color=red", "x"], "--opt=color"),
      (["network", "create", "-d", "macvlan", "--opt", "parent=nolink0", "x"], "parent=nolink0"),
      (["network", "rm", "bridge"], "pre-defined"),
      (["network", "rm", "nosuch"], "no such network"),
      (["run", "--network", "nosuch", "busybox", "true"], "no such network"),
      (["run", "--network", "none", "--network", "front", "busybox"], "--network=none"),
      (["run", "--network", "front", "--network", "front", "busybox"], "given twice"),
      (["run", "--network", "front", "--ip", "1.2.3", "busybox"], "--ip=1.2.3"),
      (["run", "--network", "front", "--mac-address", "zz", "busybox"], "--mac-address=zz"),
      (["run", "--network", "name=front,colour=red", "busybox"], "colour"),
      (["run", "--network-alias", "db", "busybox"], "--network-alias=db"),
    ]
    for (words, expected) in cases {
      let result = try fixture.minidock(words)
      #expect(result.status != 0, "\(words)")
      #expect(result.errors.contains(expected), "\(words): \(result.errors)")
      #expect(result.errors.trimmingLineFeeds.lines.count == 1, "\(words): \(result.errors)")
    }
    try fixture.expectNoLeaks()
  }

  @Test func killsOfNetworkCommandsLeaveNothingThatTheNextDoesNotRepair() throws {
    let result = try fixture.shell(
      #"""
      for round in $(seq 1 "$1"); do
        delay=0.0$((RANDOM % 60 + 10))
        timeout -s KILL $delay "$MINIDOCK" network create k > "$DIRECTORY/out" 2>&1
        "$MINIDOCK" network create k > /dev/null 2>&1
        "$MINIDOCK" run --rm --network k busybox true 2> "$DIRECTORY/err" \
          || { echo "round $round: $(cat "$DIRECTORY/err")"; exit 1; }
        timeout -s KILL $delay "$MINIDOCK" network rm k > "$DIRECTORY/out" 2>&1
        "$MINIDOCK" network rm -f k > /dev/null || { echo "round $round: rm"; exit 1; }
        "$MINIDOCK" network ls -q --filter type=custom | grep . && exit 1
      done
      true
      """#, getenvText("MINIDOCK_TEST_ROUNDS") ?? "5", timeoutSeconds: 600)
    #expect(result.status == 0, "\(result.output)\(result.errors)")
    try fixture.expectNoLeaks()
  }

  private func getenvText(_ name: String) -> String? { Console.environment(name) }
}
