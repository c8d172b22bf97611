import Linux

/// `minidock volume rm` and `volume prune`, and the end of a container's anonymous volumes.
public struct VolumeRemoval {
  let installation: Installation
  let store: VolumeStore

  /// Removals in an installation.
  public init(_ installation: Installation) {
    self.installation = installation
    store = VolumeStore(installation)
  }

  /// Removes a volume that no container has, running or not.
  ///
  /// - Parameter force: one that does not exist is no failure.
  /// - Throws: ``Failure/Code/notFound``, ``Failure/Code/inUse``.
  public func remove(_ name: String, force: Bool) throws(Failure) {
    let trash = installation.trash + "/volume-" + randomHex(bytes: 8)
    do throws(Failure) {
      let lock = try store.lock(shared: false)
      defer { _ = lock }
      _ = try store.find(name)
      let users = try store.users()[name] ?? []
      guard users.isEmpty else {
        let names = users.map(\.name).joined(separator: ", ")
        throw Failure(
          .inUse, "remove volume", name, reason: "it is used by \(names)",
          remedy: "remove what uses it first: minidock rm CONTAINER")
      }
      try discard(name, to: trash)
    } catch  where force && error.code == .notFound {
      return
    }
    try delete(trash)
  }

  /// Removes what no container has.
  ///
  /// - Parameters:
  ///   - all: volumes with a name as well, not only anonymous ones.
  ///   - progress: called with the number removed and of all before each.
  /// - Returns: the names, and the bytes that they held.
  public func prune(
    all: Bool, _ selection: PruneSelection, progress: (Int, Int) -> Void = { _, _ in }
  ) throws(Failure) -> (names: [String], bytes: Int64) {
    try selection.check(PruneSelection.volumeKeys)
    let all = all || selection.takesAll
    let discarded = try discardUnused { volume in
      (all || volume.isAnonymous) && selection.matches(volume.shownLabels, volume.created)
    }
    var bytes: Int64 = 0
    for (index, volume) in discarded.enumerated() {
      progress(index, discarded.count)
      bytes += TreeSize.bytes(volume.path + "/_data")
      try delete(volume.path)
    }
    return (discarded.map(\.name), bytes)
  }

  private func discardUnused(
    _ isWanted: (VolumeRecord) -> Bool
  ) throws(Failure) -> [(name: String, path: String)] {
    let lock = try store.lock(shared: false)
    defer { _ = lock }
    let used = try store.users()
    var discarded: [(name: String, path: String)] = []
    for volume in try store.list() where used[volume.name] == nil && isWanted(volume) {
      let trash = installation.trash + "/volume-" + randomHex(bytes: 8)
      try discard(volume.name, to: trash)
      discarded.append((volume.name, trash))
    }
    return discarded
  }

  /// Moves a removed container's anonymous volumes, unless another container has them, into its
  /// discarded directory. It may be repeated.
  func discardAnonymous(of record: ContainerRecord, into directory: String) {
    guard record.hasAnonymousVolumes, let lock = try? store.lock(shared: false) else { return }
    defer { _ = lock }
    guard let used = try? store.users() else { return }
    for volume in record.mountedVolumes where volume.isAnonymous && used[volume.name] == nil {
      guard Files.exists(store.directory(volume.name)) else { continue }
      try? discard(volume.name, to: directory + "/volume-" + volume.name)
    }
  }

  // A sweep that empties the trash at the same time may take entries from under this.
  private func delete(_ path: String) throws(Failure) {
    for _ in 0..<3 where (try? Files.removeTree(path)) != nil { return }
    try Files.removeTree(path)
  }

  // One rename takes it out of everybody's sight; its files are deleted without a lock.
  private func discard(_ name: String, to path: String) throws(Failure) {
    do throws(Failure) { try Files.rename(store.directory(name), to: path) } catch
      where error.errno == ErrorNumber.noEntry
    {
      try Files.makeDirectories(installation.trash)
      try Files.rename(store.directory(name), to: path)
    }
    EventLog(installation).append([
      Event(type: "volume", "destroy", id: name, [("driver", VolumeRecord.driver)])
    ])
  }
}

/// Which objects a prune takes: `--filter`.
public struct PruneSelection: Sendable {
  /// Only what was created before.
  public var until: Timestamp?
  /// "label" and "label!" (not with this label), and for volumes "all".
  public var filters: [Filter] = []

  static let keys = ["label", "label!"]
  static let volumeKeys = ["label", "label!", "all"]

  /// Everything that nobody uses.
  public init() {}

  func check(_ keys: [String]) throws(Failure) {
    try Filter.check(filters, known: keys + ["until"])
    if until != nil, keys.contains("all") {
      throw Failure(
        .invalid, "parse", "--filter until", reason: "volumes have no such filter",
        remedy: "use label, label! or all")
    }
    for filter in filters where filter.key == "all" {
      guard ["true", "1", "false", "0"].contains(filter.value) else {
        throw filter.invalid("it is not true or false")
      }
    }
  }

  var takesAll: Bool { filters.contains { $0.key == "all" && ["true", "1"].contains($0.value) } }

  func matches(_ labels: [(key: String, value: String)], _ created: Timestamp) -> Bool {
    if let until, created >= until { return false }
    return filters.allSatisfy { filter in
      switch filter.key {
      case "label": filter.matchesLabel(labels)
      case "label!": !filter.matchesLabel(labels)
      default: true
      }
    }
  }
}
