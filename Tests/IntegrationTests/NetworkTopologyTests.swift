import Linux
import TestSupport
import Testing

/// minidock on hosts among other machines: a neighbour in the LAN, a router, a second host.
///
///     neighbour ──lan── first ──r1── router ──r2── second
@Suite(
  .serialized, .enabled(if: MinidockFixture.isAvailable, MinidockFixture.requirement),
  .enabled(if: ServerImage.isAvailable, ServerImage.requirement))
struct NetworkTopologyTests {
  private let first: NetworkedHost
  private let second: NetworkedHost
  private let neighbour: NeighbourMachine
  private let router: NeighbourMachine

  init() throws {
    first = try NetworkedHost("net1")
    second = try NetworkedHost("net2")
    neighbour = try NeighbourMachine()
    router = try NeighbourMachine()
    try first.connect("lan", "10.77.1.1/24", to: neighbour, "10.77.1.2/24")
    try first.connect("r1", "10.77.2.1/24", to: router, "10.77.2.2/24")
    try second.connect("r2", "10.77.3.1/24", to: router, "10.77.3.2/24")
    try router.succeed("sysctl", "-qw", "net.ipv4.ip_forward=1")
    try first.node.succeed(["ip", "route", "add", "default", "via", "10.77.2.2"])
    try second.node.succeed(["ip", "route", "add", "default", "via", "10.77.3.2"])
    try first.importServers()
    try second.importServers()
  }

  private func serve(_ name: String, _ flags: [String]) throws -> String {
    try first.succeed(["run", "-d", "--name", name] + flags + ServerImage.web)
    let address = try first.succeed(["inspect", "-f", "{{.NetworkSettings.IPAddress}}", name])
    try first.node.wait("web server \(name)") { try first.asks(address) != nil }
    return address
  }

  @Test func publishedPortsAreReachedFromEverywhereAndSeeWhoAsks() throws {
    let address = try serve("web", ["-p", "8080:80"])
    _ = try serve("local", ["-p", "127.0.0.1:9090:80"])
    // A neighbour, the router, and a container on another host, which is seen as that host.
    #expect(try neighbour.asks("10.77.1.1:8080") == "10.77.1.2")
    #expect(try router.asks("10.77.2.1:8080") == "10.77.2.2")
    #expect(try second.containerAsks("10.77.2.1:8080") == "10.77.3.1")
    // The host itself, by its addresses and by loopback.
    #expect(try first.asks("10.77.1.1:8080") == "10.77.1.1")
    #expect(try first.asks("127.0.0.1:8080") != nil)
    // Hairpin: a neighbour in the same network, and a container of another.
    #expect(try first.containerAsks("10.77.1.1:8080") != nil)
    try first.succeed(["network", "create", "other"])
    #expect(try first.containerAsks("10.77.1.1:8080", network: "other") != nil)
    #expect(try first.containerAsks("\(address)", network: "other") == nil)
    // What is published on loopback stays there.
    #expect(try first.asks("127.0.0.1:9090") != nil)
    #expect(try neighbour.asks("10.77.1.1:9090") == nil)
  }

  @Test func sec30_CVE_2025_54388_aNeighbourThatRoutesToAContainerIsDropped() throws {
    let address = try serve("web", ["-p", "8080:80"])
    try neighbour.succeed("ip", "route", "add", address, "via", "10.77.1.1")
    #expect(try neighbour.asks(address) == nil)
    // Control: it is the packet rules that hold it back.
    try first.node.succeed(["sysctl", "-qw", "net.ipv4.ip_forward=1"])
    try first.node.succeed(["nft", "flush", "ruleset"])
    #expect(try neighbour.asks(address) == "10.77.1.2")
    // The next command puts them back and says so.
    let healed = try first.minidock(["ps"])
    #expect(healed.errors.contains("restored them for 1 network"), "\(healed.errors)")
    #expect(try neighbour.asks(address) == nil)
    #expect(try neighbour.asks("10.77.1.1:8080") == "10.77.1.2")
  }

  @Test func publishedPortsAreReachedByIPv6() throws {
    try first.node.succeed(["ip", "addr", "add", "fd77:1::1/64", "dev", "lan", "nodad"])
    try neighbour.succeed("ip", "addr", "add", "fd77:1::2/64", "dev", "lan", "nodad")
    try first.succeed(["network", "create", "--ipv6", "dual"])
    _ = try serve("six", ["--network", "dual", "-p", "8086:80"])
    let neighbour = neighbour
    try first.node.wait("the neighbour is answered by IPv6") {
      try neighbour.asks("[fd77:1::1]:8086") == "fd77:1::2"
    }
    #expect(try neighbour.asks("10.77.1.1:8086") == "10.77.1.2")
    #expect(try first.asks("[fd77:1::1]:8086") == "fd77:1::1")
    let out = try first.minidock([
      "run", "--rm", "--network", "dual", "busybox", "ping", "-6", "-c", "1", "-W", "5",
      "fd77:1::2",
    ])
    #expect(out.status == 0, "\(out.output)\(out.errors)")
  }

  @Test func aMacvlanNetworkIsInTheMidstOfTheLAN() throws {
    try first.succeed([
      "network", "create", "-d", "macvlan", "--opt", "parent=lan", "--subnet", "10.77.1.0/24",
      "--gateway", "10.77.1.2", "--ip-range", "10.77.1.128/25", "lan",
    ])
    try first.succeed(["run", "-d", "--name", "web", "--network", "lan"] + ServerImage.web)
    let address = try first.succeed([
      "inspect", "-f", "{{.NetworkSettings.Networks.lan.IPAddress}}", "web",
    ])
    #expect(address.hasPrefix("10.77.1."))
    let neighbour = neighbour
    try first.node.wait("the neighbour is answered") { try neighbour.asks(address) == "10.77.1.2" }
    // Names are answered as on a bridge; the host itself is out of reach, as macvlan has it.
    let seen = try first.minidock(
      "run", "--rm", "--network", "lan", "servers", "curl", "-sf", "--max-time", "60", "http://web/"
    )
    #expect(seen.output.hasPrefix("10.77.1."), "\(seen.errors)")
    #expect(try first.asks(address) == nil)
    let published = try first.minidock(
      "run", "--rm", "--network", "lan", "-p", "8080:80", "servers", "true")
    #expect(
      published.status == 125 && published.errors.contains("network lan"), "\(published.errors)")
    #expect(published.errors.trimmingLineFeeds.lines.count == 1, "\(published.errors)")
    try first.succeed(["rm", "-f", "web"])
    try first.succeed(["network", "rm", "lan"])
  }

  @Test func ipvlanWorksOrItsErrorNamesTheKernel() throws {
    try first.succeed([
      "network", "create", "-d", "ipvlan", "--opt", "parent=lan", "--subnet", "10.77.1.0/24",
      "--gateway", "10.77.1.2", "--ip-range", "10.77.1.128/25", "lan",
    ])
    let pinged = try first.minidock(
      "run", "--rm", "--network", "lan", "busybox", "ping", "-c", "1", "-W", "5", "10.77.1.2")
    if pinged.status != 0 {
      #expect(pinged.errors.contains("this kernel has no ipvlan links"), "\(pinged.errors)")
      #expect(!pinged.output.contains("transmitted"), "\(pinged.output)")
    }
    try first.succeed(["network", "rm", "lan"])
  }

  /// The host's name server on its loopback address, as systemd-resolved has it, and its search domain.
  @Test func namesOutsideAreAskedOfTheHostsServerOnLoopback() throws {
    let server = try first.node.start(["python3", "-c", NetworkTopologyTests.stub])
    defer { server.signal(Signal.kill) }
    #expect(try server.wait(untilOutput: { $0.contains("ready") }, timeoutSeconds: 60))
    try first.node.succeed([
      "sh", "-c",
      """
      printf 'nameserver 127.0.0.53\\nsearch lan.example\\noptions edns0 trust-ad\\n' > /run/resolv.conf
      mount --bind /run/resolv.conf /etc/resolv.conf
      """,
    ])
    try first.succeed(["network", "create", "front"])
    for name in ["outside.lan.example", "outside"] {
      let seen = try first.minidock(
        "run", "--rm", "--network", "front", "busybox", "ping", "-c", "1", "-W", "5", name)
      #expect(seen.output.contains("(10.77.1.2)"), "\(name): \(seen.output)\(seen.errors)")
    }
  }

  private static let stub = """
    import socket, threading
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.bind(("127.0.0.53", 53))
    print("ready", flush=True)
    while True:
        query, peer = s.recvfrom(4096)
        name, rest = [], query[12:]
        while rest[0]:
            name.append(rest[1:1 + rest[0]].decode()); rest = rest[1 + rest[0]:]
        kind = rest[2]
        found = ".".join(name).lower() == "outside.lan.example"
        question = query[12:len(query) - len(rest) + 5]
        answers = found and kind == 1
        head = query[:2] + (b"\\x81\\x80" if found else b"\\x81\\x83")
        head += b"\\0\\1" + (b"\\0\\1" if answers else b"\\0\\0") + b"\\0\\0\\0\\0"
        record = b"\\xc0\\x0c\\0\\1\\0\\1\\0\\0\\0\\x3c\\0\\4" + bytes([10, 77, 1, 2])
        s.sendto(head + question + (record if answers else b""), peer)
    """
}
