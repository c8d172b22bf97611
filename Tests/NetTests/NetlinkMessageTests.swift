import CMnl
import Linux
import Testing

@testable import Net

/// Messages byte for byte, as a little-endian machine sends them.
@Suite("Netlink messages")
struct NetlinkMessageTests {
  private func bytes(_ build: (inout MessageBatch) -> Void) throws -> [UInt8] {
    var batch = MessageBatch(capacity: 256)
    build(&batch)
    return try batch.finish()
  }

  @Test("Setting a link up is one message with flag and mask")
  func setUp() throws {
    let message = try bytes { LinkMessages.setUp(index: 2, to: &$0) }
    #expect(
      message == [
        32, 0, 0, 0, 16, 0, 5, 0, 0, 0, 0, 0, 0, 0, 0, 0,  // RTM_NEWLINK, REQUEST|ACK
        0, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0,
      ])
  }

  @Test("An address carries prefix, local and broadcast address in network order")
  func address() throws {
    let subnet = try Subnet(parsing: "10.88.0.0/16")
    let address = try #require(IPv4Address("10.88.1.2"))
    let message = try bytes {
      LinkMessages.addAddress(address, in: subnet, index: 7, to: &$0)
    }
    #expect(
      message == [
        48, 0, 0, 0, 20, 0, 5, 6, 0, 0, 0, 0, 0, 0, 0, 0,  // RTM_NEWADDR, CREATE|EXCL
        2, 16, 0, 0, 7, 0, 0, 0,
        8, 0, 2, 0, 10, 88, 1, 2, 8, 0, 1, 0, 10, 88, 1, 2, 8, 0, 4, 0, 10, 88, 255, 255,
      ])
  }

  @Test("A default route has no destination, a gateway and a link")
  func defaultRoute() throws {
    let message = try bytes {
      LinkMessages.addDefaultRoute(
        gateway: IPv4Address(value: 0x0a58_0001), index: 3, to: &$0)
    }
    #expect(
      message == [
        44, 0, 0, 0, 24, 0, 5, 6, 0, 0, 0, 0, 0, 0, 0, 0,
        2, 0, 0, 0, 254, 3, 0, 1, 0, 0, 0, 0,
        8, 0, 5, 0, 10, 88, 0, 1, 8, 0, 4, 0, 3, 0, 0, 0,
      ])
  }

  @Test("The peer of a veth pair is nested with its namespace")
  func vethPair() throws {
    let message = try bytes {
      LinkMessages.addVethPair(
        host: "veth0", peer: "eth0", peerMAC: MACAddress(for: IPv4Address(value: 0x0a58_0102)),
        netns: 9, master: 4, mtu: 1500, group: 7, to: &$0)
    }
    let peer: [UInt8] =
      [76, 0, 1, 128] + [UInt8](repeating: 0, count: 16)
      + [9, 0, 3, 0] + Array("eth0".utf8) + [0, 0, 0, 0]
      + [10, 0, 1, 0, 2, 109, 10, 88, 1, 2, 0, 0]
      + [8, 0, 4, 0, 220, 5, 0, 0, 8, 0, 31, 0, 1, 0, 0, 0, 8, 0, 32, 0, 1, 0, 0, 0]
    let namespace: [UInt8] = [8, 0, 28, 0, 9, 0, 0, 0]
    let nest = message.indices.first { message[$0...].starts(with: peer.dropFirst(4)) }
    let start = try #require(nest)
    #expect(Array(message[(start + 64)...].prefix(8)) == namespace)
    // VETH_INFO_PEER, then above it IFLA_INFO_DATA: lengths and NLA_F_NESTED.
    #expect(Array(message[(start - 8)..<start]) == [80, 0, 2, 128, 76, 0, 1, 128])
  }

  @Test("The messages of a batch follow each other and are numbered")
  func batch() throws {
    var batch = MessageBatch(capacity: 16)
    LinkMessages.setUp(index: 1, to: &batch)
    LinkMessages.get("eth0", to: &batch)
    let numbers = try batch.finish(sequence: 70) { (bytes, acknowledged) throws(Failure) in
      [Int(bytes[8]), Int(bytes[32 + 8]), acknowledged]
    }
    #expect(numbers == [70, 71, 2])
    #expect(batch.count == 2)
  }

  @Test("A set's elements, intervals included, are the keys in network order")
  func setElements() throws {
    func subnets(_ text: String) throws -> [NftElement] {
      let subnet = try Subnet(parsing: text)
      let network = FirewallNetwork(bridge: "b", subnet: subnet, gateway: subnet.gateway)
      return FirewallElements(network).host.filter { $0.set == "subnets4" }
    }
    #expect(
      try subnets("10.88.0.0/16") == [
        NftElement(set: "subnets4", key: [10, 88, 0, 0]),
        NftElement(set: "subnets4", key: [10, 89, 0, 0], endsInterval: true),
      ])
    #expect(
      try subnets("255.0.0.0/8") == [NftElement(set: "subnets4", key: [255, 0, 0, 0])])
    #expect(NftElement.interface("lo") == [108, 111] + [UInt8](repeating: 0, count: 14))
  }

  @Test("A rule is its expressions and a comment that tells them apart")
  func rule() throws {
    let drop = NftRule(chain: "c", comment: "x", expressions: [.drop])
    var batch = MessageBatch()
    let tag = NftMessages.add(drop, to: .inet("t"), in: &batch)
    let message = try batch.finish()
    let expression: [UInt8] =
      [48, 0, 1, 128, 14, 0, 1, 0] + Array("immediate".utf8) + [0, 0, 0]
      + [28, 0, 2, 128, 8, 0, 1, 0, 0, 0, 0, 0]
      + [16, 0, 2, 128, 12, 0, 2, 128, 8, 0, 1, 0, 0, 0, 0, 0]
    #expect(message.indices.contains { message[$0...].starts(with: expression) })
    #expect(message[4] == 6 && message[5] == 10)  // NFT_MSG_NEWRULE of NFNL_SUBSYS_NFTABLES
    #expect(tag.hasPrefix("x #"))
    let accept = NftRule(chain: "c", comment: "x", expressions: [.accept])
    #expect(NftMessages.add(accept, to: .inet("t"), in: &batch) != tag)
    #expect(NftMessages.add(drop, to: .inet("t"), in: &batch) == tag)
  }

  @Test("A payload of more than 65,531 bytes is refused and its length never wraps")
  func sec33_CVE_2021_43784_attribute() throws {
    for count in [65_532, 65_535, 65_536, 70_000, 1 << 20] {
      let payload = [UInt8](repeating: 7, count: count)
      let failure = #expect(throws: Failure.self, "\(count) bytes") {
        try bytes { batch in
          LinkMessages.setUp(index: 1, to: &batch)
          batch.put(1, payload)
        }.count
      }
      #expect(failure?.code == .refused && failure?.reason.contains("\(count) bytes") == true)
    }
    let most = try bytes { batch in
      LinkMessages.setUp(index: 1, to: &batch)
      batch.put(1, [UInt8](repeating: 7, count: 65_531))
    }
    #expect(Array(most[32..<36]) == [255, 255, 1, 0])
    #expect(most.count == 32 + 65_536)
  }

  @Test("Without the check a length wraps and the payload is read as attributes")
  func sec33_CVE_2021_43784_negativeControl() {
    // libmnl's own unchecked function, as a program calls it that narrows without looking.
    var space = [UInt8](repeating: 0, count: 70_000)
    var forged = [UInt8](repeating: 0, count: 65_540)
    forged.replaceSubrange(4..<12, with: [8, 0, 99, 0, 1, 2, 3, 4])
    space.withUnsafeMutableBytes { raw in
      let header = mnl_nlmsg_put_header(raw.baseAddress!)
      mnl_attr_put(header, 1, forged.count, forged)
    }
    #expect(Array(space[16..<20]) == [8, 0, 1, 0])
    #expect(NetlinkAttributes(space[16..<40])[99].map(Array.init) == [1, 2, 3, 4])
  }

  @Test("Attributes that add up to more than a nest can hold are refused")
  func sec33_CVE_2021_43784_nest() throws {
    func nested(_ count: Int) throws -> [UInt8] {
      try bytes { batch in
        LinkMessages.setUp(index: 1, to: &batch)
        batch.nest(5) { nest in
          for _ in 0..<count { nest.put(1, [UInt8](repeating: 1, count: 28)) }
        }
      }
    }
    #expect(try nested(2047).count == 32 + 4 + 2047 * 32)
    let failure = #expect(throws: Failure.self) { try nested(2048) }
    #expect(failure?.code == .refused)
    #expect(failure?.reason.contains("65531") == true)
  }

  @Test("A batch beyond the limit is refused as a whole")
  func limit() throws {
    var batch = MessageBatch()
    for _ in 0..<80 {
      LinkMessages.setUp(index: 1, to: &batch)
      batch.put(1, [UInt8](repeating: 1, count: 60_000))
    }
    var failure: Failure?
    do throws(Failure) { _ = try batch.finish() } catch { failure = error }
    #expect(failure?.code == .refused)
  }
}
