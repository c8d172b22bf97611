import CMnl

/// A table whose chains, sets and rules never change; what changes is in the sets.
struct FixedTable: Sendable {
  let table: NftTable
  let chains: [NftChain]
  let sets: [NftSet]
  let rules: [NftRule]

  /// The chain and tag of each rule, in order.
  var tags: [String] {
    var scratch = MessageBatch(capacity: 8192)
    return rules.map { $0.chain + ": " + NftMessages.add($0, to: table, in: &scratch) }
  }
}

/// The packet rules of one minidock root for what the host routes: a table of its own, so that nothing
/// of the host's is touched and everything goes with one deletion.
///
///     prerouting  raw     between two containers of a network: accept untracked
///                         from lo: accept
///                         from or to 127.0.0.0/8 (not on lo): drop
///                         to our subnets, from no minidock bridge: drop
///     dstnat      nat     to an address of the host: look the port up, send it to its container
///     output      nat     the same for the host's own connections, but for those to [::1]
///     forward     filter  from and to the same bridge: accept
///                         from or to internal networks: drop
///     inward              to our bridges: accept answers and published ports, drop the rest
///     outward             from our bridges: drop foreign source addresses, and what is new to another
///                         engine's bridges but for its published ports; accept the rest
///                         from or to another engine's bridges: accept
///                         neither from nor to any minidock bridge: drop, if `closed`
///     postrouting srcnat  from our subnets, to no minidock bridge: masquerade
///                         to a published port of the own network, or from 127.0.0.0/8: masquerade
///
/// Raw prerouting comes before connection tracking: a packet with a container's address as
/// destination can there only come from somebody who routes straight to it (CVE-2025-54388);
/// answers to masqueraded connections and packets to published ports still bear the host's address
/// at that point. For the same reason a port that is published on 127.0.0.1 is out of reach from
/// outside: nothing with such an address gets past this chain.
///
/// What containers of one network send one another is nobody's to translate or to answer for: it is left
/// out of connection tracking, which costs more than all rules. (Where br_netfilter is loaded, frames of a
/// bridge pass these chains.) A packet to the gateway is none of these, as it may be an answer to a
/// published port's masqueraded client.
///
/// A container that connects to a published port of its own network by the host's address is given
/// the gateway's address as source, or the answer would go straight to it, from an address that it
/// has never asked. So is the host when it connects from a loopback address, which cannot leave it.
/// All others keep theirs.
///
/// `closed` is the decision on forwarding. Containers need `net.ipv4.ip_forward`, which turns the
/// whole host into a router between all its networks. Where it was on, the administrator wants that,
/// and minidock forbids nothing. Where minidock itself had to turn it on, the last forward rule keeps
/// the host as closed as it was (docker sets the policy of the FORWARD chain to DROP, for the same
/// reason). The bridges of other engines on the same host, told by their names, are left to those.
///
/// All minidock bridges, of whatever root, bear one link group, which that rule spares, and so do the
/// rules that go by subnets: the table of a root that was deleted with a subnet of its own left in it
/// must not stop the root that has chosen that subnet since. What comes from another root's bridge is
/// kept out by the forward chain, which goes by the names of the bridges.
enum HostRules {
  /// The link group of all bridges that minidock makes: "md" in ASCII.
  static let linkGroup: UInt32 = 0x6d64

  static func table(_ name: String) -> FixedTable {
    FixedTable(
      table: .inet(name), chains: chains, sets: sets,
      rules: prerouting + publishing + forward + postrouting)
  }

  static let chains: [NftChain] = {
    func chain(_ name: String, _ type: String, _ hook: nf_inet_hooks, _ priority: Int32)
      -> NftChain
    {
      NftChain(
        name: name, hook: .init(type: type, number: hook.rawValue, priority: priority))
    }
    return [
      NftChain(name: "publish", hook: nil),
      NftChain(name: "inward", hook: nil),
      NftChain(name: "outward", hook: nil),
      chain("prerouting", "filter", NF_INET_PRE_ROUTING, -300),
      chain("dstnat", "nat", NF_INET_PRE_ROUTING, -100),
      chain("output", "nat", NF_INET_LOCAL_OUT, -100),
      chain("forward", "filter", NF_INET_FORWARD, 0),
      chain("postrouting", "nat", NF_INET_POST_ROUTING, 100),
    ]
  }()

  static let sets: [NftSet] = {
    typealias Number = NftSet.TypeNumber
    let port4 = Number.joined(Number.address, Number.port)
    let port6 = Number.joined(Number.address6, Number.port)
    let service = Number.joined(Number.transport, Number.port)
    func at(_ address: UInt32) -> UInt32 { address << 12 | service }
    return [
      NftSet(name: "generation", keyType: Number.mark, keyLength: 4),
      NftSet(name: "bridges", keyType: Number.interface, keyLength: 16),
      NftSet(name: "internal", keyType: Number.interface, keyLength: 16),
      NftSet(
        name: "same_bridge", keyType: Number.joined(Number.interface, Number.interface),
        keyLength: 32),
      NftSet(
        name: "neighbours4", keyType: Number.joined(Number.interface, Number.address),
        keyLength: 20),
      NftSet(
        name: "neighbours6", keyType: Number.joined(Number.interface, Number.address6),
        keyLength: 32),
      NftSet(name: "subnets4", keyType: Number.address, keyLength: 4, isInterval: true),
      NftSet(name: "subnets6", keyType: Number.address6, keyLength: 16, isInterval: true),
      NftSet(name: "closed", keyType: Number.protocolFamily, keyLength: 1),
      NftSet(name: "ports4", keyType: service, keyLength: 8, dataType: port4, dataLength: 8),
      NftSet(
        name: "ports4_at", keyType: at(Number.address), keyLength: 12, dataType: port4,
        dataLength: 8),
      NftSet(name: "ports6", keyType: service, keyLength: 8, dataType: port6, dataLength: 20),
      NftSet(
        name: "ports6_at", keyType: at(Number.address6), keyLength: 24, dataType: port6,
        dataLength: 20),
    ]
  }()

  // NFPROTO_IPV4 and NFPROTO_IPV6 of linux/netfilter.h.
  private static let isIPv4: [NftExpression] = [.meta(NFT_META_NFPROTO), .compare(NFT_CMP_EQ, [2])]
  private static let isIPv6: [NftExpression] = [
    .meta(NFT_META_NFPROTO), .compare(NFT_CMP_EQ, [10]),
  ]
  private static let input = NftExpression.meta(NFT_META_IIFNAME)
  private static let output = NftExpression.meta(NFT_META_OIFNAME)
  private static let source4 = NftExpression.network(12, 4)
  private static let destination4 = NftExpression.network(16, 4)
  private static let source6 = NftExpression.network(8, 16)
  private static let destination6 = NftExpression.network(24, 16)
  private static let withinBridge: [NftExpression] = [
    input, .meta(NFT_META_OIFNAME, into: 4), .lookup("same_bridge"),
  ]
  // A link that no minidock made.
  private static func isForeign(_ group: nft_meta_keys) -> [NftExpression] {
    [.meta(group), .compare(NFT_CMP_NEQ, number: linkGroup)]
  }
  private static let fromOutside =
    [input, .lookup("bridges", not: true)] + isForeign(NFT_META_IIFGROUP)
  // IPS_DST_NAT of linux/netfilter/nf_conntrack_common.h.
  private static let isPublished: [NftExpression] = [
    .connection(NFT_CT_STATUS), .and(1 << 5), .compare(NFT_CMP_NEQ, number: 0),
  ]

  // Established and related, as bits of the connection's state.
  private static let isAnswer: [NftExpression] = [
    .connection(NFT_CT_STATE), .and(1 << 1 | 1 << 2), .compare(NFT_CMP_NEQ, number: 0),
  ]
  private static let loopback6 = [UInt8](repeating: 0, count: 15) + [1]

  private static func rules(
    _ chain: String, _ list: [(String, [NftExpression])]
  ) -> [NftRule] {
    list.map { NftRule(chain: chain, comment: $0.0, expressions: $0.1) }
  }

  /// How the names of other engines' bridges begin: docker's and nerdctl's, podman's, CNI's, libvirt's,
  /// LXC's, LXD's and Incus's. They count on forwarding too, and have rules of their own.
  private static let engines = [
    "docker", "br-", "nerdctl", "podman", "cni", "virbr", "lxcbr", "lxdbr", "incusbr",
  ]

  private static let prerouting = rules(
    "prerouting",
    [
      (
        "between neighbours",
        isIPv4 + [input, .network(16, 4, into: 4), .lookup("neighbours4"), .untracked, .accept]
      ),
      (
        "between neighbours",
        isIPv6 + [input, .network(24, 16, into: 4), .lookup("neighbours6"), .untracked, .accept]
      ),
      ("the host itself", [input, .compare(NFT_CMP_EQ, NftElement.interface("lo")), .accept]),
      (
        "to loopback addresses from outside",
        isIPv4 + [.network(16, 1), .compare(NFT_CMP_EQ, [127]), .drop]
      ),
      (
        "from loopback addresses outside",
        isIPv4 + [.network(12, 1), .compare(NFT_CMP_EQ, [127]), .drop]
      ),
      (
        "straight to a container from outside",
        isIPv4 + [destination4, .lookup("subnets4")] + fromOutside + [.drop]
      ),
      (
        "straight to a container from outside",
        isIPv6 + [destination6, .lookup("subnets6")] + fromOutside + [.drop]
      ),
    ])

  private static var publishing: [NftRule] {
    let toHost: [NftExpression] = [
      .destinationType, .compare(NFT_CMP_EQ, number: 2), .jump("publish"),
    ]
    func service(_ word: UInt32) -> [NftExpression] {
      [.meta(NFT_META_L4PROTO, into: word), .transport(2, 2, into: word + 1)]
    }
    // No answer from another link comes back to ::1; the port's owner hears what is sent there
    // (`LoopbackRelay`).
    let isLoopback6 = isIPv6 + [destination6, .compare(NFT_CMP_EQ, loopback6)]
    return rules("dstnat", [("to the host", toHost)])
      + rules("output", [("within the host", isLoopback6 + [.accept]), ("to the host", toHost)])
      + rules(
        "publish",
        [
          (
            "port of one address",
            isIPv4 + [destination4] + service(1) + [
              .lookup("ports4_at", into: 8), .destination(family: 2, address: 8, port: 9),
            ]
          ),
          (
            "port of all addresses",
            isIPv4 + service(0) + [
              .lookup("ports4", into: 8), .destination(family: 2, address: 8, port: 9),
            ]
          ),
          (
            "port of one address",
            isIPv6 + [destination6] + service(4) + [
              .lookup("ports6_at", into: 8), .destination(family: 10, address: 8, port: 12),
            ]
          ),
          (
            "port of all addresses",
            isIPv6 + service(0) + [
              .lookup("ports6", into: 8), .destination(family: 10, address: 8, port: 12),
            ]
          ),
        ])
  }

  private static var forward: [NftRule] {
    rules(
      "forward",
      [
        ("within one network", withinBridge + [.accept]),
        ("out of an internal network", [input, .lookup("internal"), .drop]),
        ("into an internal network", [output, .lookup("internal"), .drop]),
        ("in", [output, .lookup("bridges"), .jump("inward")]),
        ("out", [input, .lookup("bridges"), .jump("outward")]),
      ]
        + engines.flatMap { prefix in
          [input, output].map { link in
            (
              "another engine's \(prefix)*",
              [link, .compare(NFT_CMP_EQ, Array(prefix.utf8)), .accept]
            )
          }
        } + [
          (
            "host was no router",
            [
              .meta(NFT_META_NFPROTO), .lookup("closed"),
            ] + isForeign(NFT_META_IIFGROUP) + isForeign(NFT_META_OIFGROUP) + [.drop]
          )
        ])
      + rules(
        "inward",
        [
          ("answers", isAnswer + [.accept]),
          ("published ports", isPublished + [.accept]),
          ("new from outside", [.drop]),
        ])
      + rules(
        "outward",
        [
          ("forged source address", isIPv4 + [source4, .lookup("subnets4", not: true), .drop]),
          ("forged source address", isIPv6 + [source6, .lookup("subnets6", not: true), .drop]),
          ("answers", isAnswer + [.accept]),
          ("published ports", isPublished + [.accept]),
        ]
          // They keep strangers out of their networks by a policy that minidock's rules in DOCKER-USER
          // overrule.
          + engines.map { prefix in
            (
              "into another engine's \(prefix)*",
              [output, .compare(NFT_CMP_EQ, Array(prefix.utf8)), .drop]
            )
          } + [("all else", [.accept])])
  }

  private static var postrouting: [NftRule] {
    let outward: [NftExpression] =
      [output, .lookup("bridges", not: true)] + isForeign(NFT_META_OIFGROUP) + [.masquerade]
    let inward: [NftExpression] = [output, .lookup("bridges"), .masquerade]
    // Where br_netfilter is loaded, packets to a published port of the own network stay frames of the
    // bridge, and have no incoming link here.
    let bridged: [NftExpression] = [
      input, .compare(NFT_CMP_EQ, NftElement.interface("")), output, .lookup("bridges"),
    ]
    return rules(
      "postrouting",
      [
        ("out as the host", isIPv4 + [source4, .lookup("subnets4")] + outward),
        ("out as the host", isIPv6 + [source6, .lookup("subnets6")] + outward),
        ("published port of the own network", withinBridge + isPublished + [.masquerade]),
        (
          "published port of the own network, bridged",
          bridged + isIPv4 + [source4, .lookup("subnets4")] + isPublished + [.masquerade]
        ),
        (
          "published port of the own network, bridged",
          bridged + isIPv6 + [source6, .lookup("subnets6")] + isPublished + [.masquerade]
        ),
        (
          "from the host's loopback",
          isIPv4 + [.network(12, 1), .compare(NFT_CMP_EQ, [127])] + inward
        ),
      ])
  }
}
