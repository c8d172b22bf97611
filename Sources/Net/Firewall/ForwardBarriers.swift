import CMnl
import Linux

/// What other programs' packet rules do to the packets of minidock's networks.
///
/// A packet is forwarded when each table's chain lets it pass: minidock's own cannot overrule another
/// one's refusal. dockerd sets the policy of the FORWARD chain to DROP, and has a chain for what others
/// want to let pass, `DOCKER-USER`: there go two rules, from and to the link group of minidock's bridges,
/// for which minidock's own forward chain decides. In whatever else refuses by default (firewalld, an
/// administrator's own table) minidock changes nothing, and says what does, and how to let them pass.
struct ForwardBarriers: Sendable {
  /// Families (NFPROTO_*) whose `DOCKER-USER` lacks the two rules.
  var openings: [UInt8] = []
  /// Chains that refuse what they have no rule for, and have none for these networks' bridges.
  var refusals: [Refusal] = []

  /// A chain that refuses by default.
  struct Refusal: Sendable, Equatable {
    let chain: ForeignChain
    /// A bridge that no rule of the chain's table names.
    let bridge: String

    /// What the user is told.
    var notice: String {
      let way: String
      if chain.table == "firewalld" {
        way = "firewall-cmd --zone=trusted --change-interface=\(bridge), and again with --permanent"
      } else if chain.name == "FORWARD" && chain.table == "filter" {
        let program = chain.family == 2 ? "iptables" : "ip6tables"
        let rule = "\(program) -I FORWARD -m devgroup"
        way =
          "\(rule) --src-group \(ForwardBarriers.group) -j ACCEPT and "
          + "\(rule) --dst-group \(ForwardBarriers.group) -j ACCEPT"
      } else {
        let rule = "nft insert rule \(chain)"
        way =
          "\(rule) iifgroup \(ForwardBarriers.group) accept and \(rule) oifgroup "
          + "\(ForwardBarriers.group) accept"
      }
      return "containers on \(bridge) reach nothing outside: the packet rules of another program "
        + "(\(chain)) refuse what they do not name; to let them out: \(way)"
    }
  }

  static let group = "0x" + String(HostRules.linkGroup, radix: 16)
  static let dockerNotice =
    "docker's packet rules refuse what others forward: let minidock's networks pass in its chain "
    + "DOCKER-USER"

  /// What the user is told; nil when nothing is in the way.
  var notice: String? {
    let lines = (openings.isEmpty ? [] : [ForwardBarriers.dockerNotice]) + refusals.map(\.notice)
    return lines.isEmpty ? nil : lines.joined(separator: "; ")
  }

  /// Appends the rules that are lacking.
  func put(to batch: inout MessageBatch) {
    for family in openings {
      let table = NftTable(family: family, name: "filter")
      for isSource in [false, true] {
        NftMessages.add(
          NftRule(
            chain: "DOCKER-USER", comment: "minidock",
            expressions: [.linkGroup(HostRules.linkGroup, isSource: isSource), .accept]),
          to: table, isFirst: true, in: &batch)
      }
    }
  }

  /// Whether a rule has to do with a bridge: names it, its link group, or its subnet.
  static func mentions(_ rule: NetlinkAttributes, _ network: FirewallNetwork) -> Bool {
    let name = Array(network.bridge.utf8)
    let octets = network.subnet.base.octets
    let group = withUnsafeBytes(of: HostRules.linkGroup) { [UInt8]($0) }
    // A whole name, one that ends in *, a link group; an address or its first whole bytes.
    let known = [
      NftElement.interface(network.bridge), name, group, octets,
      Array(octets.prefix(network.subnet.length / 8)),
    ]
    for item in rule.nest(NFTA_RULE_EXPRESSIONS.code)?.all(NFTA_LIST_ELEM.code) ?? [] {
      let element = NetlinkAttributes(item)
      let data = element.nest(NFTA_EXPR_DATA.code)
      switch element.text(NFTA_EXPR_NAME.code) {
      case "cmp":
        let value = data?.nest(NFTA_CMP_DATA.code)?[NFTA_DATA_VALUE.code].map(Array.init)
        if let value, known.contains(value) { return true }
      case "match":
        if data?.text(NFTA_MATCH_NAME.code) == "devgroup",
          let info = data?[NFTA_MATCH_INFO.code], Array(info).contains(group)
        {
          return true
        }
      default: break
      }
    }
    return false
  }
}

extension [UInt8] {
  fileprivate func contains(_ part: [UInt8]) -> Bool {
    indices.contains { self[$0...].starts(with: part) }
  }
}

/// A base chain of another program at the hook of forwarded packets.
struct ForeignChain: Sendable, Equatable, CustomStringConvertible {
  let family: UInt8
  let table: String
  let name: String
  /// Whether it refuses what its rules do not accept.
  let refuses: Bool

  /// "ip filter FORWARD", as nft(8) writes it.
  var description: String {
    let families: [UInt8: String] = [1: "inet", 2: "ip", 10: "ip6"]
    return "\(families[family] ?? "\(family)") \(table) \(name)"
  }
}

extension NetlinkConnection where Transport: ~Copyable {
  /// What is in the way of these networks' packets.
  ///
  /// - Parameter opensDocker: false where the kernel refuses the rules for `DOCKER-USER`.
  mutating func barriers(
    _ networks: [FirewallNetwork], opensDocker: Bool
  ) throws(Failure) -> ForwardBarriers {
    var found = ForwardBarriers()
    let outward = networks.filter { !$0.isInternal }
    guard !outward.isEmpty else { return found }
    let replies = try dump("list", "chains of packet rules") { NftMessages.dumpChains(to: &$0) }
    var docker: [UInt8] = []
    var chains: [ForeignChain] = []
    for reply in replies {
      let attributes = reply.attributes(after: nfgenmsg.self)
      guard let family = reply.fixed(nfgenmsg.self)?.nfgen_family,
        let table = attributes.text(NFTA_CHAIN_TABLE.code), !table.hasPrefix("minidock"),
        let name = attributes.text(NFTA_CHAIN_NAME.code), [1, 2, 10].contains(family)
      else { continue }
      if table == "filter" && name == "DOCKER-USER" { docker.append(family) }
      let hook = attributes.nest(NFTA_CHAIN_HOOK.code)?
        .bigEndian(NFTA_HOOK_HOOKNUM.code, UInt32.self)
      guard hook == NF_INET_FORWARD.rawValue else { continue }
      let policy = attributes.bigEndian(NFTA_CHAIN_POLICY.code, UInt32.self)
      // firewalld's ends in a rule that rejects.
      let isFirewalld = table == "firewalld" && name == "filter_FORWARD"
      let refuses = policy == UInt32(bitPattern: NF_DROP) || isFirewalld
      chains.append(ForeignChain(family: family, table: table, name: name, refuses: refuses))
    }
    for chain in chains where chain.refuses {
      let concerned = chain.family == 10 ? outward.filter { $0.subnet6 != nil } : outward
      let table = NftTable(family: chain.family, name: chain.table)
      let rules = try dump("list packet rules", chain.table) { batch in
        NftMessages.dumpRules(of: table, to: &batch)
      }.map { $0.attributes(after: nfgenmsg.self) }
      let unnamed = concerned.first { network in
        !rules.contains { ForwardBarriers.mentions($0, network) }
      }
      guard let unnamed else { continue }
      let isDockers = chain.table == "filter" && chain.name == "FORWARD"
      if opensDocker, isDockers, docker.contains(chain.family) {
        found.openings.append(chain.family)
      } else {
        found.refusals.append(.init(chain: chain, bridge: unnamed.bridge))
      }
    }
    return found
  }
}
