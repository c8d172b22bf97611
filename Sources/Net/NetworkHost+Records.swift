import CMnl
import Linux

/// Networks by name: their records, and how they are found, made and removed.
extension NetworkHost {
  private func path(_ name: String) -> String { stateRoot + "/networks/" + name }

  /// Held alone to make, repair or remove a network, and shared by those who take an address of one:
  /// nobody gets an address of a network that is being removed.
  func lockNetworks(shared: Bool) throws(Failure) -> FileLock {
    let path = runRoot + "/networks.lock"
    do throws(Failure) { return try FileLock.acquire(path, shared: shared) } catch
      where error.errno == ErrorNumber.noEntry
    {
      try Files.makeDirectories(runRoot)
      return try FileLock.acquire(path, shared: shared)
    }
  }

  /// The network of a name; nil when there is none.
  public func network(named name: String) throws(Failure) -> NetworkRecord? {
    switch name {
    case "bridge": return try predefinedBridge()
    case "host": return predefined("host", .host)
    case "none": return predefined("none", .none)
    default:
      guard (try? NetworkRecord.validate(name: name)) != nil,
        let fields = try FieldText(file: path(name))
      else { return nil }
      return NetworkRecord(name: name, fields)
    }
  }

  // The ids of what always exists follow from the root.
  private func predefined(_ name: String, _ driver: NetworkRecord.Driver) -> NetworkRecord {
    let id = (0..<4).map { part in
      hex(withUnsafeBytes(of: NetworkHost.hash("\(stateRoot) \(name) \(part)"), Array.init))
    }
    var record = NetworkRecord(name: name, id: id.joined(), driver: driver)
    record.created = Timestamp(nanoseconds: 0)
    return record
  }

  private func predefinedBridge() throws(Failure) -> NetworkRecord {
    var record = predefined("bridge", .bridge)
    record.device = device
    if let known = try BridgeRecord.read(recordPath) {
      record.subnet = known.subnet
      record.gateway = known.subnet.gateway
      record.mtu = try BridgeFound.read(foundPath)?.network.mtu
    }
    return record
  }

  /// All networks, sorted by name.
  public func networks() throws(Failure) -> [NetworkRecord] {
    var records: [NetworkRecord] = []
    let names = (try? Files.list(stateRoot + "/networks")) ?? []
    for name in Set(names + NetworkRecord.predefined).sorted() {
      if let record = try network(named: name) { records.append(record) }
    }
    return records
  }

  /// The network with a name, an id or a unique prefix of an id.
  ///
  /// - Throws: ``Failure/Code/notFound``, or ``Failure/Code/invalid`` for an ambiguous prefix.
  public func find(network text: String) throws(Failure) -> NetworkRecord {
    if let record = try network(named: text) { return record }
    let isPrefix = !text.isEmpty && text.utf8.count <= 64 && text.allSatisfy(\.isHexDigit)
    let matches = isPrefix ? try networks().filter { $0.id.hasPrefix(text) } : []
    guard matches.count <= 1 else {
      throw Failure(
        .invalid, "find network", text, reason: "\(matches.count) networks' ids begin so",
        remedy: "write more of the id")
    }
    guard let match = matches.first else {
      throw Failure(
        .notFound, "find network", text, reason: "no such network",
        remedy: "minidock network ls lists the networks")
    }
    return match
  }

  /// Makes a network: its record, then what it has on the host.
  ///
  /// - Throws: ``Failure/Code/exists`` when the name is taken; ``Failure/Code/refused`` when its
  ///   subnet overlaps what the host has.
  public func create(
    _ request: NetworkRequest, isAlive: (String) -> Bool, report: (String) -> Void
  ) throws(Failure) -> NetworkRecord {
    var record = try request.record()
    let lock = try lockNetworks(shared: false)
    defer { _ = lock.raw }
    if let other = try network(named: record.name) {
      throw Failure(
        .exists, "create network", record.name,
        reason: "network with name \(record.name) already exists (\(other.shortID))",
        remedy: "choose another name, or remove it with minidock network rm")
    }
    let host = try lockHost()
    defer { _ = host.raw }
    var route = try NetlinkSocket.route()
    try checkDevice(record, &route)
    try chooseSubnets(&record, &route)
    if record.mtu == nil { record.mtu = try defaultMTU(record, &route) }
    try Files.makeDirectories(stateRoot + "/networks")
    try Files.replace(path(record.name), with: record.fields.bytes, durable: true)
    do throws(Failure) { _ = try setUp(record, &route, isAlive, report) } catch {
      // What cannot be set up is no network; should this fail as well, it is repaired at its use.
      try? tearDown(record)
      try? Files.remove(path(record.name))
      throw error
    }
    return record
  }

  // Two networks on one bridge would not be apart.
  private func checkDevice(
    _ record: NetworkRecord, _ route: inout NetlinkSocket
  ) throws(Failure) {
    let link = try route.link(named: record.device)
    if !record.ownsDevice {
      guard link != nil else {
        throw Failure(
          .notFound, "create network", record.name,
          reason: "--opt parent=\(record.device): the host has no such link",
          remedy: "ip link lists the links")
      }
      return
    }
    if let other = try networks().first(where: { $0.device == record.device }) {
      throw Failure(
        .exists, "create network", record.name,
        reason: "network \(other.name) has the link \(record.device)")
    }
    if link != nil {
      throw Failure(
        .exists, "create network", record.name,
        reason: "the host has a link \(record.device) already", remedy: "choose another name")
    }
  }

  private func chooseSubnets(
    _ record: inout NetworkRecord, _ route: inout NetlinkSocket
  ) throws(Failure) {
    let others = try networks()
    let recorded = others.compactMap(\.subnet)
    let addresses = try route.addresses()
    // A macvlan or ipvlan network is in the midst of what its parent's link has.
    let parent = record.ownsDevice ? nil : try route.link(named: record.device)?.index
    let live = SubnetChoice.taken(
      addresses: addresses, routes: try route.routes(), own: parent)
    if let subnet = record.subnet {
      if let other = others.first(where: { $0.subnet?.overlaps(subnet) == true }) {
        throw overlap(record, "\(subnet)", "network \(other.name) with \(other.subnet!)")
      }
      if let other = live.first(where: { $0.overlaps(subnet) }) {
        throw overlap(record, "\(subnet)", "the host's network \(other)")
      }
    } else {
      record.subnet = try SubnetChoice.choose(
        start: (subnetStart + 1) % SubnetChoice.candidates.count, taken: live + recorded,
        network: record.name)
      record.gateway = record.subnet?.gateway
    }
    if let subnet = record.subnet6,
      let other = others.first(where: { $0.subnet6?.overlaps(subnet) == true })
    {
      throw overlap(record, "\(subnet)", "network \(other.name) with \(other.subnet6!)")
    }
  }

  private func overlap(_ record: NetworkRecord, _ subnet: String, _ what: String) -> Failure {
    Failure(
      .refused, "create network", record.name, reason: "\(subnet) overlaps \(what)",
      remedy: "choose another --subnet, or none to have one chosen")
  }

  private func defaultMTU(
    _ record: NetworkRecord, _ route: inout NetlinkSocket
  ) throws(Failure) -> Int {
    if !record.ownsDevice, let link = try route.link(named: record.device) { return link.mtu }
    return try uplinkMTU(&route)
  }

  /// Removes a network that no living owner has an address of: what it has on the host, then its
  /// record.
  ///
  /// - Parameter isAlive: as in ``lease(owner:on:isAlive:)``.
  /// - Throws: ``Failure/Code/inUse`` naming the first owners; ``Failure/Code/refused`` for a
  ///   network that always exists.
  public func remove(network record: NetworkRecord, isAlive: (String) -> Bool) throws(Failure) {
    guard !record.isPredefined else {
      throw Failure(
        .refused, "remove network", record.name,
        reason: "it is a pre-defined network and cannot be removed")
    }
    let lock = try lockNetworks(shared: false)
    defer { _ = lock.raw }
    guard try network(named: record.name)?.id == record.id else {
      throw Failure(
        .notFound, "remove network", record.name, reason: "it has just been removed")
    }
    let owners = leases(record.name).owners().filter(isAlive)
    guard owners.isEmpty else {
      let shown = owners.prefix(3).map { $0.prefix(12) }.joined(separator: ", ")
      throw Failure(
        .inUse, "remove network", record.name,
        reason: "it has active endpoints: \(owners.count > 3 ? "\(shown), …" : shown)",
        remedy: "stop the containers, or minidock network disconnect \(record.name) CONTAINER")
    }
    try tearDown(record)
    try Files.removeTree(leases(record.name).folder)
    try Files.removeTree(leases6(record.name).folder)
    try Files.remove(path(record.name))
  }
}
