import Linux

/// Who has which address of a network.
///
///     <folder>/by-address/10.88.0.7 -> OWNER       the lease
///     <folder>/by-owner/OWNER -> 10.88.0.7         which lease an owner has or was about to take
///     <folder>/lock                                held to take a lease away
///
/// Both are symbolic links, made with their content in one atomic call, the owner's first: whatever
/// is killed between two steps, a lease is never without its owner's entry, and whoever clears up
/// after an owner finds its lease by name. Leasing needs no lock, as the kernel lets only one
/// process make a link; removing one does, as another's might have taken its place since it was
/// looked at. A network with IPv6 has a second book for those addresses.
struct LeaseBook: Sendable {
  let folder: String

  private func path(_ address: String) -> String { "\(folder)/by-address/\(address)" }
  private func path(owner: String) -> String { "\(folder)/by-owner/\(owner)" }
  private var lockPath: String { folder + "/lock" }

  private func makeFolders() throws(Failure) {
    try Files.makeDirectories(folder + "/by-address")
    try Files.makeDirectories(folder + "/by-owner")
  }

  /// The address leased to `owner`, its own where it has one, else a free one.
  func lease(
    owner: String, in subnet: Subnet, isAlive: (String) -> Bool
  ) throws(Failure) -> IPv4Address {
    let text = try lease(owner: owner, in: LeasePool(subnet), wanted: nil, isAlive: isAlive)
    return IPv4Address(text) ?? subnet.base
  }

  /// The address leased to `owner`: the one that is `wanted`, else its own where it has one, else a
  /// free one.
  ///
  /// - Throws: ``Failure/Code/inUse`` when a living owner has the wanted one;
  ///   ``Failure/Code/refused`` when all are leased.
  func lease(
    owner: String, in pool: LeasePool, wanted: String?, isAlive: (String) -> Bool
  ) throws(Failure) -> String {
    try LeaseBook.validate(owner)
    if let address = try renew(owner: owner, in: pool, wanted: wanted) { return address }
    if let wanted { return try take(wanted, owner: owner, isAlive) }
    let count = pool.count
    guard count > 0 else { throw exhausted(pool) }
    // The search begins at a place of the owner's own, so that parallel starts rarely meet. A few
    // leases of the dead are taken back on the way; when nothing is free, all of them.
    let start = (pool.start ?? NetworkHost.hash(owner)) % count
    for mayReclaim in [8, Int.max] {
      var reclaims = mayReclaim
      for step in 0..<count {
        guard let candidate = pool.address((start + step) % count) else { continue }
        if let holder = SymbolicLinks.read(path(candidate)) {
          guard reclaims > 0, holder != owner else { continue }
          reclaims -= 1
          guard try reclaim(candidate, from: holder, isAlive) else { continue }
        }
        if try claim(candidate, owner: owner) { return candidate }
      }
    }
    throw exhausted(pool)
  }

  /// The address that an owner has or was about to take; nil when it has none.
  func address(of owner: String) -> IPv4Address? {
    SymbolicLinks.read(path(owner: owner)).flatMap { IPv4Address($0) }
  }

  private func take(
    _ wanted: String, owner: String, _ isAlive: (String) -> Bool
  ) throws(Failure) -> String {
    // Twice: a dead holder's lease is free after it was taken back.
    for _ in 0..<2 {
      if try claim(wanted, owner: owner) { return wanted }
      guard let holder = SymbolicLinks.read(path(wanted)) else { continue }
      guard try reclaim(wanted, from: holder, isAlive) else {
        throw Failure(
          .inUse, "lease address", wanted, reason: "container \(holder.prefix(12)) has it",
          remedy: "ask for another address, or for none")
      }
    }
    if try claim(wanted, owner: owner) { return wanted }
    throw Failure(.inUse, "lease address", wanted, reason: "another container has just taken it")
  }

  private func exhausted(_ pool: LeasePool) -> Failure {
    let leased = (try? Files.list(folder + "/by-address").count) ?? 0
    return Failure(
      .refused, "lease address in", pool.name,
      reason: "all \(pool.usable) addresses are taken (\(leased) leases)",
      remedy: "remove containers")
  }

  /// Takes a free address; false when another owner was faster.
  private func claim(_ address: String, owner: String) throws(Failure) -> Bool {
    let intent = path(owner: owner)
    do throws(Failure) {
      if try !SymbolicLinks.claim(intent, address) {
        throw Failure(
          .inUse, "lease address for", owner, reason: "another process is leasing one for it")
      }
    } catch  where error.errno == ErrorNumber.noEntry {
      try makeFolders()
      return try claim(address, owner: owner)
    }
    if try SymbolicLinks.claim(path(address), owner) { return true }
    try Files.remove(intent)
    return false
  }

  /// The lease that `owner` has from earlier, or nil after clearing what is left of one, or one
  /// that is not the `wanted`.
  private func renew(
    owner: String, in pool: LeasePool, wanted: String?
  ) throws(Failure) -> String? {
    guard let text = SymbolicLinks.read(path(owner: owner)) else { return nil }
    // Under the lock, lest it be taken back as a dead owner's while it comes to life again.
    let lock = try FileLock.acquire(lockPath)
    defer { _ = lock.raw }
    let isPlain = !text.contains("/")
    if isPlain, pool.isValid(text), wanted == nil || wanted == text {
      if SymbolicLinks.read(path(text)) == owner { return text }
      if try SymbolicLinks.claim(path(text), owner) { return text }
    } else if isPlain, SymbolicLinks.read(path(text)) == owner {
      try Files.remove(path(text))
    }
    try Files.remove(path(owner: owner))
    return nil
  }

  /// Takes an address back from a dead holder; false when it lives or is another one by now.
  private func reclaim(
    _ address: String, from holder: String, _ isAlive: (String) -> Bool
  ) throws(Failure) -> Bool {
    if isAlive(holder) { return false }
    let lock = try FileLock.acquire(lockPath)
    defer { _ = lock.raw }
    guard SymbolicLinks.read(path(address)) == holder, !isAlive(holder) else { return false }
    try Files.remove(path(address))
    if (try? LeaseBook.validate(holder)) != nil,
      SymbolicLinks.read(path(owner: holder)) == address
    {
      try Files.remove(path(owner: holder))
    }
    return true
  }

  /// Gives back what `owner` has, if anything.
  func release(owner: String) throws(Failure) {
    try LeaseBook.validate(owner)
    guard let text = SymbolicLinks.read(path(owner: owner)) else { return }
    let lock = try FileLock.acquire(lockPath)
    defer { _ = lock.raw }
    if !text.contains("/"), SymbolicLinks.read(path(text)) == owner { try Files.remove(path(text)) }
    try Files.remove(path(owner: owner))
  }

  /// Who has a lease or is about to take one.
  func owners() -> [String] { (try? Files.list(folder + "/by-owner")) ?? [] }

  /// The grammar of ids, which become file names here.
  static func validate(_ owner: String) throws(Failure) {
    let bytes = owner.utf8
    func isAlphanumeric(_ byte: UInt8) -> Bool {
      (48...57).contains(byte) || (65...90).contains(byte) || (97...122).contains(byte)
    }
    guard let first = bytes.first, isAlphanumeric(first), bytes.count <= 128,
      bytes.allSatisfy({ isAlphanumeric($0) || $0 == 95 || $0 == 46 || $0 == 45 })
    else {
      throw Failure(
        .invalid, "lease address for", owner, reason: "not an id ([A-Za-z0-9][A-Za-z0-9_.-]*)")
    }
  }
}
