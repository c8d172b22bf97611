import CMnl
import Linux

extension Ruleset {
  /// Appends the transaction that puts exactly this table in place of whatever has its name.
  func install(to batch: inout MessageBatch) {
    NftMessages.transaction(to: &batch) { batch in
      // Adding first makes the deletion succeed; other processes see only the final state.
      NftMessages.addTable(table, to: &batch)
      NftMessages.deleteTable(table, to: &batch)
      NftMessages.addTable(table, to: &batch)
      for chain in chains { NftMessages.addChain(chain, table: table, to: &batch) }
      for (id, set) in sets.enumerated() {
        NftMessages.addSet(set, id: UInt32(id + 1), table: table, to: &batch)
      }
      for rule in rules { NftMessages.addRule(rule, table: table, to: &batch) }
    }
  }

  /// What to do where the kernel refuses.
  static let remedy =
    "minidock needs root and nf_tables (CONFIG_NF_TABLES); --network none works without"

  /// The chain and tag of each rule, in order.
  var tags: [String] {
    var scratch = MessageBatch(capacity: 8192)
    var tags: [String] = []
    for rule in rules {
      tags.append(rule.chain + ": " + NftMessages.addRule(rule, table: table, to: &scratch))
    }
    return tags
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
    } catch { throw error.withRemedy(Ruleset.remedy) }
    throw Failure(.corrupt, "ask", "nf_tables", reason: "the answer has no generation")
  }

  /// Puts the table in place.
  mutating func install(_ ruleset: Ruleset) throws(Failure) {
    var batch = MessageBatch(capacity: 16 << 10)
    ruleset.install(to: &batch)
    do throws(Failure) { try exchange(&batch, "install packet rules", ruleset.table) } catch {
      throw error.withRemedy(Ruleset.remedy)
    }
  }

  /// Deletes the table; one that does not exist is no failure.
  mutating func deleteTable(_ table: String) throws(Failure) {
    var batch = MessageBatch()
    NftMessages.transaction(to: &batch) { batch in
      NftMessages.addTable(table, to: &batch)
      NftMessages.deleteTable(table, to: &batch)
    }
    try exchange(&batch, "delete packet rules", table)
  }

  /// Whether the kernel has exactly these rules, told by their tags, and set elements.
  mutating func isIntact(_ ruleset: Ruleset) throws(Failure) -> Bool {
    let table = ruleset.table
    let rules = try dump("list packet rules", table) { batch in
      NftMessages.dumpRules(table: table, to: &batch)
    }
    let tags = rules.map { reply -> String in
      let attributes = reply.attributes(after: nfgenmsg.self)
      let comment = attributes[NFTA_RULE_USERDATA.code].map {
        String(decoding: $0.dropFirst(2).prefix { $0 != 0 }, as: UTF8.self)
      }
      return (attributes.text(NFTA_RULE_CHAIN.code) ?? "") + ": " + (comment ?? "")
    }
    guard tags == ruleset.tags else { return false }
    for set in ruleset.sets {
      guard try elements(of: set.name, table: table) == Set(set.elements) else { return false }
    }
    return true
  }

  private mutating func elements(
    of set: String, table: String
  ) throws(Failure) -> Set<NftSet.Element>? {
    let replies: [NetlinkReply]
    do throws(Failure) {
      replies = try dump("list set", set) { batch in
        NftMessages.dumpElements(set: set, table: table, to: &batch)
      }
    } catch  where error.errno == ErrorNumber.noEntry {
      return nil
    }
    var found: Set<NftSet.Element> = []
    for reply in replies {
      let list = reply.attributes(after: nfgenmsg.self).nest(NFTA_SET_ELEM_LIST_ELEMENTS.code)
      for item in list?.all(NFTA_LIST_ELEM.code) ?? [] {
        let element = NetlinkAttributes(item)
        guard
          let key = element.nest(NFTA_SET_ELEM_KEY.code)?[NFTA_DATA_VALUE.code]
        else { continue }
        let flags = element.bigEndian(NFTA_SET_ELEM_FLAGS.code, UInt32.self) ?? 0
        found.insert(
          NftSet.Element(
            key: Array(key), endsInterval: flags & NFT_SET_ELEM_INTERVAL_END.rawValue != 0))
      }
    }
    return found
  }
}
