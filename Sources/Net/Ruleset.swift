import CMnl

/// The packet rules of one minidock root: a table of its own, so that nothing of the host's is
/// touched and everything goes with one deletion. Networks are in sets; the rules never change with
/// them. (Published ports will be maps beside the sets, from protocol and port to address and port,
/// with a `dstnat` chain that looks them up; user networks are further elements of the sets.)
///
///     prerouting  raw     from lo: accept
///                         to 127.0.0.0/8 (not from lo): drop
///                         to our subnets, not from our bridges: drop
///     forward     filter  from and to the same bridge: accept
///                         to our bridges: accept answers and port-forwarded, drop the rest
///                         from our bridges: drop foreign source addresses, accept the rest
///                         neither from nor to any minidock bridge: drop, if `isClosed`
///     postrouting srcnat  from our subnets, not to our bridges: masquerade
///
/// Raw prerouting comes before connection tracking: a packet with a container's address as
/// destination can there only come from somebody who routes straight to it (CVE-2025-54388);
/// answers to masqueraded connections and to published ports still bear the host's address at that
/// point.
///
/// `isClosed` is the decision on IPv4 forwarding. Containers need `net.ipv4.ip_forward`, which
/// turns the whole host into a router between all its networks. Where it was on, the administrator
/// wants that, and minidock forbids nothing. Where minidock itself had to turn it on, the last
/// forward rule keeps the host as closed as it was: what neither comes from nor goes to a minidock
/// bridge is dropped (docker sets the policy of the FORWARD chain to DROP, for the same reason).
/// All minidock bridges, of whatever root, bear one link group, which that rule spares. Who later
/// wants the host to route turns ip_forward on before minidock does (sysctl.d): then there is no
/// such rule.
struct Ruleset: Sendable {
  let table: String
  let subnets: [Subnet]
  let bridges: [String]
  let isClosed: Bool

  /// The link group of all bridges that minidock makes: "md" in ASCII.
  static let linkGroup: UInt32 = 0x6d64

  var chains: [NftChain] {
    [
      NftChain(name: "prerouting", type: "filter", hook: NF_INET_PRE_ROUTING, priority: -300),
      NftChain(name: "forward", type: "filter", hook: NF_INET_FORWARD, priority: 0),
      NftChain(name: "postrouting", type: "nat", hook: NF_INET_POST_ROUTING, priority: 100),
    ]
  }

  var sets: [NftSet] {
    [
      .networks("subnets", subnets),
      .interfaces("bridges", bridges),
      .interfacePairs("same_bridge", bridges.map { ($0, $0) }),
    ]
  }

  var rules: [NftRule] { prerouting + forward + postrouting }

  private var prerouting: [NftRule] {
    let loopback = NftSet.interfaceKey("lo")
    return [
      NftRule(
        chain: "prerouting", comment: "the host itself",
        expressions: [.meta(NFT_META_IIFNAME), .compare(NFT_CMP_EQ, loopback), .accept]),
      NftRule(
        chain: "prerouting", comment: "loopback addresses from outside",
        expressions: [
          .networkHeader(offset: 16, length: 1), .compare(NFT_CMP_EQ, [127]), .drop,
        ]),
      NftRule(
        chain: "prerouting", comment: "straight to a container from outside",
        expressions: [
          .destinationAddress, .lookup("subnets"),
          .meta(NFT_META_IIFNAME), .lookup("bridges", not: true), .drop,
        ]),
    ]
  }

  private var forward: [NftRule] {
    let input = NftExpression.meta(NFT_META_IIFNAME)
    let output = NftExpression.meta(NFT_META_OIFNAME)
    let established: UInt32 = 1 << 1
    let related: UInt32 = 1 << 2
    let destinationTranslated: UInt32 = 1 << 5
    func rule(_ comment: String, _ expressions: [NftExpression]) -> NftRule {
      NftRule(chain: "forward", comment: comment, expressions: expressions)
    }
    var rules = [
      rule(
        "within one network",
        [
          input, .meta(NFT_META_OIFNAME, register: NFT_REG_2), .lookup("same_bridge"), .accept,
        ]),
      rule(
        "answers",
        [
          output, .lookup("bridges"), .connection(NFT_CT_STATE), .and(established | related),
          .compare(NFT_CMP_NEQ, number: 0), .accept,
        ]),
      rule(
        "published ports",
        [
          output, .lookup("bridges"), .connection(NFT_CT_STATUS), .and(destinationTranslated),
          .compare(NFT_CMP_NEQ, number: 0), .accept,
        ]),
      rule("new from outside", [output, .lookup("bridges"), .drop]),
      rule(
        "forged source address",
        [
          input, .lookup("bridges"), .sourceAddress, .lookup("subnets", not: true), .drop,
        ]),
      rule("out", [input, .lookup("bridges"), .accept]),
    ]
    if isClosed {
      rules.append(
        rule(
          "host was no router",
          [
            .meta(NFT_META_IIFGROUP), .compare(NFT_CMP_NEQ, number: Ruleset.linkGroup),
            .meta(NFT_META_OIFGROUP), .compare(NFT_CMP_NEQ, number: Ruleset.linkGroup), .drop,
          ]))
    }
    return rules
  }

  private var postrouting: [NftRule] {
    [
      NftRule(
        chain: "postrouting", comment: "out as the host",
        expressions: [
          .sourceAddress, .lookup("subnets"),
          .meta(NFT_META_OIFNAME), .lookup("bridges", not: true), .masquerade,
        ])
    ]
  }
}
