import Linux

/// The volumes of an installation.
///
/// ```
/// volumes/<name>/volume     its record
/// volumes/<name>/_data      its files: what is mounted into containers
/// volumes/<name>/_copy      an image's content on its way into it, see VolumeCopyUp
/// volumes/<name>/lock       held by who fills it
/// volumes/.<process>.<hex>  one that is being made
/// ```
/// A volume is used by the containers whose records name it. Whoever makes a record that names one holds
/// the lock of all volumes shared meanwhile; whoever removes one looks through the records while holding
/// it alone: so no container is ever left with a volume that has been removed.
public struct VolumeStore: Sendable {
  let installation: Installation

  /// The volumes of an installation.
  public init(_ installation: Installation) { self.installation = installation }

  func directory(_ name: String) -> String { installation.volumes + "/" + name }

  /// The directory that is mounted.
  public func data(_ name: String) -> String { directory(name) + "/_data" }

  func lock(shared: Bool) throws(Failure) -> FileLock {
    try FileLock.acquire(installation.runRoot + "/volumes.lock", shared: shared)
  }

  /// Docker's grammar of names.
  ///
  /// - Throws: ``Failure/Code/invalid``.
  public static func validate(name: String) throws(Failure) {
    func isAlphanumeric(_ byte: UInt8) -> Bool {
      (48...57).contains(byte) || (65...90).contains(byte) || (97...122).contains(byte)
    }
    let bytes = Array(name.utf8)
    let isValid =
      (2...250).contains(bytes.count) && isAlphanumeric(bytes[0])
      && bytes.allSatisfy { isAlphanumeric($0) || $0 == 95 || $0 == 46 || $0 == 45 }
    guard isValid else {
      throw Failure(
        .invalid, "use volume", name, reason: "only [a-zA-Z0-9][a-zA-Z0-9_.-]+ is allowed",
        remedy: "choose a name of 2 to 250 letters, digits, and _ . -, or an absolute host path")
    }
  }

  // MARK: - Making

  /// Makes a volume, or takes the one that has the name already, as docker does.
  ///
  /// - Parameter name: nil for an anonymous one.
  /// - Returns: its name.
  public func create(name: String?, labels: [String: String]) throws(Failure) -> String {
    if let name { try VolumeStore.validate(name: name) }
    let record = VolumeRecord(
      name: name ?? randomHex(bytes: 32), labels: labels, isAnonymous: name == nil)
    do throws(Failure) { try ensure(record) } catch { throw error.addingDiskRemedy() }
    return record.name
  }

  /// Makes a volume unless it exists: it appears whole, by one rename.
  ///
  /// - Returns: whether it was made.
  @discardableResult
  func ensure(_ record: VolumeRecord) throws(Failure) -> Bool {
    let path = directory(record.name)
    if Files.exists(path) { return false }
    try Files.makeDirectories(installation.volumes, mode: 0o700)
    let own = ProcessIdentity(of: ThisProcess.id)
    let owner = (own?.field ?? "0 0").split(separator: " ").joined(separator: "-")
    let draft = "\(installation.volumes)/.\(owner).\(randomHex(bytes: 8))"
    do throws(Failure) {
      try Files.claimDirectory(draft)
      try Files.claimDirectory(draft + "/_data", mode: 0o755)
      let file = try Descriptor.open(draft + "/volume", .createNew(mode: 0o600))
      try file.write(record.fields.bytes, object: draft)
      try Files.renameNew(draft, to: path)
    } catch {
      try? Files.removeTree(draft)
      // Somebody else was faster: theirs is as good.
      if error.errno == ErrorNumber.exists { return false }
      throw error.during("create volume", record.name)
    }
    EventLog(installation).append([
      Event(type: "volume", "create", id: record.name, [("driver", VolumeRecord.driver)])
    ])
    return true
  }

  /// Removes what was about to become a volume when its maker was killed.
  func sweep() {
    for name in (try? Files.list(installation.volumes)) ?? [] where name.hasPrefix(".") {
      let owner = name.dropFirst().prefix { $0 != "." }.split(separator: "-")
      let field = owner.joined(separator: " ")
      if ProcessIdentity(field: field)?.isAlive == true { continue }
      try? Files.removeTree(installation.volumes + "/" + name)
    }
  }

  // MARK: - Finding

  /// The volume with a name.
  ///
  /// - Throws: ``Failure/Code/notFound``.
  public func find(_ name: String) throws(Failure) -> VolumeRecord {
    if (try? VolumeStore.validate(name: name)) != nil, let record = read(name) { return record }
    throw Failure(
      .notFound, "find volume", name, reason: "no such volume",
      remedy: "minidock volume ls lists the volumes")
  }

  /// All volumes, sorted by name.
  public func list() throws(Failure) -> [VolumeRecord] {
    try Files.list(installation.volumes).filter { !$0.hasPrefix(".") }.sorted().compactMap {
      read($0)
    }
  }

  // A volume whose record is damaged still has its files.
  private func read(_ name: String) -> VolumeRecord? {
    guard Files.exists(directory(name)) else { return nil }
    let bytes = (try? Files.read(directory(name) + "/volume")) ?? []
    return VolumeRecord(name: name, FieldText(parsing: bytes))
  }

  /// The containers that use each volume, by the volume's name.
  func users() throws(Failure) -> [String: [ContainerRecord]] {
    var users: [String: [ContainerRecord]] = [:]
    for record in try ContainerStore(installation).list() where !record.volumes.isEmpty {
      for name in Set(record.mountedVolumes.map(\.name)) { users[name, default: []].append(record) }
    }
    return users
  }

  /// Docker's document of a volume.
  public func document(_ record: VolumeRecord) -> JSONValue {
    .object([
      ("CreatedAt", .string(record.created.description)),
      ("Driver", .string(VolumeRecord.driver)),
      (
        "Labels",
        record.shownLabels.isEmpty
          ? .null : .object(record.shownLabels.map { ($0.key, .string($0.value)) })
      ),
      ("Mountpoint", .string(data(record.name))),
      ("Name", .string(record.name)),
      ("Options", .null),
      ("Scope", .string("local")),
    ])
  }
}
