import CMnl
import Linux

/// Leads what a container asks at port 53 of ``NameServer/address`` to the port at which its name server
/// really listens, and has the answers come from port 53: so that the container's own programs, a name server
/// among them, can have that port at all their addresses.
///
/// Two rules a transport, in the container's network namespace, that write ports into the packets as they
/// leave. Nothing is translated by connection: tracking, which that would bring about for all of the
/// container's packets, costs more than these rules.
struct NamePorts {
  /// Where the name server listens.
  let datagrams: UInt16
  let listener: UInt16

  private static let table = NftTable.ip("minidock-names")
  private static let chain = "output"
  private static let wellKnown: UInt16 = 53

  /// Puts the rules in place, in the socket's network namespace.
  ///
  /// - Throws: the kernel's refusal; nothing has changed then.
  func install(_ netfilter: inout NetlinkSocket) throws(Failure) {
    var batch = MessageBatch()
    NftMessages.transaction(to: &batch) { batch in
      NftMessages.add(NamePorts.table, to: &batch)
      // Before everything else, connection tracking included.
      NftMessages.add(
        NftChain(
          name: NamePorts.chain,
          hook: .init(type: "filter", number: NF_INET_LOCAL_OUT.rawValue, priority: -300)),
        to: NamePorts.table, in: &batch)
      // IPPROTO_UDP and IPPROTO_TCP, with where their headers have the checksum.
      for rule in rules(17, checksum: 6, datagrams) + rules(6, checksum: 16, listener) {
        NftMessages.add(rule, to: NamePorts.table, in: &batch)
      }
    }
    try netfilter.exchange(&batch, "add packet rules", "of the name server")
  }

  private func rules(_ transport: UInt8, checksum: UInt32, _ port: UInt16) -> [NftRule] {
    // The source address and port begin their headers, the destination's follow them.
    func rule(
      _ comment: String, _ address: UInt32, _ place: UInt32, from: UInt16, to: UInt16
    ) -> NftRule {
      NftRule(
        chain: NamePorts.chain, comment: comment,
        expressions: [
          .meta(NFT_META_OIFNAME), .compare(NFT_CMP_EQ, NftElement.interface("lo")),
          .meta(NFT_META_L4PROTO), .compare(NFT_CMP_EQ, [transport]),
          .network(address, 4), .compare(NFT_CMP_EQ, [127, 0, 0, 11]),
          .transport(place, 2), .compare(NFT_CMP_EQ, NamePorts.bytes(from)),
          .set(NamePorts.bytes(to)), .write(place, 2, checksum: checksum),
        ])
    }
    return [
      rule("question", 16, 2, from: NamePorts.wellKnown, to: port),
      rule("answer", 12, 0, from: port, to: NamePorts.wellKnown),
    ]
  }

  private static func bytes(_ port: UInt16) -> [UInt8] { [UInt8(port >> 8), UInt8(port & 255)] }
}
