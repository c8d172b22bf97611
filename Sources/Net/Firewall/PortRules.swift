import CMnl

/// The packet rules of one minidock root for the ports of its bridges: a container speaks with its own
/// addresses only, whatever rights it has inside.
///
/// Every veth of the root's containers is in a link group of the root's own. A frame from one of these
/// passes when the set has it: link, Ethernet source and IP source of IPv4 and IPv6, sender of ARP (in
/// the frame and in the message), and target of a neighbour advertisement. Router advertisements and
/// everything that is none of these protocols are dropped; so is all from a link without entries.
/// Frames of other bridges and links are not looked at.
enum PortRules {
  static func table(_ name: String, group: UInt32) -> FixedTable {
    typealias Number = NftSet.TypeNumber
    let port = Number.joined(Number.interface, Number.ethernet)
    return FixedTable(
      table: .bridge(name),
      chains: [
        // NF_BR_PRE_ROUTING, before anything else.
        NftChain(name: "prerouting", hook: .init(type: "filter", number: 0, priority: -300))
      ],
      sets: [
        NftSet(name: "addresses4", keyType: port << 6 | Number.address, keyLength: 28),
        NftSet(name: "addresses6", keyType: port << 6 | Number.address6, keyLength: 40),
      ],
      rules: rules(group).map {
        NftRule(chain: "prerouting", comment: $0.0, expressions: $0.1)
      })
  }

  private static func rules(_ group: UInt32) -> [(String, [NftExpression])] {
    let link = NftExpression.meta(NFT_META_IIFNAME)
    let ethernetSource = NftExpression.payload(NFT_PAYLOAD_LL_HEADER, 6, 6, into: 4)
    func isProtocol(_ number: UInt16) -> [NftExpression] {
      [
        .meta(NFT_META_PROTOCOL),
        .compare(NFT_CMP_EQ, [UInt8(number >> 8), UInt8(number & 255)]),
      ]
    }
    func isMessage(_ type: UInt8) -> [NftExpression] {
      isProtocol(0x86dd) + [
        .meta(NFT_META_L4PROTO), .compare(NFT_CMP_EQ, [58]),
        .transport(0, 1), .compare(NFT_CMP_EQ, [type]),
      ]
    }
    return [
      (
        "not from a container",
        [.meta(NFT_META_IIFGROUP), .compare(NFT_CMP_NEQ, number: group), .accept]
      ),
      (
        "IPv4 of its own",
        isProtocol(0x0800) + [
          link, ethernetSource, .network(12, 4, into: 6), .lookup("addresses4"), .accept,
        ]
      ),
      (
        "ARP of its own",
        isProtocol(0x0806) + [
          link, ethernetSource, .network(14, 4, into: 6), .lookup("addresses4"),
          .network(8, 6, into: 4), .lookup("addresses4"), .accept,
        ]
      ),
      ("router advertisement", isMessage(134) + [.drop]),
      (
        "advertisement of another's address",
        isMessage(136) + [
          link, ethernetSource, .transport(8, 16, into: 6), .lookup("addresses6", not: true),
          .drop,
        ]
      ),
      (
        "IPv6 of its own",
        isProtocol(0x86dd) + [
          link, ethernetSource, .network(8, 16, into: 6), .lookup("addresses6"), .accept,
        ]
      ),
      ("all else", [.drop]),
    ]
  }
}
