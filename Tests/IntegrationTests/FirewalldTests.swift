import Linux
import TestSupport
import Testing

/// Beside a firewalld of the machine's own, with a message bus and configuration of its own.
///
///     outside ──lan── host with firewalld and minidock
@Suite(
  .enabled(if: MinidockFixture.isAvailable, MinidockFixture.requirement),
  .enabled(
    if: ["firewalld", "firewall-cmd", "dbus-daemon", "curl", "nginx"].allSatisfy(hasProgram)
      && ServerImage.isAvailable,
    "needs firewalld and dbus-daemon, and the programs of the server image"))
struct FirewalldTests {
  private let host: NetworkedHost
  private let outside: NeighbourMachine
  private let firewalld: BackgroundProcess

  init() throws {
    host = try NetworkedHost("fwd")
    outside = try NeighbourMachine()
    try host.connect("lan", "10.77.1.1/24", to: outside, "10.77.1.2/24")
    firewalld = try host.node.start([
      "bash", "-c",
      """
      set -e
      mount -t tmpfs etc /etc/firewalld
      mount -t tmpfs log /var/log
      mkdir /etc/firewalld/zones /etc/firewalld/services /etc/firewalld/policies
      mkdir -p /run/dbus
      dbus-daemon --system --nopidfile --fork
      exec firewalld --nofork --nopid
      """,
    ])
  }

  private func waitForFirewalld() throws {
    try host.node.wait("firewalld runs") {
      try host.node.run(["firewall-cmd", "--state"]).status == 0
    }
  }

  private func reaches(_ network: String = "bridge") throws -> Bool {
    try host.minidock(
      "run", "--rm", "--network", network, "busybox", "ping", "-c", "2", "-i", "0.2", "-W", "2",
      "10.77.1.2"
    ).status == 0
  }

  @Test func whatItRefusesIsSaidAndWhatIsSaidHelpsAlsoAfterAReload() throws {
    try waitForFirewalld()
    defer { firewalld.signal(Signal.kill) }
    try host.importServers()
    // Control: this firewalld lets nothing through that it does not know.
    let first = try host.minidock(
      "run", "--rm", "busybox", "ping", "-c", "1", "-W", "1", "10.77.1.2")
    #expect(first.status != 0, "\(first.output)")
    #expect(first.errors.contains("inet firewalld filter_FORWARD"), "\(first.errors)")
    let flag = "--change-interface="
    let start = try #require(first.errors.firstRange(of: flag)).upperBound
    let bridge = String(first.errors[start...].prefix { $0 != "," })
    // What is published passes without.
    try host.succeed(["run", "-d", "--name", "web", "-p", "8080:80"] + ServerImage.web)
    try host.node.wait("the web server answers") { try outside.asks("10.77.1.1:8080") != nil }
    #expect(try outside.asks("10.77.1.1:8080") == "10.77.1.2")
    // As the words say.
    for flags in [[], ["--permanent"]] {
      try host.node.succeed(
        ["firewall-cmd", "--zone=trusted", "--change-interface=\(bridge)"] + flags)
    }
    #expect(try reaches())
    try host.node.succeed(["firewall-cmd", "--reload"])
    #expect(try reaches())
    #expect(try outside.asks("10.77.1.1:8080") == "10.77.1.2")
    let quiet = try host.minidock("ps")
    #expect(quiet.errors == "", "\(quiet.errors)")
    // Two containers of one network.
    let address = try host.succeed(["inspect", "-f", "{{.NetworkSettings.IPAddress}}", "web"])
    #expect(try host.containerAsks(address) != nil)
    try host.succeed(["rm", "-f", "web"])
  }

  @Test func aFirewalldThatStartsLaterIsNoticedByTheNextCommand() throws {
    // One that runs already is stopped, and so is what it has set up.
    try waitForFirewalld()
    try host.node.succeed(["sh", "-c", "kill $(pidof -x firewalld)"])
    try host.node.wait("firewalld is gone") {
      try host.node.run(["nft", "list", "table", "inet", "firewalld"]).status != 0
    }
    #expect(try reaches())
    let second = try host.node.start(["firewalld", "--nofork", "--nopid"])
    defer { second.signal(Signal.kill) }
    try waitForFirewalld()
    let told = try host.minidock("ps")
    #expect(
      told.errors.contains("firewall-cmd --zone=trusted --change-interface="), "\(told.errors)")
    #expect(try !reaches())
  }
}
