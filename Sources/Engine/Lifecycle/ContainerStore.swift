import Linux

/// The containers on disk: records, names, states.
public struct ContainerStore: Sendable {
  let installation: Installation

  /// The containers of an installation.
  public init(_ installation: Installation) { self.installation = installation }

  func directory(_ id: String) -> String { installation.containers + "/" + id }
  func runFilePath(_ id: String) -> String { installation.runs + "/" + id }

  // MARK: - Creating

  /// Claims the record's id and a name and writes the record, in an order that a kill cannot spoil: the
  /// directory, the name that points to it, the record that makes it visible.
  ///
  /// - Throws: ``Failure/Code/exists`` when the name is taken, ``Failure/Code/invalid`` for a bad one.
  func create(
    _ record: inout ContainerRecord, name: String?, options: RunOptions
  ) throws(Failure) {
    if let name { try ContainerStore.validate(name: name) }
    let path = directory(record.id)
    try Files.claimDirectory(path)
    do throws(Failure) {
      for part in ["upper", "work", "rootfs"] {
        try Files.claimDirectory("\(path)/\(part)", mode: 0o755)
      }
      record.name = try claim(name: name, for: record.id)
      let file = try Descriptor.open(path + "/options", .createNew(mode: 0o600))
      try file.write(options.fields.bytes, object: path + "/options")
      try write(record)
    } catch {
      if !record.name.isEmpty { try? Files.remove(installation.names + "/" + record.name) }
      try? Files.removeTree(path)
      throw error.addingDiskRemedy()
    }
  }

  /// Docker's grammar of names (security row 34).
  ///
  /// - Throws: ``Failure/Code/invalid``.
  public static func validate(name: String) throws(Failure) {
    let bytes = Array(name.utf8)
    func isAlphanumeric(_ byte: UInt8) -> Bool {
      (48...57).contains(byte) || (65...90).contains(byte) || (97...122).contains(byte)
    }
    let isValid =
      (2...128).contains(bytes.count) && isAlphanumeric(bytes[0])
      && bytes.allSatisfy { isAlphanumeric($0) || $0 == 95 || $0 == 46 || $0 == 45 }
    guard isValid else {
      throw Failure(
        .invalid, "use name", name, reason: "only [a-zA-Z0-9][a-zA-Z0-9_.-]+ is allowed",
        remedy: "choose a name of 2 to 128 letters, digits, and _ . -")
    }
  }

  func claim(name: String?, for id: String) throws(Failure) -> String {
    if let name {
      if try claimFile(name, id) { return name }
      let owner = nameOwner(name) ?? "another"
      throw Failure(
        .exists, "use name", name, reason: "it is the name of container \(owner.prefix(12))",
        remedy: "remove or rename that container, or choose another name")
    }
    for attempt in 0..<1000 {
      let name = NameGenerator.name(attempt: attempt)
      if try claimFile(name, id) { return name }
    }
    throw Failure(.exists, "choose", "name", reason: "every generated name is taken")
  }

  // A name is a symbolic link to the id: made in one step, so that a claim is atomic and a reader never
  // sees half of one. A name whose container is gone, as a kill between the two leaves it, is free.
  private func claimFile(_ name: String, _ id: String) throws(Failure) -> Bool {
    let path = installation.names + "/" + name
    if try SymbolicLinks.claim(path, id) { return true }
    guard isStale(name) else { return false }
    // Two that find the same stale name must not remove each other's new one.
    let lock = try FileLock.acquire(installation.runRoot + "/names.lock")
    defer { _ = lock }
    if isStale(name) { try Files.remove(path) }
    return try SymbolicLinks.claim(path, id)
  }

  private func isStale(_ name: String) -> Bool {
    nameOwner(name).map { !Files.exists(directory($0)) } ?? false
  }

  /// The id that has a name.
  func nameOwner(_ name: String) -> String? {
    let owner = SymbolicLinks.read(installation.names + "/" + name)
    return owner?.utf8.count == 64 ? owner : nil
  }

  // MARK: - Finding

  /// Every container that has a record, newest first.
  public func list() throws(Failure) -> [ContainerRecord] { try list(nil) }

  /// The same, where the directories have just been listed.
  func list(_ directories: [String]?) throws(Failure) -> [ContainerRecord] {
    var records: [ContainerRecord] = []
    let ids = if let directories { directories } else { try Files.list(installation.containers) }
    for id in ids {
      // A directory without a record is one that is being made or was left by a kill.
      if let record = try? read(id) { records.append(record) }
    }
    return records.sorted { $0.created > $1.created }
  }

  /// The container with a name, an id or a unique prefix of an id.
  ///
  /// - Throws: ``Failure/Code/notFound``, or ``Failure/Code/invalid`` for an ambiguous prefix.
  public func find(_ text: String) throws(Failure) -> ContainerRecord {
    let missing = Failure(
      .notFound, "find container", text, reason: "no such container",
      remedy: "minidock ps -a lists the containers")
    // Docker shows names with a slash in front and takes them so.
    let text = text.hasPrefix("/") ? String(text.dropFirst()) : text
    guard !text.isEmpty, !text.contains("/"), text != ".", text != ".." else { throw missing }
    if let id = nameOwner(text), let record = try read(id) { return record }
    if text.utf8.count == 64, let record = try read(text) { return record }
    let matches = try Files.list(installation.containers).filter { $0.hasPrefix(text) }
    guard matches.count <= 1 else {
      throw Failure(
        .invalid, "find container", text, reason: "\(matches.count) containers' ids begin so",
        remedy: "write more of the id")
    }
    guard let id = matches.first, let record = try read(id) else { throw missing }
    return record
  }

  func read(_ id: String) throws(Failure) -> ContainerRecord? {
    let path = directory(id) + "/record"
    guard let fields = try FieldText(file: path) else { return nil }
    return try ContainerRecord(fields, path: path)
  }

  // MARK: - Life

  /// Whether a container with this id runs or is about to, for those that share out what is scarce.
  func mayBeAlive(_ id: String) -> Bool {
    if let run = runFile(of: id) {
      if run.process?.isAlive == true || run.monitor?.isAlive == true { return true }
    }
    if let creator = ProcessIdentity(field: SymbolicLinks.read(startPath(id))) {
      if creator.isAlive { return true }
    }
    guard let record = try? read(id) else { return false }
    return record.creatorIsAlive
  }

  /// Says that this process is about to make a container's parts, before the first of them exists: a
  /// link that names the process, so that nobody takes what is half made for leftovers.
  func announce(_ id: String, by process: ProcessIdentity?) throws(Failure) {
    let text = process?.field ?? "0 0"
    if try SymbolicLinks.claim(startPath(id), text) { return }
    // Its own, or what a killed starter left; never without one, or a sweep that looks in between would
    // take what is being made for leftovers.
    try SymbolicLinks.replace(startPath(id), text)
  }

  /// Takes the announcement back: the run file or the record says it from now on.
  func withdraw(_ id: String) { try? Files.remove(startPath(id)) }

  private func startPath(_ id: String) -> String { runFilePath(id) + ".start" }

  func runFile(of id: String) -> RunFile? {
    guard let fields = try? FieldText(file: runFilePath(id)) else { return nil }
    return RunFile(fields)
  }

  func write(_ record: ContainerRecord) throws(Failure) {
    try Files.replace(directory(record.id) + "/record", with: record.fields.bytes)
  }

  func write(_ options: RunOptions, of id: String) throws(Failure) {
    try Files.replace(directory(id) + "/options", with: options.fields.bytes)
  }

  func write(_ health: HealthState, of id: String) throws(Failure) {
    try Files.replace(directory(id) + "/health", with: health.fields.bytes)
  }

  func write(_ run: RunFile, of id: String) throws(Failure) {
    try Files.replace(runFilePath(id), with: run.fields.bytes)
  }

  func write(_ status: StatusFile, of id: String) throws(Failure) {
    try Files.replace(directory(id) + "/status", with: status.fields.bytes)
  }
}

extension Failure {
  /// Says what to do about a full disk.
  func addingDiskRemedy() -> Failure {
    errno == ErrorNumber.noSpace || errno == ErrorNumber.quotaExceeded
      ? withRemedy("free space on the file system of minidock's root, or move it with --root")
      : self
  }
}
