import Linux

/// Which names lead to which addresses on a user's network.
///
///     <folder>/owners/OWNER/NETWORK -> e;web,db-alias;0a580002   what OWNER has entered on it
///     <folder>/networks/NETWORK/names/web/OWNER -> 0a580002,fd00…02
///     <folder>/networks/NETWORK/addresses/0a580002 -> OWNER,web
///
/// All are symbolic links, each made with its content in one call, and looked up anew for every question:
/// a name leads somewhere from the moment its link is made to the moment it is removed, and nothing can be
/// stale. The owner's entry comes first and goes last, so that whoever clears up after a killed process
/// finds all there is by the owner alone. No lock: each link is its owner's own.
public struct NameBook: Sendable {
  let folder: String

  /// The book in a directory of the run root, made when first needed.
  public init(folder: String) { self.folder = folder }

  /// A network that an owner is entered on.
  public struct Membership: Sendable, Equatable {
    /// The network's name.
    public let network: String
    /// Whether it has no way out, so that no name outside it may be asked for.
    public let isInternal: Bool
    let names: [String]
    let addresses: [[UInt8]]
  }

  /// Enters an owner's names and addresses on a network; what it had there before is replaced.
  ///
  /// - Parameters:
  ///   - owner: a container's id.
  ///   - names: its name first, which reverse look-ups give; then aliases and short id.
  ///   - addresses: in text form, IPv4 or IPv6.
  /// - Throws: ``Failure/Code/invalid`` for an owner or network that is no id, or too many aliases.
  ///   Names that no question could ask for are left out; ``checked(_:)`` tells beforehand.
  public func add(
    owner: String, network: String, names: [String], addresses: [String], isInternal: Bool
  ) throws(Failure) {
    try LeaseBook.validate(owner)
    try LeaseBook.validate(network)
    try remove(owner: owner, network: network)
    var lowered: [String] = []
    for name in names {
      // A container's name may be longer than any that can be asked for.
      guard let low = try? NameBook.checked(name), !lowered.contains(low) else { continue }
      lowered.append(low)
    }
    let hexes = addresses.compactMap { InternetAddress.bytes($0).map(NameBook.hex) }
    let joined = hexes.joined(separator: ",")
    let entry = "\(isInternal ? "i" : "e");\(lowered.joined(separator: ","));\(joined)"
    guard entry.utf8.count < 4000 else {
      throw Failure(
        .invalid, "enter names on network", network,
        reason: "the aliases are longer than 4000 bytes")
    }
    try claim("\(folder)/owners/\(owner)", network, entry)
    for name in lowered { try claim("\(nameFolder(network))/\(name)", owner, joined) }
    for hex in hexes { try replace(addressFolder(network), hex, "\(owner),\(lowered.first ?? "")") }
  }

  /// Takes back all that an owner has entered on a network; nothing there is no failure.
  public func remove(owner: String, network: String) throws(Failure) {
    guard let entry = membership(of: owner, network) else { return }
    for name in entry.names {
      try Files.remove("\(nameFolder(network))/\(name)/\(owner)")
      // Goes with its last owner; another one's fails and stays.
      Files.removeEmptyDirectory("\(nameFolder(network))/\(name)")
    }
    for address in entry.addresses {
      let path = "\(addressFolder(network))/\(NameBook.hex(address))"
      if SymbolicLinks.read(path)?.hasPrefix(owner + ",") == true { try Files.remove(path) }
    }
    try Files.remove("\(folder)/owners/\(owner)/\(network)")
    Files.removeEmptyDirectory("\(folder)/owners/\(owner)")
  }

  /// Takes back all that an owner has entered anywhere.
  public func remove(owner: String) throws(Failure) {
    for network in (try? Files.list("\(folder)/owners/\(owner)")) ?? [] {
      try remove(owner: owner, network: network)
    }
  }

  /// Everybody who has entered something.
  public var owners: [String] { (try? Files.list(folder + "/owners")) ?? [] }

  /// The networks that an owner is entered on, by name.
  public func networks(of owner: String) -> [Membership] {
    ((try? Files.list("\(folder)/owners/\(owner)")) ?? []).sorted()
      .compactMap { membership(of: owner, $0) }
  }

  /// Whether all is there that an owner was to have on a network: addresses are entered last.
  public func isEntered(owner: String, network: String) -> Bool {
    guard let entry = membership(of: owner, network) else { return false }
    return entry.addresses.allSatisfy { name(of: $0, on: network)?.owner == owner }
  }

  /// The addresses that a name (in lower case) leads to, and whose they are; empty when it leads nowhere.
  func addresses(of name: String, on network: String) -> [(owner: String, addresses: [[UInt8]])] {
    guard NameBook.isName(name) else { return [] }
    let directory = "\(nameFolder(network))/\(name)"
    return ((try? Files.list(directory)) ?? []).compactMap { owner in
      SymbolicLinks.read("\(directory)/\(owner)").map { (owner, NameBook.list($0)) }
    }
  }

  /// Whose an address is, and by which name; nil when nobody's.
  func name(of address: [UInt8], on network: String) -> (owner: String, name: String)? {
    guard let text = SymbolicLinks.read("\(addressFolder(network))/\(NameBook.hex(address))") else {
      return nil
    }
    let parts = text.split(separator: ",", maxSplits: 1, omittingEmptySubsequences: false)
    guard parts.count == 2, !parts[1].isEmpty else { return nil }
    return (String(parts[0]), String(parts[1]))
  }

  // MARK: - Links

  private func nameFolder(_ network: String) -> String { "\(folder)/networks/\(network)/names" }
  private func addressFolder(_ network: String) -> String {
    "\(folder)/networks/\(network)/addresses"
  }

  private func membership(of owner: String, _ network: String) -> Membership? {
    guard let text = SymbolicLinks.read("\(folder)/owners/\(owner)/\(network)") else { return nil }
    let parts = text.split(separator: ";", omittingEmptySubsequences: false)
    guard parts.count == 3 else { return nil }
    return Membership(
      network: network, isInternal: parts[0] == "i",
      names: parts[1].split(separator: ",").map(String.init), addresses: NameBook.list(parts[2]))
  }

  // A directory can go with its last link between the two calls: then it is made again.
  private func claim(_ directory: String, _ name: String, _ content: String) throws(Failure) {
    for _ in 0..<100 {
      do throws(Failure) {
        if try SymbolicLinks.claim("\(directory)/\(name)", content) { return }
        try Files.remove("\(directory)/\(name)")
      } catch  where error.errno == ErrorNumber.noEntry {
        try Files.makeDirectories(directory)
      }
    }
    throw Failure(
      .inUse, "enter name", "\(directory)/\(name)", reason: "another process keeps changing it")
  }

  private func replace(_ directory: String, _ name: String, _ content: String) throws(Failure) {
    try? Files.remove("\(directory)/\(name)")
    try claim(directory, name, content)
  }

  // MARK: - Text

  /// A name in lower case.
  ///
  /// - Throws: ``Failure/Code/invalid`` for one that no question could ask for.
  public static func checked(_ name: String) throws(Failure) -> String {
    let low = String(decoding: name.utf8.map(DNSQuery.lowercase), as: UTF8.self)
    guard isName(low) else {
      throw Failure(
        .invalid, "enter name", name, reason: "no name that can be looked up",
        remedy: "use letters, digits, dots, underscores and hyphens, at most 63 between two dots")
    }
    return low
  }

  /// Whether every label has 1 to 63 of the bytes allowed: then it is a safe file name, too.
  static func isName(_ name: String) -> Bool {
    let labels = name.utf8.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false)
    return name.utf8.count <= 253
      && labels.allSatisfy { label in
        (1...63).contains(label.count)
          && label.allSatisfy {
            (48...57).contains($0) || (97...122).contains($0) || $0 == 45 || $0 == 95
          }
      }
  }

  static func hex(_ bytes: [UInt8]) -> String { Linux.hex(bytes) }

  private static func list(_ text: some StringProtocol) -> [[UInt8]] {
    text.split(separator: ",").compactMap { digits in
      let values = digits.utf8.compactMap { UInt8(String(UnicodeScalar($0)), radix: 16) }
      guard values.count == 8 || values.count == 32 else { return nil }
      return stride(from: 0, to: values.count, by: 2).map { values[$0] << 4 | values[$0 + 1] }
    }
  }
}
