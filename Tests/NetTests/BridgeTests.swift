import Glibc
import Linux
import TestSupport
import Testing

@testable import Net

@Suite("Bridge network", .enabled(if: canMakeNetworks, "needs root, ip, nft and busybox"))
struct BridgeTests {
  @Test("The default root has the names and the subnet that the documentation gives")
  func defaults() throws {
    let host = NetworkHost(stateRoot: "/var/lib/minidock/", runRoot: "/run/minidock")
    #expect(host.device == "minidock0" && host.table == "minidock" && host.subnetStart == 0)
    let other = NetworkHost(stateRoot: "/tmp/x", runRoot: "/tmp/y")
    #expect(other.device.utf8.count == 10 && other.device.hasPrefix("md"))
    #expect(other.table == "minidock_" + other.device.dropFirst(2))
  }

  @Test("On a clean host the bridge, its address, forwarding and rules are made")
  func clean() throws {
    let host = try TestHost()
    let bridge = try host.ensureBridge()
    let address = try host.namespace.ip("address", "show", "dev", bridge.device)
    #expect(
      address.contains("\"local\":\"\(bridge.gateway)\",\"prefixlen\":\(bridge.subnet.length),"))
    #expect(address.contains("\"address\":\"\(MACAddress(for: bridge.gateway))\""))
    #expect(!address.contains("inet6"))
    let link = try host.namespace.ip("-d", "link", "show", "dev", bridge.device)
    #expect(link.contains("\"info_kind\":\"bridge\""))
    #expect(link.contains("\"forward_delay\":0,") && link.contains("\"stp_state\":0,"))
    #expect(link.contains("\"ifindex\":\(bridge.index),") && link.contains("\"UP\""))
    #expect(try host.sysctl("ipv4/ip_forward") == "1")
    #expect(try host.sysctl("ipv6/conf/\(bridge.device)/accept_ra") == "0")
    #expect(try host.sysctl("ipv6/conf/\(bridge.device)/disable_ipv6") == "1")
    let rules = try host.rules()
    for line in [
      "elements = { \(bridge.subnet) }", "elements = { \"\(bridge.device)\" }",
      "type filter hook prerouting priority raw; policy accept;",
      "ip daddr @subnets4 iifname != @bridges iifgroup != 28004 drop", "ip daddr 127.0.0.0/8 drop",
      "ip6 daddr @subnets6 iifname != @bridges iifgroup != 28004 drop",
      "iifname . oifname @same_bridge accept", "elements = { ipv4 }",
      "oifname @bridges jump inward", "iifname @bridges jump outward",
      "ct state established,related accept", "ip saddr != @subnets4 drop",
      "type nat hook postrouting priority srcnat; policy accept;",
      "ip saddr @subnets4 oifname != @bridges oifgroup != 28004 masquerade",
      "table bridge \(host.network.table)", "iifgroup != \(host.network.portGroup) accept",
    ] { #expect(rules.contains(line), "\(line)") }
    #expect(try host.ensureBridge() == bridge)
  }

  @Test("The MTU is that of the default route")
  func mtu() throws {
    let (host, outside) = (try TestHost(), try TestNamespace())
    try host.namespace.connect("up0", "192.0.2.1/24", to: outside, "192.0.2.2/24")
    try host.namespace.ip("link", "set", "up0", "mtu", "1400")
    try host.namespace.ip("route", "add", "default", "via", "192.0.2.2")
    #expect(try host.ensureBridge().mtu == 1400)
  }

  @Test(
    "sec30_CVE_2025_54410: rules that were flushed, in whole or part, are healed",
    arguments: [
      "flush ruleset", "delete table inet T", "delete table bridge T",
      "flush chain inet T forward", "flush table inet T", "flush table bridge T",
      "flush set inet T bridges", "add element inet T bridges { \"evil\" }",
      "flush set bridge T addresses4", "flush map inet T ports4",
      "insert rule inet T prerouting accept",
    ])
  func sec30_CVE_2025_54410_flush(_ change: String) throws {
    let host = try TestHost()
    let bridge = try host.ensureBridge()
    let port = PublishedPort(
      address: .v4(IPv4Address(value: 0)), hostPort: 8080, containerPort: 80, transport: .tcp)
    let container = try host.container("a", ports: [port])
    // Elements of a hashed set come in an order of their own each time.
    func comparable() throws -> [Substring] {
      try host.rules().split(separator: "\n").sorted()
    }
    let before = try comparable()
    let command = change.replacing(" T", with: " \(host.network.table)")
    try host.namespace.command(["nft", "-f", "-"], input: command + "\n")
    #expect(try comparable() != before)
    var notices: [String] = []
    let again = try host.namespace.inside {
      try host.network.ensureBridge(report: { notices.append($0) })
    }
    #expect(again == bridge)
    #expect(try comparable() == before)
    // What somebody has added goes without a word.
    #expect(notices.count == (change.hasPrefix("add element") ? 0 : 1))
    #expect(notices.allSatisfy { $0.hasSuffix("for 1 network and 1 connected container") })
    #expect(
      try host.namespace.inside { try host.network.firewall.check { _ in true } }.notice == nil)
    withExtendedLifetime(container) {}
  }

  @Test("A change of somebody else's rules is noticed once and leaves ours alone")
  func foreignChange() throws {
    let host = try TestHost()
    try host.ensureBridge()
    let lastSeen = { try host.namespace.command(["nft", "list", "ruleset"]) }
    try host.namespace.command(["nft", "add", "table", "ip", "other"])
    let rules = try host.rules()
    let before = try lastSeen()
    try host.ensureBridge()
    #expect(try host.rules() == rules)
    #expect(try lastSeen() != before)
    let after = try lastSeen()
    try host.ensureBridge()
    #expect(try lastSeen() == after)
  }

  @Test("A bridge that was deleted, set down or robbed of its address is healed")
  func healedBridge() throws {
    let host = try TestHost()
    let bridge = try host.ensureBridge()
    let device = bridge.device
    for change in [
      ["link", "set", device, "down"], ["address", "flush", "dev", device],
      ["link", "delete", device],
    ] {
      try host.namespace.command(["ip"] + change)
      #expect(try host.ensureBridge().subnet == bridge.subnet, "\(change)")
      let shown = try host.namespace.ip("address", "show", "dev", device)
      #expect(shown.contains("\"UP\"") && shown.contains("\"\(bridge.gateway)\""), "\(change)")
      #expect(try host.namespace.inside { try host.network.ensureBridge() }.index > 0)
    }
  }

  @Test("The records may be lost, one, the other or both, with the same outcome")
  func lostRecords() throws {
    let host = try TestHost()
    let bridge = try host.ensureBridge()
    let rules = try host.rules()
    for paths in [[host.network.foundPath], [host.network.foundPath, host.network.recordPath]] {
      for path in paths { try Files.replace(path, with: Array("rubbish=\n".utf8)) }
      // Without the durable record the live bridge counts as taken by somebody only if it has
      // another name: its own address is kept.
      #expect(try host.ensureBridge().device == bridge.device)
      #expect(
        try host.rules().contains("iifname @bridges jump outward") == rules.contains("@bridges"))
    }
  }

  @Test("A subnet that the host uses is not chosen, and the one chosen is kept across boots")
  func subnetChoice() throws {
    let host = try TestHost()
    let first = SubnetChoice.candidates[host.network.subnetStart]
    let outside = try TestNamespace()
    try host.namespace.connect("up0", "\(first.gateway)/16", to: outside, "\(first.last)/8")
    let chosen = try host.ensureBridge().subnet
    #expect(!chosen.overlaps(first))
    // The next boot: no bridge, nothing in /run, and the first choice is free by now.
    try host.namespace.ip("link", "delete", host.network.device)
    try host.namespace.ip("link", "delete", "up0")
    try Files.removeTree(host.network.runRoot)
    #expect(try host.ensureBridge().subnet == chosen)
    // The boot after: somebody else has taken it.
    try host.namespace.ip("link", "delete", host.network.device)
    try Files.removeTree(host.network.runRoot)
    try host.namespace.connect("up1", "\(chosen.gateway)/16", to: outside, "\(chosen.last)/16")
    let other = try host.ensureBridge().subnet
    #expect(!other.overlaps(chosen))
  }

  @Test("A live bridge keeps its subnet although somebody else comes to use it too")
  func laterCollision() throws {
    let host = try TestHost()
    let bridge = try host.ensureBridge()
    let container = try host.container("a")
    let outside = try TestNamespace()
    try host.namespace.connect(
      "vpn0", "\(bridge.subnet.last)/\(bridge.subnet.length)", to: outside, "192.0.2.1/24")
    try host.namespace.command(["nft", "flush", "ruleset"])
    #expect(try host.ensureBridge() == bridge)
    let shown = try host.namespace.ip("address", "show", "dev", bridge.device)
    #expect(shown.contains("\"\(bridge.gateway)\""))
    #expect(try host.rules().contains(host.network.table))
    withExtendedLifetime(container) {}
  }

  @Test("A link of another kind under the bridge's name is left alone and named")
  func foreignLink() throws {
    let host = try TestHost()
    try host.namespace.ip("link", "add", host.network.device, "type", "veth")
    let failure = #expect(throws: Failure.self) { try host.ensureBridge() }
    #expect(failure?.code == .inUse)
    #expect(failure?.description.contains("veth link of that name") == true)
    #expect(try !host.rules().contains(host.network.table))
  }

  @Test("Two roots on one host have bridges, rules and subnets of their own")
  func twoRoots() throws {
    let one = try TestHost()
    let two = try TestHost(in: one.namespace)
    let (a, b) = (try one.ensureBridge(), try two.ensureBridge())
    #expect(a.device != b.device && !a.subnet.overlaps(b.subnet))
    #expect(try one.ensureBridge() == a && two.ensureBridge() == b)
    let first = try one.container("a").namespace
    let second = try two.container("b")
    #expect(try first.pings("\(a.gateway)"))
    #expect(try !first.pings("\(second.lease.address)"))
  }

  @Test("Roots that start at the same moment choose different subnets")
  func parallelRoots() throws {
    let namespace = try TestNamespace()
    let hosts = try (0..<8).map { _ in try TestHost(in: namespace) }
    let failures = onThreads(hosts.count, in: namespace) { number in
      _ = try hosts[number].network.ensureBridge()
    }
    #expect(failures == [])
    let subnets = try hosts.map { try $0.ensureBridge().subnet }
    for (index, subnet) in subnets.enumerated() {
      #expect(!subnets[(index + 1)...].contains { $0.overlaps(subnet) })
    }
  }

  @Test("Roots that make bridges and networks at the same moment never share a subnet")
  func parallelNetworks() throws {
    let namespace = try TestNamespace()
    let hosts = try (0..<10).map { _ in try TestHost(in: namespace) }
    for round in 0..<2 {
      let failures = onThreads(2 * hosts.count, in: namespace) { number in
        let host = hosts[number / 2].network
        if number % 2 == 0 { return _ = try host.ensureBridge() }
        _ = try host.create(
          NetworkRequest(name: "net\(round)"), isAlive: { _ in true }, report: { _ in })
      }
      #expect(failures == [])
    }
    let subnets = try namespace.inside {
      try hosts.flatMap { try $0.network.networks().compactMap(\.subnet) }
    }
    #expect(subnets.count == 3 * hosts.count)
    for (index, subnet) in subnets.enumerated() {
      #expect(!subnets[(index + 1)...].contains { $0.overlaps(subnet) }, "\(subnet)")
    }
  }

  @Test("Forwarding stays on for a root whose bridge is made while another's last one goes")
  func parallelRemoval() throws {
    let namespace = try TestNamespace()
    let hosts = try (0..<3).map { _ in try TestHost(in: namespace) }
    try namespace.inside { try Files.write("0", into: "/proc/sys/net/ipv4/ip_forward") }
    let failures = onThreads(hosts.count, in: namespace) { number in
      for round in 0..<12 {
        _ = try hosts[number].network.ensureBridge()
        guard Forwarding.isOn(.v4) else {
          throw Failure(.invalid, "forward", "root \(number)", reason: "off in round \(round)")
        }
        try hosts[number].network.removeBridge()
      }
    }
    #expect(failures == [])
    // Who turned it on and was not the last to go turns it off when asked once more.
    for host in hosts { try namespace.inside { try host.network.removeBridge() } }
    #expect(try hosts[0].sysctl("ipv4/ip_forward") == "0")
  }

  @Test("What a deleted root has left of its packet rules stops no other root with its subnet")
  func staleTable() throws {
    let gone = try TestHost()
    let subnet = try gone.ensureBridge().subnet
    try gone.namespace.ip("link", "delete", gone.network.device)
    let host = try TestHost(in: gone.namespace)
    try BridgeRecord(subnet: subnet, device: host.network.device, table: host.network.table)
      .write(host.network.recordPath)
    let first = try host.container("a")
    let second = try host.container("b")
    #expect(try host.ensureBridge().subnet == subnet)
    #expect(try first.namespace.pings("\(subnet.gateway)"))
    #expect(try host.namespace.pings("\(first.lease.address)"))
    #expect(try first.namespace.pings("\(second.lease.address)"))
  }

  @Test("200 parallel starts on a clean host make one bridge and one set of rules")
  func parallel() throws {
    let host = try TestHost()
    let found = FailureLog()
    let failures = onThreads(200, in: host.namespace) { _ in
      found.add("\(try host.network.ensureBridge())")
    }
    #expect(failures == [])
    #expect(found.all.count == 200 && Set(found.all).count == 1)
    let rules = try host.rules()
    #expect(
      rules.split(separator: "\n").filter {
        $0.contains("ip saddr @subnets4 oifname != @bridges oifgroup != ")
      }.count == 1)
  }

  @Test("What was done on the host is undone, forwarding only where minidock turned it on")
  func removed() throws {
    for before in ["0", "1"] {
      let host = try TestHost()
      try host.namespace.inside { try Files.write(before, into: "/proc/sys/net/ipv4/ip_forward") }
      let links = try host.namespace.command(["ip", "-br", "link"])
      try host.ensureBridge()
      try host.namespace.inside { try host.network.removeBridge() }
      #expect(try host.namespace.command(["ip", "-br", "link"]) == links)
      #expect(try host.rules().isEmpty)
      #expect(try host.sysctl("ipv4/ip_forward") == before)
      #expect(!Files.exists(host.network.recordPath))
      try host.namespace.inside { try host.network.removeBridge() }
    }
  }
}
