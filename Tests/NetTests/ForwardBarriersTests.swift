import Linux
import TestSupport
import Testing

@testable import Net

/// A container that speaks through the host with somebody outside, past other programs' packet rules.
///
///     container ── bridge ── host ── out 192.0.2.0/24 ── outside
private struct Way {
  let host: TestHost
  let outside = try! TestNamespace()
  let container: (namespace: TestNamespace, lease: Lease)

  /// - Parameter rules: what another program has installed before minidock's first command.
  init(rules: String = "") throws {
    host = try TestHost()
    try host.namespace.connect("out", "192.0.2.1/24", to: outside, "192.0.2.2/24")
    if !rules.isEmpty { try host.namespace.command(["nft", "-f", "-"], input: rules) }
    container = try host.container("a")
  }

  func isOpen() throws -> Bool { try container.namespace.pings("192.0.2.2") }

  func nft(_ words: String) throws {
    try host.namespace.command(["nft", "-f", "-"], input: words + "\n")
  }

  /// What the next command tells the user.
  func notice() throws -> String? {
    try host.namespace.inside { try host.network.firewall.check { _ in true } }.notice
  }
}

@Suite(
  "Other programs' packet rules", .enabled(if: canMakeNetworks, "needs root, ip, nft, busybox"))
struct ForwardBarriersTests {
  /// As dockerd leaves it on a host that was no router, by iptables-nft.
  static let docker = """
    table ip filter {
      chain DOCKER-USER { counter return; }
      chain FORWARD { type filter hook forward priority 0; policy drop; counter jump DOCKER-USER; }
    }
    """

  @Test("Beside docker, which forwards nothing of others', containers reach out")
  func besideDocker() throws {
    // Docker first: its policy is there when minidock's first network is made.
    let way = try Way(rules: ForwardBarriersTests.docker)
    #expect(try way.isOpen())
    // Control: without the two rules nothing gets through, and the next command puts them back.
    try way.nft("flush chain ip filter DOCKER-USER")
    #expect(try !way.isOpen())
    #expect(try way.notice()?.contains("docker's packet rules refuse") == true)
    #expect(try way.isOpen())
    #expect(try way.notice() == nil)
    // It is done once, whoever else changes rules.
    try way.nft("add table ip another")
    #expect(try way.notice() == nil)
    let rules = try way.host.namespace.command([
      "nft", "list", "chain", "ip", "filter", "DOCKER-USER",
    ])
    #expect(rules.ranges(of: "accept").count == 2, "\(rules)")
  }

  @Test("Docker that comes later is noticed by the next command")
  func beforeDocker() throws {
    let way = try Way()
    #expect(try way.isOpen())
    try way.nft(ForwardBarriersTests.docker)
    #expect(try !way.isOpen())
    #expect(try way.notice()?.contains("DOCKER-USER") == true)
    #expect(try way.isOpen())
  }

  @Test(
    "iptables goes on listing a chain with minidock's rules in it",
    .enabled(if: hasProgram("iptables-nft"), "needs iptables-nft"))
  func listedByIptables() throws {
    let way = try Way()
    for words in [
      "-N DOCKER-USER", "-A DOCKER-USER -j RETURN", "-A FORWARD -j DOCKER-USER", "-P FORWARD DROP",
    ] {
      try way.host.namespace.command(
        ["iptables-nft"] + words.split(separator: " ").map(String.init))
    }
    #expect(try way.notice() != nil)
    #expect(try way.isOpen())
    let list = try way.host.namespace.command(["iptables-nft", "-S", "DOCKER-USER"])
    #expect(list.contains("-m devgroup --src-group 0x6d64"), "\(list)")
    #expect(list.contains("-m devgroup --dst-group 0x6d64"), "\(list)")
    try way.host.namespace.command(["iptables-nft", "-C", "DOCKER-USER", "-j", "RETURN"])
  }

  @Test(
    "Who else refuses what it does not name is said, with a way out that works",
    arguments: [
      """
      table inet mine {
        chain forward { type filter hook forward priority 0; policy drop; }
      }
      """,
      """
      table ip mine {
        chain through { type filter hook forward priority 10; policy drop; }
      }
      """,
    ])
  func refused(_ rules: String) throws {
    let way = try Way()
    try way.nft(rules)
    #expect(try !way.isOpen())
    let notice = try #require(try way.notice())
    #expect(notice.contains(way.host.network.device) && notice.contains(" mine "), "\(notice)")
    #expect(notice.split(separator: "\n").count == 1)
    // Said once: nothing has changed since.
    #expect(try way.notice() == nil)
    let start = try #require(notice.firstRange(of: "let them out: ")?.upperBound)
    for command in notice[start...].split(separator: " and ") {
      try way.host.namespace.command(command.split(separator: " ").map(String.init))
    }
    #expect(try way.isOpen())
    #expect(try way.notice() == nil)
  }

  /// What firewalld 1.3 makes of its default zone, as far as forwarded packets go.
  static let firewalld = """
    table inet firewalld {
      chain filter_FWD_trusted { accept; }
      chain filter_FWD_public { reject with icmpx admin-prohibited; }
      chain filter_FORWARD_ZONES { goto filter_FWD_public; }
      chain filter_FORWARD {
        type filter hook forward priority 10; policy accept;
        ct state { established, related } accept
        ct status dnat accept
        iifname "lo" accept
        jump filter_FORWARD_ZONES
        reject with icmpx admin-prohibited
      }
    }
    """

  @Test(
    "firewalld's refusal is said, until its zone has the bridge or the subnet",
    arguments: ["iifname \"BRIDGE\"", "ip saddr SUBNET"])
  func firewalld(_ zone: String) throws {
    let way = try Way(rules: ForwardBarriersTests.firewalld)
    #expect(try !way.isOpen())
    // As after a reload: what minidock knew does not count any more.
    try way.nft("flush table inet firewalld")
    try way.nft("delete table inet firewalld")
    #expect(try way.notice() == nil)
    try way.nft(ForwardBarriersTests.firewalld)
    let notice = try #require(try way.notice())
    let device = way.host.network.device
    #expect(
      notice.contains("firewall-cmd --zone=trusted --change-interface=\(device)"), "\(notice)")
    let bridge = try way.host.ensureBridge()
    let match = zone.replacing("BRIDGE", with: device).replacing("SUBNET", with: "\(bridge.subnet)")
    try way.nft("insert rule inet firewalld filter_FORWARD_ZONES \(match) goto filter_FWD_trusted")
    #expect(try way.isOpen())
    #expect(try way.notice() == nil)
  }

  @Test("A host that is kept closed leaves other engines' bridges alone")
  func otherEngines() throws {
    let way = try Way()
    #expect(try way.host.sysctl("ipv4/ip_forward") == "1")
    let theirs = try TestNamespace()
    try way.host.namespace.connect("lan0", "198.51.100.1/24", to: theirs, "198.51.100.2/24")
    for namespace in [theirs, way.outside] {
      let gateway = namespace === theirs ? "198.51.100.1" : "192.0.2.1"
      try namespace.ip("route", "add", "default", "via", gateway)
    }
    // Control: any other link of the host's.
    #expect(try !theirs.pings("192.0.2.2"))
    for name in ["docker0", "br-0123456789ab", "podman1", "virbr0"] {
      try way.host.namespace.ip("link", "set", "lan0", "down")
      try way.host.namespace.ip("link", "set", "lan0", "name", name)
      try way.host.namespace.ip("link", "set", name, "up")
      #expect(try theirs.pings("192.0.2.2"), "\(name)")
      try way.host.namespace.ip("link", "set", name, "down")
      try way.host.namespace.ip("link", "set", name, "name", "lan0")
    }
  }

  @Test(
    "A policy of iptables-legacy is said once, with a way out that works",
    .enabled(if: hasProgram("iptables-legacy"), "needs iptables-legacy"))
  func legacy() throws {
    let way = try Way()
    func iptables(_ words: String) throws {
      try way.host.namespace.command(
        ["iptables-legacy"] + words.split(separator: " ").map(String.init))
    }
    // A table that lets everything pass is none of minidock's business.
    try iptables("-A FORWARD -p sctp -j DROP")
    #expect(try way.isOpen())
    #expect(try way.notice() == nil)
    try iptables("-P FORWARD DROP")
    #expect(try !way.isOpen())
    let notice = try #require(try way.notice())
    #expect(notice.contains("(iptables-legacy, chain FORWARD)"), "\(notice)")
    #expect(try way.notice() == nil)
    // What comes again is said again.
    try iptables("-P FORWARD ACCEPT")
    #expect(try way.notice() == nil)
    try iptables("-P FORWARD DROP")
    let start = try #require(notice.firstRange(of: "let them out: ")?.upperBound)
    #expect(try way.notice() == notice)
    for command in notice[start...].split(separator: " and ") {
      try way.host.namespace.command(command.split(separator: " ").map(String.init))
    }
    #expect(try way.isOpen())
    #expect(try way.notice() == nil)
  }
}
