import Linux
import Testing

@testable import Net

@Suite("Addresses and subnets")
struct SubnetTests {
  @Test("Addresses of four decimal octets are read and printed alike")
  func addresses() {
    for text in ["0.0.0.0", "10.88.0.1", "255.255.255.255", "127.0.0.1"] {
      #expect(IPv4Address(text)?.description == text)
    }
  }

  @Test(
    "Whatever another program might read as another address is none",
    arguments: [
      "", "10", "10.88.1", "10.88.0.1.", ".10.88.0.1", "10..0.1", "010.88.0.1", "10.88.0.256",
      "10.88.0.01", "+1.2.3.4", " 1.2.3.4", "1.2.3.4 ", "1.2.3.4/8", "0x0a.1.1.1", "1.2.3.4.5",
      "１.2.3.4", "1.2.3.9999999999",
    ])
  func noAddress(_ text: String) { #expect(IPv4Address(text) == nil) }

  @Test("A subnet knows its ends, gateway and size")
  func subnet() throws {
    let subnet = try Subnet(parsing: "10.88.0.0/16")
    #expect(subnet.description == "10.88.0.0/16")
    #expect(subnet.gateway.description == "10.88.0.1")
    #expect(subnet.last.description == "10.88.255.255")
    #expect(subnet.leasable == 65_533)
    #expect(try Subnet(parsing: "10.0.0.0/30").leasable == 1)
    #expect(try Subnet(parsing: "10.0.0.0/31").leasable == 0)
    #expect(try Subnet(parsing: "0.0.0.0/0").last.description == "255.255.255.255")
  }

  @Test(
    "A malformed subnet is refused with a remedy",
    arguments: [
      "10.88.0.0", "10.88.0.0/", "10.88.0.0/33", "10.88.0.0/-1", "10.88.0.0/016", "10.88.0.1/16",
      "10.88.0.0/16/1", "/16", "10.88.0.0/1 6", "10.88.0.0/+8",
    ])
  func noSubnet(_ text: String) {
    let failure = #expect(throws: Failure.self) { try Subnet(parsing: text) }
    #expect(failure?.code == .invalid)
    #expect(failure?.remedy.isEmpty == false)
  }

  @Test(
    "Overlap is symmetric and exact",
    arguments: [
      ("10.88.0.0/16", "10.88.255.0/24", true), ("10.88.0.0/16", "10.89.0.0/16", false),
      ("10.0.0.0/8", "10.88.0.0/16", true), ("0.0.0.0/0", "10.88.0.0/16", true),
      ("10.88.0.0/17", "10.88.128.0/17", false), ("1.2.3.4/32", "1.2.3.4/32", true),
      ("1.2.3.4/32", "1.2.3.5/32", false),
    ])
  func overlap(_ a: String, _ b: String, _ expected: Bool) throws {
    let (first, second) = (try Subnet(parsing: a), try Subnet(parsing: b))
    #expect(first.overlaps(second) == expected)
    #expect(second.overlaps(first) == expected)
  }

  @Test("Containment ends at the edges")
  func containment() throws {
    let subnet = try Subnet(parsing: "10.88.4.0/22")
    for (text, expected) in [
      ("10.88.3.255", false), ("10.88.4.0", true), ("10.88.7.255", true), ("10.88.8.0", false),
    ] {
      #expect(subnet.contains(try #require(IPv4Address(text))) == expected, "\(text)")
    }
  }

  @Test("A hardware address follows from the address and is local and unicast")
  func hardwareAddress() throws {
    let mac = MACAddress(for: try #require(IPv4Address("10.88.1.255")))
    #expect(mac.description == "02:6d:0a:58:01:ff")
    #expect(mac.bytes[0] & 3 == 2)
  }

  @Test("A link name comes from the id, fits, and does not depend on its form")
  func linkNames() {
    let id = String(repeating: "0123456789abcdef", count: 4)
    #expect(NetworkHost.hostLinkName(owner: id) == "veth0123456789a")
    for owner in ["a", "Web-Server_1.example", "x/y", ""] {
      let name = NetworkHost.hostLinkName(owner: owner)
      #expect(name.utf8.count == 15 && !name.contains("/"), "\(name)")
    }
    #expect(NetworkHost.hostLinkName(owner: "a") != NetworkHost.hostLinkName(owner: "b"))
  }
}

@Suite("Choice of a subnet")
struct SubnetChoiceTests {
  @Test("The first choice is 10.88.0.0/16, and all choices are apart")
  func candidates() throws {
    #expect(
      try SubnetChoice.choose(start: 0, taken: [], network: "bridge").description == "10.88.0.0/16")
    let all = SubnetChoice.candidates
    for (index, candidate) in all.enumerated() {
      #expect(!all[(index + 1)...].contains { $0.overlaps(candidate) })
      #expect(try Subnet(parsing: "\(candidate)") == candidate)
    }
  }

  @Test("What the host uses is left out, whatever its size")
  func taken() throws {
    let taken = try ["10.88.3.0/24", "10.89.0.0/16", "10.90.0.0/15"].map {
      try Subnet(parsing: $0)
    }
    #expect(
      try SubnetChoice.choose(start: 0, taken: taken, network: "b").description == "10.92.0.0/16")
    let vpn = [try Subnet(parsing: "10.0.0.0/8")]
    #expect(
      try SubnetChoice.choose(start: 0, taken: vpn, network: "b").description == "172.20.0.0/16")
  }

  @Test("The search goes round from where it starts")
  func start() throws {
    let last = SubnetChoice.candidates.count - 1
    let taken = [SubnetChoice.candidates[last]]
    #expect(
      try SubnetChoice.choose(start: last, taken: taken, network: "b").base.value >> 16 == 0x0a58)
  }

  @Test("When nothing is free the failure says what to do")
  func exhausted() throws {
    let everything = [try Subnet(parsing: "0.0.0.0/0")]
    let failure = #expect(throws: Failure.self) {
      try SubnetChoice.choose(start: 5, taken: everything, network: "bridge")
    }
    #expect(failure?.code == .refused)
    #expect(failure?.remedy.isEmpty == false)
  }

  @Test("Default routes, also in halves, and the bridge's own entries do not count")
  func filtering() throws {
    let routes = try [("0.0.0.0/0", 2), ("0.0.0.0/1", 3), ("10.5.0.0/16", 2), ("10.6.0.0/16", 9)]
      .map { Route(destination: try Subnet(parsing: $0.0), index: Int32($0.1), source: nil) }
    let addresses = try [("127.0.0.1", "127.0.0.0/8", 1), ("10.6.0.1", "10.6.0.0/16", 9)]
      .map {
        LinkAddress(
          index: Int32($0.2), address: try #require(IPv4Address($0.0)),
          subnet: try Subnet(parsing: $0.1))
      }
    let taken = SubnetChoice.taken(addresses: addresses, routes: routes, own: 9)
    #expect(taken.map(\.description) == ["10.5.0.0/16"])
  }
}
