import Linux

/// Decides what becomes of a question of one container's.
struct NameResolution {
  let owner: String
  let book: NameBook
  let isAlive: (String) -> Bool

  enum Outcome {
    /// It is none.
    case ignore
    case answer(DNSQuery, [UInt8])
    case forward(DNSQuery)
  }

  func outcome(of bytes: [UInt8]) -> Outcome {
    guard let query = DNSQuery(bytes) else { return .ignore }
    guard query.isStandard else { return .answer(query, query.answer(.notImplemented)) }
    let networks = book.networks(of: owner)
    if query.recordClass == 1, let records = records(query, networks) {
      return .answer(query, query.answer(.noError, records))
    }
    // A container whose networks all have no way out must not reach the outside by names either
    // (CVE-2024-29018, security row 38).
    guard networks.contains(where: { !$0.isInternal }) else {
      return .answer(query, query.answer(.noSuchName))
    }
    return .forward(query)
  }

  /// The records of a name of this container's networks; nil when it is none of theirs.
  private func records(_ query: DNSQuery, _ networks: [NameBook.Membership]) -> [DNSRecord]? {
    if let address = query.reversedAddress {
      for network in networks {
        guard let found = book.name(of: address, on: network.network), isAlive(found.owner),
          let record = DNSRecord(pointerTo: "\(found.name).\(network.network)")
        else { continue }
        return [record]
      }
      return nil
    }
    guard let name = query.name, !name.isEmpty else { return nil }
    var found: [[UInt8]] = []
    for network in networks { found += addresses(of: name, network.network) }
    guard !found.isEmpty else { return nil }
    // A name of several containers: whoever takes the first shall not always get the same.
    let first = found.count > 1 ? Int.random(in: 0..<found.count) : 0
    return (found[first...] + found[..<first]).map(DNSRecord.init(address:))
      .filter { $0.type == query.type || query.type == DNSType.any }
  }

  // "web", or with its network's name behind it, as reverse look-ups give it: "web.backend".
  private func addresses(of name: String, _ network: String) -> [[UInt8]] {
    var names = [name]
    let suffix = "." + String(decoding: network.utf8.map(DNSQuery.lowercase), as: UTF8.self)
    if name.hasSuffix(suffix) { names.append(String(name.dropLast(suffix.count))) }
    return names.flatMap { name in
      book.addresses(of: name, on: network).filter { isAlive($0.owner) }.flatMap(\.addresses)
    }
  }
}
