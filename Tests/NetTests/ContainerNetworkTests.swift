import Linux
import TestSupport
import Testing

@testable import Net

/// A container behind a host that has one foot in each of two outside networks.
///
///     container ── bridge ─ host ─ lan 192.0.2.0/24 ─ neighbour
///                             └── wan 198.51.100.0/24 ─ server
private struct Topology {
  let host: TestHost
  let neighbour = try! TestNamespace()
  let server = try! TestNamespace()

  init(forwarding: Bool = false) throws {
    host = try TestHost()
    let namespace = host.namespace
    try namespace.connect("lan", "192.0.2.1/24", to: neighbour, "192.0.2.2/24")
    try namespace.connect("wan", "198.51.100.1/24", to: server, "198.51.100.2/24")
    try namespace.inside {
      try Files.write(forwarding ? "1" : "0", into: "/proc/sys/net/ipv4/ip_forward")
    }
  }

  /// Counts in `namespace` what arrives from `source`; the answer is how many packets so far.
  func counter(in namespace: TestNamespace, from source: String) throws -> () throws -> Int {
    try namespace.command(
      ["nft", "-f", "-"],
      input: """
        table ip count {
          counter seen {}
          chain input {
            type filter hook prerouting priority -400;
            ip saddr \(source) counter name seen
          }
        }

        """)
    return {
      let shown = try namespace.command(["nft", "list", "counter", "ip", "count", "seen"])
      let words = shown.split { $0 == " " || $0 == "\n" || $0 == "\t" }
      let mark = words.firstIndex(of: "packets").map { words[$0 + 1] }
      return Int(mark ?? "") ?? -1
    }
  }
}

@Suite(
  "Container network", .enabled(if: canMakeNetworks, "needs root, ip, nft and busybox"))
struct ContainerNetworkTests {
  @Test("A container has loopback, eth0 with its lease, and a default route")
  func inside() throws {
    let host = try TestHost()
    let bridge = try host.ensureBridge()
    let (inner, lease) = try host.container("0123456789abcdef")
    let eth0 = try inner.ip("address", "show", "dev", "eth0")
    #expect(eth0.contains("\"local\":\"\(lease.address)\",\"prefixlen\":\(lease.prefixLength),"))
    #expect(eth0.contains("\"address\":\"\(lease.mac)\""))
    #expect(eth0.contains("\"UP\"") && !eth0.contains("inet6"))
    let lo = try inner.ip("address", "show", "dev", "lo")
    #expect(lo.contains("\"UP\"") && lo.contains("127.0.0.1") && lo.contains("::1"))
    let routes = try inner.ip("route", "show")
    #expect(
      routes.contains("\"dst\":\"default\",\"gateway\":\"\(bridge.gateway)\",\"dev\":\"eth0\""))
    let outer = try host.namespace.ip("-d", "address", "show", "dev", "veth0123456789a")
    #expect(outer.contains("\"master\":\"\(bridge.device)\""))
    #expect(outer.contains("\"UP\"") && !outer.contains("inet6"))
    #expect(outer.contains("\"num_tx_queues\":1,\"num_rx_queues\":1"))
    #expect(try inner.pings("\(bridge.gateway)"))
  }

  @Test("With --network none there is loopback and nothing else")
  func none() throws {
    let host = try TestHost()
    let inner = try TestNamespace()
    try inner.ip("link", "set", "lo", "down")
    var socket = try NetlinkSocket.open(inNamespaceOf: inner.descriptor)
    try host.network.loopbackUp(netlink: &socket)
    #expect(try inner.pings("127.0.0.1"))
    #expect(try !inner.command(["ip", "-br", "link"]).contains("eth0"))
  }

  @Test("Containers of one network reach each other at once")
  func neighbours() throws {
    let host = try TestHost()
    let (first, second) = (try host.container("a"), try host.container("b"))
    #expect(first.lease.address != second.lease.address)
    #expect(try first.namespace.pings("\(second.lease.address)"))
  }

  @Test("A pair that a killed run left is replaced, and what is left is removed")
  func leftovers() throws {
    let host = try TestHost()
    let name = NetworkHost.hostLinkName(owner: "a")
    let first = try host.container("a")
    let again = try host.container("a")
    #expect(again.lease == first.lease)
    #expect(try again.namespace.pings("\(again.lease.gateway)"))
    #expect(try !first.namespace.command(["ip", "-br", "link"]).contains("eth0"))
    try host.namespace.inside { try host.network.remove(owner: "a") }
    #expect(try !host.namespace.command(["ip", "-br", "link"]).contains(name))
    #expect(try Files.list(host.network.leases("bridge").folder + "/by-address").isEmpty)
    try host.namespace.inside { try host.network.remove(owner: "a") }
  }

  @Test("A bridge that vanished before the container was connected is a failure with a reason")
  func vanished() throws {
    let host = try TestHost()
    let bridge = try host.ensureBridge()
    let inner = try TestNamespace()
    let lease = Lease(bridge.subnet.last, in: bridge.subnet)
    try host.namespace.ip("link", "delete", bridge.device)
    let failure = #expect(throws: Failure.self) {
      try host.namespace.inside {
        try host.network.attach(
          owner: "a", netns: inner.descriptor, to: bridge, lease: lease)
      }
    }
    #expect(failure?.operation == "create veth pair")
    #expect(failure?.errno != 0)
    #expect(try !host.namespace.command(["ip", "-br", "link"]).contains("veth"))
  }

  @Test("A container reaches the outside with the host's address as source")
  func masqueraded() throws {
    let topology = try Topology()
    let container = try topology.host.container("a")
    let asHost = try topology.counter(in: topology.server, from: "198.51.100.1")
    let asItself = try topology.counter(in: topology.neighbour, from: "\(container.lease.address)")
    #expect(try container.namespace.pings("198.51.100.2"))
    #expect(try container.namespace.pings("192.0.2.2"))
    #expect(try asHost() > 0)
    #expect(try asItself() == 0)
    // The host itself reaches the container too.
    #expect(try topology.host.namespace.pings("\(container.lease.address)"))
  }

  @Test("sec30_CVE_2025_54388: a neighbour's packets straight to a container are dropped")
  func sec30_CVE_2025_54388_directRouting() throws {
    let topology = try Topology()
    let container = try topology.host.container("a")
    let address = "\(container.lease.address)"
    try topology.neighbour.ip("route", "add", "\(address)/32", "via", "192.0.2.1")
    let arrived = try topology.counter(in: container.namespace, from: "192.0.2.2")
    #expect(try !topology.neighbour.pings(address))
    #expect(try arrived() == 0)
    // The bridge's own address is the host's, but no business of the neighbour's either.
    try topology.neighbour.ip(
      "route", "add", "\(container.lease.gateway)/32", "via", "192.0.2.1")
    #expect(try !topology.neighbour.pings("\(container.lease.gateway)"))
    // Negative control: without the table they arrive.
    try topology.host.deleteRules()
    #expect(try topology.neighbour.pings(address))
    #expect(try arrived() > 0)
    // And the next run shuts the door again.
    try topology.host.ensureBridge()
    let before = try arrived()
    #expect(try !topology.neighbour.pings(address))
    #expect(try arrived() == before)
  }

  @Test("sec30_CVE_2020_8558: loopback addresses are not reached from outside")
  func sec30_CVE_2020_8558_loopback() throws {
    let topology = try Topology()
    try topology.host.ensureBridge()
    let namespace = topology.host.namespace
    // The kernel drops these by itself unless route_localnet is on, as many a host has it.
    try namespace.inside {
      try Files.write("1", into: "/proc/sys/net/ipv4/conf/all/route_localnet")
    }
    try topology.neighbour.inside {
      try Files.write("1", into: "/proc/sys/net/ipv4/conf/all/route_localnet")
    }
    try topology.neighbour.ip("address", "delete", "127.0.0.1/8", "dev", "lo")
    try topology.neighbour.ip("route", "flush", "table", "local", "dev", "lo")
    try topology.neighbour.ip(
      "route", "add", "127.0.0.2/32", "via", "192.0.2.1", "src", "192.0.2.2")
    let arrived = try topology.counter(in: namespace, from: "192.0.2.2")
    #expect(try !topology.neighbour.pings("127.0.0.2"))
    #expect(try arrived() > 0)
    try topology.host.deleteRules()
    #expect(try topology.neighbour.pings("127.0.0.2"))
  }

  @Test("A container's forged source address does not leave the host")
  func forgedSource() throws {
    let topology = try Topology()
    let container = try topology.host.container("a")
    try container.namespace.ip("address", "add", "203.0.113.9/32", "dev", "lo")
    let arrived = try topology.counter(in: topology.server, from: "203.0.113.9")
    _ = try container.namespace.pings("198.51.100.2", from: "203.0.113.9")
    #expect(try arrived() == 0)
    // Two tables hold it back: the bridge's port, and what is routed.
    let ports = ["nft", "delete", "table", "bridge", topology.host.network.table]
    try topology.host.namespace.command(ports)
    _ = try container.namespace.pings("198.51.100.2", from: "203.0.113.9")
    #expect(try arrived() == 0)
    try topology.host.deleteRules()
    _ = try container.namespace.pings("198.51.100.2", from: "203.0.113.9")
    #expect(try arrived() > 0)
  }

  @Test("A host that was no router does not become one between its other networks")
  func closed() throws {
    let topology = try Topology()
    try topology.host.ensureBridge()
    try topology.neighbour.ip("route", "add", "198.51.100.0/24", "via", "192.0.2.1")
    try topology.server.ip("route", "add", "192.0.2.0/24", "via", "198.51.100.1")
    #expect(try topology.host.sysctl("ipv4/ip_forward") == "1")
    #expect(try !topology.neighbour.pings("198.51.100.2"))
    // Negative control, and that a second root's containers are spared by the first one's rule.
    let second = try TestHost(in: topology.host.namespace)
    let container = try second.container("b").namespace
    #expect(try container.pings("198.51.100.2"))
    // The first root goes; the second one still needs forwarding, and the host is still no router.
    try topology.host.namespace.inside { try topology.host.network.removeBridge() }
    #expect(try container.pings("198.51.100.2"))
    #expect(try !topology.neighbour.pings("198.51.100.2"))
    try topology.host.deleteRules()
    #expect(try topology.neighbour.pings("198.51.100.2"))
  }

  @Test("A host that was a router stays one")
  func open() throws {
    let topology = try Topology(forwarding: true)
    try topology.host.ensureBridge()
    try topology.neighbour.ip("route", "add", "198.51.100.0/24", "via", "192.0.2.1")
    try topology.server.ip("route", "add", "192.0.2.0/24", "via", "198.51.100.1")
    #expect(try topology.neighbour.pings("198.51.100.2"))
    #expect(try !topology.host.rules().contains("elements = { ipv4 }"))
    #expect(try topology.host.container("a").namespace.pings("198.51.100.2"))
  }

  @Test("A namespace that is deleted takes the host's end with it")
  func tornDown() throws {
    let host = try TestHost()
    func links() throws -> String { try host.namespace.command(["ip", "-br", "link"]) }
    var container: TestNamespace? = try host.container("a").namespace
    #expect(container != nil)
    #expect(try links().contains("veth"))
    container = nil
    // The kernel deletes a namespace some time after its last user.
    for _ in 0..<500 where try links().contains("veth") { Clock.pause(milliseconds: 20) }
    #expect(try !links().contains("veth"))
  }
}
