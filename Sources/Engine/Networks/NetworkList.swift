import Linux
import Net

/// `minidock network ls`, `create`, `rm` and `prune` without their printing.
public struct NetworkStore {
  let installation: Installation
  let host: NetworkHost

  /// The networks of an installation.
  public init(_ installation: Installation) {
    self.installation = installation
    host = installation.networkHost()
  }

  /// Docker's keys for `network ls --filter`.
  static let filterKeys = ["id", "name", "label", "driver", "scope", "type", "dangling"]

  /// The networks that match every filter, sorted by name.
  ///
  /// - Throws: ``Failure/Code/invalid`` for an unknown filter.
  public func list(filters: [Filter]) throws(Failure) -> [NetworkRecord] {
    try Filter.check(filters, known: NetworkStore.filterKeys)
    for filter in filters {
      let values: [String]? =
        switch filter.key {
        case "type": ["custom", "builtin"]
        case "dangling": ["true", "false", "1", "0"]
        case "driver": ["bridge", "macvlan", "ipvlan", "host", "null"]
        default: nil
        }
      if let values, !values.contains(filter.value) {
        throw filter.invalid("it is not one of " + values.joined(separator: ", "))
      }
    }
    let used = filters.contains { $0.key == "dangling" } ? try users() : [:]
    return try host.networks().filter { network in
      // Several values of one key are alternatives, several keys must all hold; labels all hold.
      filters.allSatisfy { filter in
        guard filter.key != "label" else { return filter.matchesLabel(network.labels) }
        return filters.contains { $0.key == filter.key && holds($0, network, used) }
      }
    }
  }

  private func holds(
    _ filter: Filter, _ network: NetworkRecord, _ used: [String: [ContainerRecord]]
  ) -> Bool {
    switch filter.key {
    case "id": return network.id.hasPrefix(filter.value)
    case "name": return network.name.contains(filter.value)
    case "driver": return network.driver.rawValue == filter.value
    case "scope": return filter.value == "local"
    case "type": return network.isPredefined == (filter.value == "builtin")
    default:
      let isDangling = !network.isPredefined && used[network.name] == nil
      return isDangling == ["true", "1"].contains(filter.value)
    }
  }

  /// The containers that are connected to each network whenever they run, by the network's name.
  public func users() throws(Failure) -> [String: [ContainerRecord]] {
    var users: [String: [ContainerRecord]] = [:]
    for record in try ContainerStore(installation).list() {
      for name in record.networkNames { users[name, default: []].append(record) }
    }
    return users
  }

  /// The network with a name, an id or a unique prefix of an id.
  public func find(_ text: String) throws(Failure) -> NetworkRecord {
    try host.find(network: text)
  }

  /// Makes a network.
  public func create(_ request: NetworkRequest) throws(Failure) -> NetworkRecord {
    let record: NetworkRecord
    let store = ContainerStore(installation)
    do throws(Failure) {
      record = try host.create(
        request, isAlive: { store.mayBeAlive($0) }, report: { Console.error("minidock: \($0)") })
    } catch {
      throw error.addingDiskRemedy()
    }
    note("create", record)
    return record
  }

  /// Removes a network that no running container is connected to.
  ///
  /// - Parameter force: one that does not exist is no failure.
  public func remove(_ text: String, force: Bool = false) throws(Failure) {
    let record: NetworkRecord
    do throws(Failure) { record = try host.find(network: text) } catch
      where force && error.code == .notFound
    {
      return
    }
    let store = ContainerStore(installation)
    try host.remove(network: record) { store.mayBeAlive($0) }
    note("destroy", record)
  }

  /// Removes the networks that no container has, running or not.
  ///
  /// - Returns: their names.
  public func prune(_ selection: PruneSelection) throws(Failure) -> [String] {
    try selection.check(PruneSelection.keys)
    let used = try users()
    var names: [String] = []
    for network in try host.networks()
    where !network.isPredefined && used[network.name] == nil
      && selection.matches(network.labels, network.created)
    {
      do throws(Failure) {
        try remove(network.name)
        names.append(network.name)
      } catch  where error.code == .inUse || error.code == .notFound {
        // A container has just come, or another prune was faster.
      }
    }
    return names
  }

  private func note(_ action: String, _ network: NetworkRecord) {
    EventLog(installation).append([
      Event(
        type: "network", action, id: network.id,
        [("name", network.name), ("type", network.driver.rawValue)])
    ])
  }
}
