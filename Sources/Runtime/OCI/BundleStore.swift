import Linux

/// The containers of one `--root`: a directory for each, whose name is the id.
///
///     <root>/<id>/     0700: state (BundleRecord), config.json as it was at `create`, exec.fifo, result.fifo,
///                      lock: held while the container is made, started or removed
///     <root>/.seccomp/ compiled filters
///
/// Several processes may work on one root at any time; whatever ends in the middle, `delete --force` clears.
public struct BundleStore: Sendable {
  /// The absolute path.
  public let root: String

  /// Where containers are when nothing else is said.
  public static var defaultRoot: String {
    if ThisProcess.isRoot { return "/run/minidock-oci" }
    return (Console.environment("XDG_RUNTIME_DIR") ?? "/tmp/minidock-\(ThisProcess.effectiveUser)")
      + "/minidock-oci"
  }

  /// The containers below a directory, which is made when first needed.
  public init(root: String) throws(Failure) { self.root = try Bundle.absolute(root).tidyPath }

  var seccompCache: String { root + "/.seccomp" }
  func directory(_ id: String) -> String { root + "/" + id }
  func startFifo(_ id: String) -> String { directory(id) + "/exec.fifo" }
  func resultFifo(_ id: String) -> String { directory(id) + "/result.fifo" }
  func config(_ id: String) -> String { directory(id) + "/config.json" }
  func stateFile(_ id: String) -> String { directory(id) + "/state" }

  /// Refuses what is no id: letters, digits and "_+.-", not starting with a dot or dash (security row 34).
  public static func validate(id: String) throws(Failure) {
    func isPlain(_ byte: UInt8) -> Bool {
      switch byte {
      case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
        UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"):
        true
      default: false
      }
    }
    guard let first = id.utf8.first else {
      throw Failure(.invalid, "use container id", reason: "container id cannot be empty")
    }
    guard id.utf8.count <= 200, isPlain(first),
      id.utf8.allSatisfy({ isPlain($0) || "+.-".utf8.contains($0) })
    else {
      throw Failure(
        .invalid, "use container id", "\"\(id)\"", reason: "invalid container ID format",
        remedy:
          "an id has at most 200 letters, digits and _+.-, and starts with one of the first three")
    }
  }

  /// Claims an id: makes its directory, locked.
  ///
  /// - Throws: ``Failure/Code/exists`` when there is a container of that id.
  func claim(_ id: String) throws(Failure) -> FileLock {
    try Files.makeDirectories(root, mode: 0o711)
    do throws(Failure) {
      try Files.claimDirectory(directory(id), mode: 0o700)
    } catch  where error.errno == ErrorNumber.exists {
      throw Failure(
        .exists, "create container", id, reason: "container with given ID already exists",
        remedy: "choose another id, or delete that container")
    }
    return try lock(id)
  }

  /// Waits for whoever is changing the container.
  func lock(_ id: String) throws(Failure) -> FileLock {
    do throws(Failure) { return try FileLock.acquire(directory(id) + "/lock") } catch
      where error.isMissing
    {
      throw BundleStore.missing(id)
    }
  }

  func write(_ record: BundleRecord) throws(Failure) {
    try Files.replace(stateFile(record.id), with: record.fields.bytes, mode: 0o600)
  }

  /// The record of a container.
  ///
  /// - Throws: ``Failure/Code/notFound`` when there is none, ``Failure/Code/corrupt`` for a damaged one.
  public func record(_ id: String) throws(Failure) -> BundleRecord {
    try BundleStore.validate(id: id)
    guard let text = try FieldText(file: stateFile(id)) else { throw BundleStore.missing(id) }
    guard let record = BundleRecord(text), record.id == id else {
      throw Failure(
        .corrupt, "read state of container", id, reason: "\(stateFile(id)) is damaged",
        remedy: "remove the container with delete --force")
    }
    return record
  }

  // Engines look for these words.
  static func missing(_ id: String) -> Failure {
    Failure(.notFound, "look up container", id, reason: "container does not exist")
  }

  /// The ids of all containers, sorted; those half made or damaged too.
  public func ids() throws(Failure) -> [String] {
    try Files.list(root).filter { (try? BundleStore.validate(id: $0)) != nil }.sorted()
  }

  /// What a container does now.
  public func status(of record: BundleRecord) -> BundleStatus {
    guard let process = record.process else { return .creating }
    guard process.isAlive else { return .stopped }
    guard record.isReady else { return .creating }
    if isFrozen(record) { return .paused }
    return isWaiting(record) ? .created : .running
  }

  private func isFrozen(_ record: BundleRecord) -> Bool {
    guard !record.cgroup.isEmpty, let hierarchy = try? CgroupHierarchy.detect() else {
      return false
    }
    return Cgroup(existing: record.cgroup, in: hierarchy).isFrozen
  }

  // A `start` that was killed may have left the fifo: whether the first process still is minidock's own
  // program tells.
  func isWaiting(_ record: BundleRecord) -> Bool {
    guard let process = record.process, Files.exists(startFifo(record.id)) else { return false }
    guard let waiting = record.waiting,
      let program = try? FileStatus("/proc/\(process.pid)/exe")
    else { return true }
    return program.device == waiting.device && program.inode == waiting.inode
  }
}
