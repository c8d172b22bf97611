import CMnl
import Linux

/// The packet rules of one minidock root: one table for what the host routes (``HostRules``), one for
/// the ports of its bridges (``PortRules``), both named alike. Their rules never change: a network or a
/// container is elements of their sets, added and removed in one transaction each, at a cost that does
/// not depend on how many there are.
///
/// It holds nothing but names and a socket; files (``FirewallRecords``) say what the sets should hold.
/// Whether the tables are still as minidock left them is told by one number: each transaction of
/// minidock's puts its own number in the set `generation`, provided that the number of the latest one
/// before it is there, too; the kernel refuses the transaction when there was another meanwhile. Any
/// other program's transaction breaks the chain, and the next change, or the next ``check(isAlive:)``,
/// looks at all rules and elements once and puts right what is not (`Firewall+Transactions.swift`).
public struct Firewall: Sendable {
  let records: FirewallRecords
  /// The name of both tables.
  let name: String
  /// The link group of the host's ends of veth pairs.
  let portGroup: UInt32
  /// Whether this boot's minidock has made the host forward packets of a family (NFPROTO_*).
  let forwarding: ForwardingRecord
  let socket: NetfilterSocket

  // Their names alone: a start needs no rule.
  var host: NftTable { .inet(name) }
  var ports: NftTable { .bridge(name) }
  var hostTable: FixedTable { HostRules.table(name) }
  var portTable: FixedTable { PortRules.table(name, group: portGroup) }

  /// What a change found.
  public struct Repair: Sendable, Equatable {
    /// Words for the user; nil when everything was as it should be.
    public var notice: String?
  }

  /// Makes a network known: from then on its containers reach out, and nothing reaches them. To be
  /// called once its bridge exists; repeating it is no failure.
  ///
  /// - Parameter isAlive: whether an endpoint's owner may still use it.
  /// - Throws: the kernel's refusals.
  @discardableResult
  public func add(
    _ network: FirewallNetwork, isAlive: (String) -> Bool
  ) throws(Failure) -> Repair {
    try records.prepare()
    let lock = try FileLock.acquire(records.lockPath)
    defer { _ = lock.raw }
    let known = records.network(network.bridge)
    if known != network { try records.write(network) }
    let elements = FirewallElements(network)
    return try apply(elements, isSettled: known == nil || known == network, isAlive)
      .saying(legacyNotice())
  }

  /// Forgets a network that no container uses any more, by its bridge's name.
  public func removeNetwork(bridge: String) throws(Failure) {
    guard let known = records.network(bridge) else { return }
    let lock = try FileLock.acquire(records.lockPath)
    defer { _ = lock.raw }
    try withdraw(FirewallElements(known))
    try records.remove(bridge: bridge)
  }

  /// Makes a container's connection known: from then on it can speak, and its ports are reached. To be
  /// called once its veth pair exists; repeating it is no failure. What a dead owner of the same
  /// address has left goes.
  ///
  /// - Parameter isAlive: whether an endpoint's owner may still use it.
  /// - Throws: the kernel's refusals.
  @discardableResult
  public func add(
    _ endpoint: FirewallEndpoint, isAlive: (String) -> Bool
  ) throws(Failure) -> Repair {
    try records.prepare()
    let lock = try FileLock.acquire(records.lockPath)
    defer { _ = lock.raw }
    let known = records.endpoint(endpoint.address)
    var endpoint = endpoint
    // One that is started again: its ports are published in a moment, most likely the same.
    if let known, known.owner == endpoint.owner, endpoint.ports.isEmpty {
      endpoint.ports = known.ports
    }
    if known != endpoint { try records.write(endpoint) }
    let repair = try apply(
      FirewallElements(endpoint), isSettled: known == nil || known == endpoint, isAlive)
    if endpoint.isReachedByLoopback { try Firewall.routeLoopback(link: endpoint.bridge) }
    return repair.saying(try legacyNotice())
  }

  /// Lets the host's own connections from 127.0.0.1 leave by a bridge, whose answers come back to that
  /// address. Only once the rules are in place, which keep the bridge's containers away from what
  /// listens there.
  private static func routeLoopback(link: String) throws(Failure) {
    let path = "/proc/sys/net/ipv4/conf/\(link)/route_localnet"
    if Files.text(path) != "1" { try Files.write("1", into: path) }
  }

  /// Lets ports of the host lead to the connection of `owner` that has this address, instead of those
  /// that led there before. To be called once the host's ports are reserved.
  ///
  /// - Throws: ``Failure/Code/refused`` on an internal network, the kernel's refusals.
  @discardableResult
  public func publish(
    _ ports: [PublishedPort], at address: IPv4Address, owner: String, isAlive: (String) -> Bool
  ) throws(Failure) -> Repair {
    guard var endpoint = records.endpoint(address), endpoint.owner == owner else {
      throw Failure(
        .notFound, "publish ports at", "\(address)", reason: "the container is not connected there")
    }
    if records.network(endpoint.bridge)?.isInternal == true {
      throw Failure(
        .refused, "publish ports at", "\(address)", reason: "its network is internal",
        remedy: "connect the container to another network as well, named first")
    }
    let isSettled = endpoint.ports.isEmpty || endpoint.ports == ports
    endpoint.ports = ports
    let lock = try FileLock.acquire(records.lockPath)
    defer { _ = lock.raw }
    try records.write(endpoint)
    let repair = try apply(FirewallElements(endpoint), isSettled: isSettled, isAlive)
    if endpoint.isReachedByLoopback { try Firewall.routeLoopback(link: endpoint.bridge) }
    return repair
  }

  /// Forgets the connection of `owner` that has this address; that of another owner stays.
  public func removeEndpoint(_ address: IPv4Address, owner: String) throws(Failure) {
    guard records.endpoint(address)?.owner == owner else { return }
    let lock = try FileLock.acquire(records.lockPath)
    defer { _ = lock.raw }
    guard let known = records.endpoint(address), known.owner == owner else { return }
    try withdraw(FirewallElements(known))
    try records.remove(address)
  }

  /// The connections known at this moment, those of the dead among them.
  public func endpoints() -> [FirewallEndpoint] { records.endpoints() }

  /// Looks whether another program has removed or changed the rules since minidock installed them, and
  /// restores them with everything that runs; and whether iptables-legacy is in the way. Two short queries
  /// when none has.
  ///
  /// - Parameter isAlive: whether an endpoint's owner may still use it.
  @discardableResult
  public func check(isAlive: (String) -> Bool) throws(Failure) -> Repair {
    guard records.installed() != nil else { return Repair() }
    let repair = try socket.with { (netfilter) throws(Failure) in
      if try isTrusted(&netfilter) { return Repair() }
      let lock = try FileLock.acquire(records.lockPath)
      defer { _ = lock.raw }
      if try isTrusted(&netfilter) { return Repair() }
      return try reconcile(&netfilter, added: FirewallElements(), isAlive)
    }
    return repair.saying(try legacyNotice())
  }

  /// Deletes both tables and forgets all that was in them, but keeps a host that minidock has made a
  /// router as closed as it was when `staysClosed`.
  func uninstall(staysClosed: Bool) throws(Failure) {
    try records.prepare()
    let lock = try FileLock.acquire(records.lockPath)
    defer { _ = lock.raw }
    for network in records.networks() { try records.remove(bridge: network.bridge) }
    for endpoint in records.endpoints() { try records.remove(endpoint.address) }
    if staysClosed {
      _ = try socket.with { (netfilter) throws(Failure) in
        try reconcile(&netfilter, added: FirewallElements()) { _ in false }
      }
      return
    }
    let filtersPorts = records.installed()?.filtersPorts ?? true
    try Files.remove(records.installedPath)
    var batch = MessageBatch()
    NftMessages.transaction(to: &batch) { batch in
      for table in filtersPorts ? [host, ports] : [host] {
        NftMessages.add(table, to: &batch)
        NftMessages.delete(table, to: &batch)
      }
    }
    do throws(Failure) {
      _ = try socket.with { (netfilter) throws(Failure) in
        try netfilter.exchange(&batch, "delete packet rules", name)
      }
    } catch  where Firewall.lacksBridges(error) {
      return
    }
  }

  static func lacksBridges(_ failure: Failure) -> Bool {
    [ErrorNumber.notSupported, ErrorNumber.noAddressFamily].contains(failure.errno)
  }

  /// What to do where the kernel refuses.
  static let remedy =
    "minidock needs root and nf_tables (CONFIG_NF_TABLES); --network none works without"
}
