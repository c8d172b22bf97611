import CMnl
import Linux

/// All that should be in the tables' sets, by the records.
struct FirewallState: Sendable {
  let host: Set<NftElement>
  let ports: Set<NftElement>
  let networks: [FirewallNetwork]
  private let endpointCount: Int

  /// What the records say; those of endpoints whose owner is dead are removed.
  init(
    _ records: FirewallRecords, _ forwarding: ForwardingRecord, isAlive: (String) -> Bool
  ) throws(Failure) {
    var host: Set<NftElement> = []
    var ports: Set<NftElement> = []
    let networks = records.networks()
    for network in networks { host.formUnion(FirewallElements(network).host) }
    var count = 0
    for endpoint in records.endpoints() {
      guard isAlive(endpoint.owner) else {
        try records.remove(endpoint.address)
        continue
      }
      count += 1
      let elements = FirewallElements(endpoint)
      host.formUnion(elements.host)
      ports.formUnion(elements.ports)
    }
    for family in forwarding.closedFamilies() { host.insert(FirewallElements.closed(family)) }
    self.host = host
    self.ports = ports
    self.networks = networks
    endpointCount = count
  }

  /// What the user is told after a repair.
  var notice: String {
    func count(_ number: Int, _ word: String) -> String {
      "\(number) \(word)\(number == 1 ? "" : "s")"
    }
    return "another program had removed minidock's packet rules (nft flush ruleset, a restart of a "
      + "firewall?); restored them for \(count(networks.count, "network")) and "
      + count(endpointCount, "connected container")
  }
}

/// What is to be done to make the tables as they should be.
struct FirewallChange: Sendable {
  /// Whether rules, chains or sets are not as they should be: everything is made anew.
  var rebuilds = false
  var missing = FirewallElements()
  var superfluous = FirewallElements()
  let wanted: FirewallState

  /// Whether something was gone that nobody is just about to add.
  func isMissing(otherThan added: FirewallElements) -> Bool {
    rebuilds || !Set(missing.host).subtracting(added.host).isEmpty
      || !Set(missing.ports).subtracting(added.ports).isEmpty
  }

  /// Appends the change, and that transaction `next` was minidock's.
  func put(
    _ firewall: Firewall, _ installed: FirewallInstallation, next: UInt32,
    to batch: inout MessageBatch
  ) {
    let tables = [firewall.hostTable] + (installed.filtersPorts ? [firewall.portTable] : [])
    let host = firewall.host
    if rebuilds {
      // Earlier releases had a table of IPv4 packets.
      for table in [NftTable.ip(firewall.name)] + tables.map(\.table) {
        // Adding first makes the deletion succeed; other processes see only the final state.
        NftMessages.add(table, to: &batch)
        NftMessages.delete(table, to: &batch)
      }
      for table in tables { table.install(to: &batch) }
      NftMessages.add(FirewallChange.sorted(wanted.host), to: host, in: &batch)
      if installed.filtersPorts {
        NftMessages.add(
          FirewallChange.sorted(wanted.ports), to: firewall.ports, in: &batch)
      }
    } else {
      NftMessages.flush("generation", of: host, in: &batch)
      NftMessages.remove(superfluous.host, from: host, in: &batch)
      NftMessages.add(missing.host, to: host, in: &batch)
      if installed.filtersPorts {
        let ports = firewall.ports
        NftMessages.remove(superfluous.ports, from: ports, in: &batch)
        NftMessages.add(missing.ports, to: ports, in: &batch)
      }
    }
    NftMessages.add([FirewallElements.generation(next)], to: host, in: &batch)
  }

  /// In an order in which intervals begin before they end, each set's together.
  static func sorted(_ elements: some Sequence<NftElement>) -> [NftElement] {
    elements.sorted {
      if $0.set != $1.set { return $0.set < $1.set }
      if $0.key != $1.key { return $0.key.lexicographicallyPrecedes($1.key) }
      return $0.endsInterval && !$1.endsInterval
    }
  }
}

extension FixedTable {
  /// Appends the messages that make the table, which must not exist.
  func install(to batch: inout MessageBatch) {
    NftMessages.add(table, to: &batch)
    for chain in chains { NftMessages.add(chain, to: table, in: &batch) }
    for (id, set) in sets.enumerated() {
      NftMessages.add(set, id: UInt32(id + 1), to: table, in: &batch)
    }
    for rule in rules { NftMessages.add(rule, to: table, in: &batch) }
  }
}

extension NetlinkConnection where Transport: ~Copyable {
  /// The number of the latest nf_tables transaction of this namespace.
  mutating func generation() throws(Failure) -> UInt32 {
    var batch = MessageBatch(capacity: 256)
    NftMessages.getGeneration(to: &batch)
    do throws(Failure) {
      let replies = try exchange(&batch, "ask", "nf_tables")
      if let generation = replies.first?.attributes(after: nfgenmsg.self)
        .bigEndian(NFTA_GEN_ID.code, UInt32.self)
      {
        return generation
      }
    } catch { throw error.withRemedy(Firewall.remedy) }
    throw Failure(.corrupt, "ask", "nf_tables", reason: "the answer has no generation")
  }

  /// How the kernel's tables differ from what is wanted.
  mutating func difference(
    _ firewall: Firewall, _ installed: FirewallInstallation, _ wanted: FirewallState
  ) throws(Failure) -> FirewallChange {
    var change = FirewallChange(wanted: wanted)
    guard
      let host = try difference(firewall.hostTable, wanted.host),
      let ports = installed.filtersPorts
        ? try difference(firewall.portTable, wanted.ports) : ([], [])
    else {
      change.rebuilds = true
      return change
    }
    (change.missing.host, change.superfluous.host) = host
    (change.missing.ports, change.superfluous.ports) = ports
    return change
  }

  /// What a table's sets lack and have too much; nil when its rules, told by their tags, or its sets
  /// are not those that it should have.
  private mutating func difference(
    _ table: FixedTable, _ wanted: Set<NftElement>
  ) throws(Failure) -> ([NftElement], [NftElement])? {
    let rules = try dump("list packet rules", table.table.name) { batch in
      NftMessages.dumpRules(of: table.table, to: &batch)
    }
    let tags = rules.map { reply -> String in
      let attributes = reply.attributes(after: nfgenmsg.self)
      let comment = attributes[NFTA_RULE_USERDATA.code].map {
        String(decoding: $0.dropFirst(2).prefix { $0 != 0 }, as: UTF8.self)
      }
      return (attributes.text(NFTA_RULE_CHAIN.code) ?? "") + ": " + (comment ?? "")
    }
    guard FixedTable.byChain(tags) == FixedTable.byChain(table.tags) else { return nil }
    var actual: Set<NftElement> = []
    for set in table.sets where set.name != "generation" {
      guard let found = try elements(of: set.name, table: table.table) else { return nil }
      actual.formUnion(found)
    }
    return (
      FirewallChange.sorted(wanted.subtracting(actual)),
      FirewallChange.sorted(actual.subtracting(wanted))
    )
  }

  private mutating func elements(
    of set: String, table: NftTable
  ) throws(Failure) -> [NftElement]? {
    let replies: [NetlinkReply]
    do throws(Failure) {
      replies = try dump("list set", set) { batch in
        NftMessages.dumpElements(of: set, table: table, to: &batch)
      }
    } catch  where error.errno == ErrorNumber.noEntry {
      return nil
    }
    var found: [NftElement] = []
    for reply in replies {
      let list = reply.attributes(after: nfgenmsg.self).nest(NFTA_SET_ELEM_LIST_ELEMENTS.code)
      for item in list?.all(NFTA_LIST_ELEM.code) ?? [] {
        let element = NetlinkAttributes(item)
        guard let key = element.nest(NFTA_SET_ELEM_KEY.code)?[NFTA_DATA_VALUE.code] else {
          continue
        }
        let data = element.nest(NFTA_SET_ELEM_DATA.code)?[NFTA_DATA_VALUE.code] ?? []
        let flags = element.bigEndian(NFTA_SET_ELEM_FLAGS.code, UInt32.self) ?? 0
        found.append(
          NftElement(
            set: set, key: Array(key), data: Array(data),
            endsInterval: flags & NFT_SET_ELEM_INTERVAL_END.rawValue != 0))
      }
    }
    return found
  }
}

extension FixedTable {
  /// The kernel lists chains in an order of its own, each with its rules in theirs.
  fileprivate static func byChain(_ tags: [String]) -> [String: [String]] {
    Dictionary(grouping: tags) { String($0.prefix { $0 != ":" }) }
  }
}
