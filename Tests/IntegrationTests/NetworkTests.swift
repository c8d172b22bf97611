import Linux
import TestSupport
import Testing

/// bridge, none and host networks, and the files of names.
@Suite(.enabled(if: MinidockFixture.isAvailable, MinidockFixture.requirement))
struct NetworkTests {
  let fixture: MinidockFixture

  init() throws { fixture = try MinidockFixture("network") }

  private func bridged(_ flags: [String] = [], _ script: String) throws -> String {
    let result = try fixture.minidock(["run", "--rm"] + flags + ["busybox", "sh", "-c", script])
    #expect(result.status == 0, "\(script): \(result.errors)")
    return result.output.trimmingLineFeeds
  }

  @Test func bridgeGivesAnAddressAndARouteToAGatewayThatAnswers() throws {
    let seen = try bridged(
      [],
      """
      address=$(ip -4 -o addr show eth0 | tr -s ' ' | cut -d ' ' -f 4)
      gateway=$(ip route | sed -n 's/^default via \\([0-9.]*\\).*/\\1/p')
      echo $address $gateway
      ping -c 1 -W 5 $gateway > /dev/null && echo answers
      ping -c 1 -W 5 127.0.0.1 > /dev/null && echo loopback
      ls /sys/class/net | tr '\\n' ' '
      """
    ).lines
    #expect(seen.count == 4)
    let words = seen[0].split(separator: " ")
    #expect(words.count == 2 && words[1].hasSuffix(".1"))
    #expect(words[1].split(separator: ".").prefix(2) == words[0].split(separator: ".").prefix(2))
    #expect(seen[1...2] == ["answers", "loopback"])
    #expect(seen[3].split(separator: " ") == ["eth0", "lo"])
    try fixture.expectNoLeaks()
  }

  @Test func inspectTellsTheAddressOfARunningContainerAndTheHostReachesIt() throws {
    let run = try fixture.start(
      "run", "--rm", "--name", "served", "busybox", "sh", "-c",
      "echo page > /tmp/index.html; httpd -p 80 -h /tmp; echo ready; exec sleep 60")
    #expect(try run.wait(untilOutput: { $0.contains("ready") }))
    let address = try fixture.succeed("inspect", "-f", "{{.NetworkSettings.IPAddress}}", "served")
    let request = #"printf 'GET / HTTP/1.0\r\n\r\n'"#
    let page = try fixture.shell(
      #"exec 3<>"/dev/tcp/$1/80"; \#(request) >&3; tail -n 1 <&3"#, address, timeoutSeconds: 10)
    #expect(page.output == "page\n", "\(page.errors)")
    // Two containers of one bridge reach one another.
    #expect(
      try bridged([], "(\(request); sleep 0.2) | nc -w 5 \(address) 80 | tail -n 1") == "page")
    try fixture.succeed("rm", "-f", "served")
    #expect(try run.wait(timeoutSeconds: 10).status == 137)
    try fixture.expectNoLeaks()
  }

  @Test func noneHasOnlyLoopbackAndHostEverything() throws {
    #expect(
      try fixture.inside([], "ls /sys/class/net; ping -c 1 127.0.0.1 >/dev/null && echo up")
        == "lo\nup")
    let own = try TestSupport.run(["readlink", "/proc/self/ns/net"]).output.trimmingLineFeeds
    let result = try fixture.minidock(
      "run", "--rm", "--network", "host", "busybox", "readlink", "/proc/self/ns/net")
    #expect(result.output.trimmingLineFeeds == own)
    #expect(try fixture.inside([], "readlink /proc/self/ns/net") != own)
  }

  @Test func namesAreInItsOwnFiles() throws {
    let hosts = try bridged(
      ["--hostname", "web", "--add-host", "db:10.1.2.3", "--add-host", "six:fd00::7"],
      "cat /etc/hosts; hostname -i; ip -4 -o addr show eth0")
    #expect(hosts.contains("127.0.0.1\tlocalhost"))
    #expect(hosts.contains("10.1.2.3\tdb") && hosts.contains("fd00::7\tsix"))
    let own = hosts.lines.first { $0.hasSuffix("\tweb") }?.prefix { $0 != "\t" }
    #expect(own != nil && hosts.contains("inet \(own!)/"))
    let resolver = try bridged(
      ["--dns", "192.0.2.53", "--dns-search", "example.org", "--dns-option", "ndots:3"],
      "cat /etc/resolv.conf")
    #expect(resolver.contains("nameserver 192.0.2.53"))
    #expect(resolver.contains("search example.org") && resolver.contains("options ndots:3"))
    // Writable, and its own.
    #expect(try bridged([], "echo 1.2.3.4 x >> /etc/hosts && tail -n 1 /etc/hosts") == "1.2.3.4 x")
    #expect(!(try bridged([], "cat /etc/hosts")).contains("1.2.3.4"))
  }

  @Test(
    .enabled(
      if: ["ip", "nsenter", "busybox", "perl"].allSatisfy(hasProgram),
      "needs ip, nsenter, busybox and perl"))
  func trafficGoesOutThroughTheHostAndNotBetweenItsOtherNetworks() throws {
    let result = try fixture.shell(NetworkTests.router, timeoutSeconds: 60)
    #expect(
      result.output.lines == [
        "control: forwarded before", "outwards: answered", "networks: apart", "inwards: refused",
      ], "\(result.output)\(result.errors)")
  }

  // A host between two networks, all in namespaces: `out` is where its traffic goes, `lan` another
  // network of its own. minidock runs on it. perl lets signals through, which ping's timer needs and
  // which a test runner's threads block.
  private static let router = #"""
    tag=$(basename "$DIRECTORY" | tail -c 8)
    host=mh$tag out=mo$tag lan=ml$tag
    trap 'for n in $host $out $lan; do ip netns del $n 2>/dev/null; done' EXIT
    for n in $host $out $lan; do ip netns add $n; ip -n $n link set lo up; done
    in_() { local n=$1; shift; perl -MPOSIX -e 'sigprocmask(SIG_SETMASK, POSIX::SigSet->new()); exec @ARGV' \
      nsenter --net=/run/netns/$n "$@"; }
    ping_() { in_ $1 busybox ping -c 2 -i 0.2 -W 1 -w 2 $2 > /dev/null 2>&1; }
    join() {
      ip -n $host link add $1 type veth peer name eth0 netns $2
      ip -n $host address add $3.1/24 dev $1; ip -n $host link set $1 up
      ip -n $2 address add $3.2/24 dev eth0; ip -n $2 link set eth0 up
      ip -n $2 route add default via $3.1
    }
    join wan0 $out 203.0.113; join lan0 $lan 198.51.100
    in_ $host sh -c 'echo 1 > /proc/sys/net/ipv4/ip_forward'
    ping_ $out 198.51.100.2 && echo control: forwarded before
    in_ $host sh -c 'echo 0 > /proc/sys/net/ipv4/ip_forward'
    in_ $host "$MINIDOCK" run --rm busybox ping -c 1 -W 5 203.0.113.2 > /dev/null && echo outwards: answered
    in_ $host "$MINIDOCK" run --rm busybox sh -c 'hostname -i > /tmp/a; cat /tmp/a; sleep 8' > "$DIRECTORY/address" &
    for wait in $(seq 100); do [ -s "$DIRECTORY/address" ] && break; sleep 0.05; done
    ping_ $out 198.51.100.2 || ping_ $lan 203.0.113.2 || echo networks: apart
    ping_ $out $(cat "$DIRECTORY/address") || echo inwards: refused
    kill $! 2>/dev/null
    "$MINIDOCK" rm -f $("$MINIDOCK" ps -q) > /dev/null
    wait
    """#
}
