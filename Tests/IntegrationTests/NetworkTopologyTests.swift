import Linux
import TestSupport
import Testing

/// A machine on a network that does not run minidock: a namespace.
private final class Machine: Sendable {
  let name = "md-lan-" + randomHex(bytes: 4)

  init() throws {
    let made = try TestSupport.run(["ip", "netns", "add", name])
    try #require(made.status == 0, "\(made.errors)")
    try succeed("ip", "link", "set", "lo", "up")
  }

  deinit { _ = try? TestSupport.run(["ip", "netns", "del", name]) }

  @discardableResult
  func run(_ words: [String]) throws -> CommandResult {
    try TestSupport.run(["nsenter", "--net=/run/netns/\(name)"] + words)
  }

  @discardableResult
  func succeed(_ words: String...) throws -> String {
    let result = try run(words)
    try #require(result.status == 0, "\(words): \(result.errors)")
    return result.output
  }

  /// Who the web server at an address says has asked; nil when none answers.
  func asks(_ address: String) throws -> String? {
    let result = try run(["curl", "-sf", "--max-time", "2", "http://\(address)/"])
    return result.status == 0 ? result.output.trimmingLineFeeds : nil
  }
}

/// A machine that runs minidock.
private final class Host {
  let node: EngineNode

  init(_ label: String) throws { node = try EngineNode(label) }

  private var environment: [String] {
    [
      "env", "MINIDOCK_ROOT=\(node.directory)/root", "MINIDOCK_RUNROOT=/run/minidock",
      "MINIDOCK=\(MinidockFixture.binary)",
    ]
  }

  func minidock(_ words: [String]) throws -> CommandResult {
    try node.run(environment + [MinidockFixture.binary] + words)
  }

  @discardableResult
  func succeed(_ words: [String]) throws -> String {
    let result = try minidock(words)
    try #require(result.status == 0, "\(words): \(result.errors)")
    return result.output.trimmingLineFeeds
  }

  func importServers() throws {
    try node.succeed(
      environment + ["bash", "-c", ServerImage.script, "servers", node.directory + "/tree"])
  }

  /// Who the web server at an address says has asked; nil when none answers.
  func asks(_ address: String) throws -> String? {
    let result = try node.run(["curl", "-sf", "--max-time", "2", "http://\(address)/"])
    return result.status == 0 ? result.output.trimmingLineFeeds : nil
  }

  /// The same from a container of its own.
  func containerAsks(_ address: String, network: String = "bridge") throws -> String? {
    let result = try minidock([
      "run", "--rm", "--network", network, "servers", "curl", "-sf", "--max-time", "2",
      "http://\(address)/",
    ])
    return result.status == 0 ? result.output.trimmingLineFeeds : nil
  }

  /// Becomes the neighbour of a machine: both get an address of a network of two.
  func connect(_ device: String, _ address: String, to machine: Machine, _ far: String) throws {
    let link = "mv" + randomHex(bytes: 5)
    let made = try TestSupport.run([
      "ip", "link", "add", link, "type", "veth", "peer", "name", device, "netns", machine.name,
    ])
    try #require(made.status == 0, "\(made.errors)")
    try node.join(link: link, as: device, address: address)
    try machine.succeed("ip", "addr", "add", far, "dev", device)
    try machine.succeed("ip", "link", "set", device, "up")
  }
}

/// minidock on hosts among other machines: a neighbour in the LAN, a router, a second host.
///
///     neighbour ──lan── first ──r1── router ──r2── second
@Suite(
  .serialized, .enabled(if: MinidockFixture.isAvailable, MinidockFixture.requirement),
  .enabled(if: ServerImage.isAvailable, ServerImage.requirement))
struct NetworkTopologyTests {
  private let first: Host
  private let second: Host
  private let neighbour: Machine
  private let router: Machine

  init() throws {
    first = try Host("net1")
    second = try Host("net2")
    neighbour = try Machine()
    router = try Machine()
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
}
