import Glibc
import Linux
import TestSupport
import Testing

@testable import Net

/// A host with a foot in a LAN, and two containers of one network.
///
///     client ── lan 192.0.2.0/24 ── host ── bridge ── server, other
private struct Lan {
  let host: TestHost
  let client = try! TestNamespace()
  let server: (namespace: TestNamespace, lease: Lease)
  let other: (namespace: TestNamespace, lease: Lease)

  init(ports: [PublishedPort]) throws {
    host = try TestHost()
    try host.namespace.connect("lan", "192.0.2.1/24", to: client, "192.0.2.2/24")
    server = try host.container("server", ports: ports)
    other = try host.container("other")
  }
}

func published(
  _ host: UInt16, _ port: UInt16, at address: String = "0.0.0.0",
  _ transport: TransportProtocol = .tcp
) -> PublishedPort {
  PublishedPort(
    address: PublishedPort.HostAddress(address)!, hostPort: host, containerPort: port,
    transport: transport)
}

extension TestNamespace {
  /// Answers each connection to a port with its sender's address, until the namespace is deleted.
  func answerWithSender(port: UInt16, udp: Bool = false, any: String = "0.0.0.0") throws {
    let family = any.contains(":") ? "AF_INET6" : "AF_INET"
    let program = """
      import os, socket, sys
      udp = \(udp ? "True" : "False")
      s = socket.socket(socket.\(family), socket.SOCK_DGRAM if udp else socket.SOCK_STREAM)
      s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
      s.bind(("\(any)", \(port)))
      if not udp: s.listen(64)
      if os.fork(): sys.exit(0)
      os.setsid()
      for n in (0, 1, 2):
          os.dup2(os.open("/dev/null", os.O_RDWR), n)
      import signal; signal.alarm(120)
      while True:
          if udp:
              data, peer = s.recvfrom(100)
              s.sendto(peer[0].encode(), peer)
          else:
              c, peer = s.accept()
              c.sendall(peer[0].encode()); c.close()
      """
    try command(["python3", "-c", program])
  }

  /// Who the server at an address has seen; nil when nothing answers within a second.
  func seen(by address: String, port: UInt16, udp: Bool = false) throws -> String? {
    let program = """
      import socket, sys
      host, port, udp = sys.argv[1], int(sys.argv[2]), sys.argv[3] == "udp"
      f = socket.AF_INET6 if ":" in host else socket.AF_INET
      s = socket.socket(f, socket.SOCK_DGRAM if udp else socket.SOCK_STREAM)
      s.settimeout(1)
      s.connect((host, port))
      if udp: s.send(b"x")
      print(s.recv(100).decode())
      """
    return try inside {
      let result = try run(["python3", "-c", program, address, "\(port)", udp ? "udp" : "tcp"])
      return result.status == 0 ? result.output.split(separator: "\n").first.map(String.init) : nil
    }
  }
}

private let canServe = canMakeNetworks && hasProgram("python3")

@Suite("Packet rules", .enabled(if: canServe, "needs root, ip, nft, busybox and python3"))
struct FirewallTests {
  @Test(
    "A published port is reached from everywhere, and the client's address stays",
    arguments: [
      TransportProtocol.tcp, .udp,
    ])
  func published(_ transport: TransportProtocol) throws {
    let udp = transport == .udp
    let lan = try Lan(ports: [NetTests.published(8080, 80, transport)])
    try lan.server.namespace.answerWithSender(port: 80, udp: udp)
    func seen(_ from: TestNamespace, _ address: String) throws -> String? {
      try from.seen(by: address, port: 8080, udp: udp)
    }
    let gateway = "\(lan.server.lease.gateway)"
    // Another machine, the host by its addresses, and a neighbour in the network.
    #expect(try seen(lan.client, "192.0.2.1") == "192.0.2.2")
    #expect(try seen(lan.host.namespace, "192.0.2.1") == "192.0.2.1")
    #expect(try seen(lan.host.namespace, "127.0.0.1") == gateway)
    #expect(try seen(lan.host.namespace, gateway) == gateway)
    #expect(try seen(lan.other.namespace, "192.0.2.1") == gateway)
    #expect(try seen(lan.other.namespace, gateway) == gateway)
    // Only that port, and not once it is withdrawn.
    #expect(try lan.client.seen(by: "192.0.2.1", port: 80, udp: udp) == nil)
    try lan.host.namespace.inside {
      try lan.host.network.firewall.removeEndpoint(lan.server.lease.address, owner: "other")
    }
    #expect(try seen(lan.client, "192.0.2.1") != nil)
    try lan.host.namespace.inside {
      try lan.host.network.firewall.removeEndpoint(lan.server.lease.address, owner: "server")
    }
    #expect(try seen(lan.client, "192.0.2.1") == nil)
    #expect(try !lan.host.rules().contains("8080"))
  }

  /// The kernel frees what was removed in a time of its own, and makes whoever closes a socket wait
  /// for it: a container's start removes nothing.
  @Test("Starts only add to the rules; numbers of earlier changes go with the next removal")
  func startsOnlyAdd() throws {
    let host = try TestHost()
    _ = try host.container("a")
    let first = try host.generations()
    let b = try host.container("b", ports: [NetTests.published(8080, 80)])
    _ = try host.container("c")
    #expect(try host.generations() == first + 2)
    // The latest counts as minidock's own, or all would be looked at and written anew.
    _ = try host.namespace.inside { try host.network.firewall.check { _ in true } }
    #expect(try host.generations() == first + 2)
    try host.namespace.inside {
      try host.network.firewall.removeEndpoint(b.lease.address, owner: "b")
    }
    #expect(try host.generations() == 1)
    #expect(try !host.rules().contains("8080"))
  }

  @Test("A port of one address is reached at that one only")
  func oneAddress() throws {
    let lan = try Lan(ports: [NetTests.published(8080, 80, at: "192.0.2.1")])
    try lan.host.namespace.ip("address", "add", "192.0.2.9/24", "dev", "lan")
    try lan.server.namespace.answerWithSender(port: 80)
    #expect(try lan.client.seen(by: "192.0.2.1", port: 8080) == "192.0.2.2")
    #expect(try lan.client.seen(by: "192.0.2.9", port: 8080) == nil)
    #expect(try lan.host.namespace.seen(by: "127.0.0.1", port: 8080) == nil)
  }

  @Test(
    "sec30_CVE_2025_54410: a port of 127.0.0.1 is the host's alone, and a container gets nothing of it"
  )
  func sec30_CVE_2025_54410_loopbackPort() throws {
    let lan = try Lan(ports: [NetTests.published(8080, 80, at: "127.0.0.1")])
    try lan.server.namespace.answerWithSender(port: 80)
    try lan.host.namespace.answerWithSender(port: 9, any: "127.0.0.1")
    let gateway = lan.server.lease.gateway
    #expect(try lan.host.namespace.seen(by: "127.0.0.1", port: 8080) == "\(gateway)")
    #expect(try lan.host.sysctl("ipv4/conf/\(lan.host.network.device)/route_localnet") == "1")
    // A neighbour that sends to that address by way of the host, and a container that does.
    for (from, via) in [(lan.client, "192.0.2.1"), (lan.other.namespace, "\(gateway)")] {
      #expect(try from.seen(by: via, port: 8080) == nil)
      try from.inside { try Files.write("1", into: "/proc/sys/net/ipv4/conf/all/route_localnet") }
      try from.ip("address", "delete", "127.0.0.1/8", "dev", "lo")
      try from.ip("route", "flush", "table", "local", "dev", "lo")
      try from.ip("route", "add", "127.0.0.1/32", "via", via)
      #expect(try from.seen(by: "127.0.0.1", port: 8080) == nil)
      #expect(try from.seen(by: "127.0.0.1", port: 9) == nil)
    }
    // Negative control: what keeps the container away is that one chain.
    try lan.host.namespace.command([
      "nft", "flush", "chain", "inet", lan.host.network.table, "prerouting",
    ])
    #expect(try lan.other.namespace.seen(by: "127.0.0.1", port: 9) != nil)
    // The next look shuts it.
    try lan.host.namespace.inside { _ = try lan.host.network.firewall.check { _ in true } }
    #expect(try lan.other.namespace.seen(by: "127.0.0.1", port: 9) == nil)
  }

  @Test("sec30_CVE_2025_54388: a neighbour reaches a container by its published port, not straight")
  func sec30_CVE_2025_54388_port() throws {
    let lan = try Lan(ports: [NetTests.published(8080, 80)])
    try lan.server.namespace.answerWithSender(port: 80)
    let address = "\(lan.server.lease.address)"
    try lan.client.ip("route", "add", "\(address)/32", "via", "192.0.2.1")
    #expect(try lan.client.seen(by: "192.0.2.1", port: 8080) == "192.0.2.2")
    #expect(try lan.client.seen(by: address, port: 80) == nil)
    try lan.host.deleteRules()
    #expect(try lan.client.seen(by: address, port: 80) == "192.0.2.2")
  }

  @Test("A container speaks with its own addresses only, by IP and by ARP")
  func sec30_CVE_2020_10749_spoofing() throws {
    let lan = try Lan(ports: [])
    let (own, victim) = (lan.other, lan.server)
    let gateway = "\(own.lease.gateway)"
    #expect(try own.namespace.pings(gateway))
    // Another's address on its own link: ARP for it, and packets from it.
    try own.namespace.ip("address", "add", "\(victim.lease.address)/16", "dev", "eth0")
    #expect(try !own.namespace.pings(gateway, from: "\(victim.lease.address)"))
    let probe = ["busybox", "arping", "-U", "-c", "2", "-I", "eth0", "\(victim.lease.address)"]
    let mac = { (output: String) in output.contains("\(own.lease.mac)") }
    _ = try own.namespace.inside { try run(probe) }
    #expect(
      try !mac(lan.host.namespace.command(["ip", "neigh", "show", "\(victim.lease.address)"])))
    // Another's Ethernet address.
    try own.namespace.ip("address", "delete", "\(victim.lease.address)/16", "dev", "eth0")
    try own.namespace.ip("link", "set", "eth0", "address", "02:6d:00:00:00:01")
    #expect(try !own.namespace.pings(gateway))
    // Negative control: all three work without the table of the bridge.
    try lan.host.namespace.command(["nft", "delete", "table", "bridge", lan.host.network.table])
    try lan.host.namespace.ip("neigh", "flush", "all")
    #expect(try own.namespace.pings(gateway))
    try own.namespace.ip("address", "add", "\(victim.lease.address)/16", "dev", "eth0")
    _ = try own.namespace.inside { try run(probe) }
    try own.namespace.ip("link", "set", "eth0", "address", "\(own.lease.mac)")
    #expect(try own.namespace.pings(gateway, from: "\(victim.lease.address)"))
  }

  @Test("sec38: an internal network has no way out and none in, and two networks are apart")
  func sec38_CVE_2024_29018_internal() throws {
    let lan = try Lan(ports: [NetTests.published(8080, 80)])
    try lan.server.namespace.answerWithSender(port: 80)
    let second = try lan.host.secondNetwork(isInternal: true)
    let inner = try second.container("inner")
    let peer = try second.container("peer")
    #expect(try inner.namespace.pings("\(peer.lease.address)"))
    #expect(try !inner.namespace.pings("192.0.2.2"))
    #expect(try !inner.namespace.pings("\(lan.other.lease.address)"))
    #expect(try inner.namespace.seen(by: "192.0.2.1", port: 8080) == nil)
    #expect(try !lan.other.namespace.pings("\(inner.lease.address)"))
    // Not internal: out, and to the published port, but still not to the other network.
    try second.open(isInternal: false)
    #expect(try inner.namespace.pings("192.0.2.2"))
    #expect(try inner.namespace.seen(by: "192.0.2.1", port: 8080) == "\(inner.lease.address)")
    #expect(try !inner.namespace.pings("\(lan.other.lease.address)"))
    #expect(try !lan.other.namespace.pings("\(inner.lease.address)"))
    // Negative control: the rules are what keeps them apart.
    try lan.host.deleteRules()
    #expect(try inner.namespace.pings("\(lan.other.lease.address)"))
  }

  @Test("Who gets a dead container's address does not get its ports")
  func deadOwner() throws {
    let lan = try Lan(ports: [NetTests.published(8080, 80)])
    let firewall = lan.host.network.firewall
    try lan.host.namespace.inside {
      var heir = try #require(firewall.endpoints().first { $0.owner == "server" })
      heir.owner = "heir"
      heir.ports = []
      #expect(try firewall.add(heir) { $0 != "server" }.notice == nil)
    }
    #expect(try !lan.host.rules().contains("8080"))
    #expect(firewall.endpoints().map(\.owner).sorted() == ["heir", "other"])
  }

  @Test("Networks that follow one another in address are told apart")
  func adjacent() throws {
    let host = try TestHost()
    try host.ensureBridge()
    let firewall = host.network.firewall
    try host.namespace.inside {
      for (name, subnet) in [
        ("one", "198.18.0.0/24"), ("two", "198.18.1.0/24"), ("three", "198.18.2.0/24"),
      ] {
        let subnet = try Subnet(parsing: subnet)
        try firewall.add(
          FirewallNetwork(
            bridge: name, subnet: subnet, gateway: subnet.gateway,
            subnet6: try Subnet6(parsing: "fd00:\(name.count)::/64"))
        ) { _ in true }
      }
      try firewall.removeNetwork(bridge: "two")
    }
    let rules = try host.rules()
    #expect(rules.contains("198.18.0.0/24") && rules.contains("198.18.2.0/24"))
    #expect(!rules.contains("198.18.1.0/24") && rules.contains("fd00:5::/64"))
    // Nothing is left to be put right.
    let before = try host.namespace.command(["nft", "list", "ruleset"])
    try host.namespace.inside { _ = try firewall.check { _ in true } }
    #expect(try host.namespace.command(["nft", "list", "ruleset"]) == before)
  }
}

/// A second bridge network of a host, made by hand.
struct SecondNetwork {
  let host: TestHost
  let bridge: BridgeNetwork

  func open(isInternal: Bool) throws {
    let known = FirewallNetwork(
      bridge: bridge.device, subnet: bridge.subnet, gateway: bridge.gateway, isInternal: isInternal)
    try host.namespace.inside { _ = try host.network.open(known) { _ in true } }
  }

  func container(_ owner: String) throws -> (namespace: TestNamespace, lease: Lease) {
    let inner = try TestNamespace()
    let lease = try host.namespace.inside {
      let number = UInt32(owner.utf8.reduce(0) { $0 &+ $1 } % 200 + 10)
      let lease = Lease(IPv4Address(value: bridge.subnet.base.value + number), in: bridge.subnet)
      try host.network.attach(owner: owner, netns: inner.descriptor, to: bridge, lease: lease)
      try host.network.configure(netns: inner.descriptor, lease: lease)
      try host.network.firewall.add(
        FirewallEndpoint(
          owner: owner, link: NetworkHost.hostLinkName(owner: owner, network: bridge.name),
          bridge: bridge.device,
          mac: lease.mac, address: lease.address)
      ) { _ in true }
      return lease
    }
    return (inner, lease)
  }
}

extension TestHost {
  func secondNetwork(isInternal: Bool) throws -> SecondNetwork {
    let subnet = try Subnet(parsing: "198.18.7.0/24")
    try namespace.command(["ip", "link", "add", "second", "type", "bridge"])
    try namespace.command(["ip", "address", "add", "\(subnet.gateway)/24", "dev", "second"])
    try namespace.command(["ip", "link", "set", "second", "group", "28004", "up"])
    let index = try namespace.inside { Int32(bitPattern: if_nametoindex("second")) }
    let second = SecondNetwork(
      host: self,
      bridge: BridgeNetwork(
        name: "second", device: "second", index: index, subnet: subnet, gateway: subnet.gateway,
        mtu: 1500))
    try second.open(isInternal: isInternal)
    return second
  }
}
