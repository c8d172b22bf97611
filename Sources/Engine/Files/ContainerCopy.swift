import Image
import Linux

/// `minidock cp`: between a container and the host.
///
/// Every path is looked up once, inside the container's root or the host's, and held from then on;
/// nothing is mounted where another process could see it, and nothing of the container is executed
/// (security rows 16 and 17).
public struct ContainerCopy {
  let installation: Installation
  /// docker's `-a`: owners stay what they are.
  public var keepsOwners = false
  /// docker's `-L`: a link given as the source stands for what it leads to.
  public var followsLink = false
  /// Told after each piece.
  public var progress: (TransferCount) -> Void = { _ in }

  /// Copies in an installation.
  public init(_ installation: Installation) { self.installation = installation }

  /// Copies. This process must have no thread.
  ///
  /// - Returns: how much was copied.
  /// - Throws: ``Failure/Code/invalid`` unless exactly one side is a container's.
  public func copy(
    from source: CopyArgument, to destination: CopyArgument
  ) throws(Failure) -> TransferCount {
    switch (source, destination) {
    case (.container, .container):
      throw Failure(
        .unsupported, "copy", reason: "copying between containers is not supported",
        remedy: "use minidock cp A:PATH - | minidock cp - B:PATH")
    case (.container(let name, let path), .stream): return try archive(name, path)
    case (.container(let name, let path), .host(let target)):
      return try copyOut(name, path, target)
    case (.stream, .container(let name, let path)): return try unpack(name, path)
    case (.host(let path), .container(let name, let target)):
      return try copyIn(path, name, target)
    default:
      throw Failure(
        .invalid, "copy", reason: "neither side is in a container",
        remedy: "write CONTAINER:PATH for one of them")
    }
  }

  // MARK: - Out of a container

  private func copyOut(
    _ name: String, _ path: String, _ target: String
  ) throws(Failure) -> TransferCount {
    let target = try hostPath(target)
    let side = try open(name, freezing: true)
    let source = try CopySource(
      CopyPath(path.utf8), in: side.filesystem.root, following: followsLink)
    let place = try CopyTarget(
      target, in: try hostRoot(), sourceName: source.name, sourceIsDirectory: source.isDirectory)
    let directory = try place.directory.duplicate()
    let identity = try directory.entryStatus().identity
    var copier = TreeCopier(
      directory, links: .refused, name: place.shown, owner: keepsOwners ? .source : .caller,
      progress: progress)
    let devices = try ContainerCopy.devices(of: side.filesystem)
    try copier.copy(source.entry, as: place.name, target: identity) {
      ContainerCopy.choose($0, devices)
    }
    return copier.count
  }

  private func archive(_ name: String, _ path: String) throws(Failure) -> TransferCount {
    try TarOutput.refuseTerminal("copy", "redirect it to a file or another program")
    // Who reads the archive may be a program in the same container: frozen, it never would.
    let side = try open(name, freezing: false)
    let source = try CopySource(
      CopyPath(path.utf8), in: side.filesystem.root, following: followsLink)
    let tar = try TarWriter { (bytes) throws(Failure) in
      try writeAll(1, bytes, object: "archive")
    }
    let archiver = TreeArchiver(tar, progress: progress)
    let devices = try ContainerCopy.devices(of: side.filesystem)
    let prefix = source.name.isEmpty ? [UInt8(ascii: ".")] : source.name
    if source.isDirectory {
      try archiver.addTree(source.entry.handle, as: prefix, name: name) {
        ContainerCopy.choose($0, devices)
      }
    } else {
      try archiver.add(source.entry, as: prefix)
    }
    try tar.finish()
    return archiver.count
  }

  // MARK: - Into a container

  private func copyIn(
    _ path: String, _ name: String, _ target: String
  ) throws(Failure) -> TransferCount {
    let source = try CopySource(
      try hostPath(path), in: try hostRoot(), following: followsLink)
    let side = try open(name, freezing: true)
    let place = try CopyTarget(
      CopyPath(target.utf8), in: side.filesystem.root, sourceName: source.name,
      sourceIsDirectory: source.isDirectory)
    try ContainerCopy.refuse(place, side.filesystem)
    let directory = try place.directory.duplicate()
    let identity = try directory.entryStatus().identity
    var copier = TreeCopier(
      directory, links: .refused, name: place.shown,
      owner: keepsOwners ? .source : .containerRoot, progress: progress)
    try copier.copy(source.entry, as: place.name, target: identity) {
      ContainerCopy.choose($0, [])
    }
    return copier.count
  }

  private func unpack(_ name: String, _ target: String) throws(Failure) -> TransferCount {
    // Who writes the archive may be a program in the same container: frozen, it never would.
    let side = try open(name, freezing: false)
    let path = CopyPath(target.utf8)
    let whole = "\(name):\(path.shown)"
    let place: CopyTarget
    do throws(Failure) {
      place = try CopyTarget(
        path, in: side.filesystem.root, sourceName: [], sourceIsDirectory: true)
    } catch  where error.code == .refused {
      throw Failure(.refused, "copy to", whole, reason: "it must be a directory")
    }
    guard place.name.isEmpty else {
      throw Failure(
        .notFound, "copy to", whole, reason: "the directory does not exist",
        remedy: "make it first")
    }
    try ContainerCopy.refuse(place, side.filesystem)
    let directory = try place.directory.duplicate()
    let top = try side.filesystem.root.directory.entryStatus().identity
    let isRoot = try directory.entryStatus().identity == top
    let empty = installation.runRoot + "/empty"
    try Files.makeDirectories(empty)
    let entries = try ArchiveEntries(from: 0, emptyDirectory: empty)
    // An archive says whose its files are.
    var copier = TreeCopier(
      directory, links: isRoot ? .asRoot : .below, name: place.shown, owner: .source,
      progress: progress)
    try copier.unpack(entries)
    return copier.count
  }

  // MARK: - The sides

  /// A container's side of a copy.
  private struct Side: ~Copyable {
    let filesystem: ContainerFilesystem
    let freeze: ContainerFreeze?
  }

  private func open(_ name: String, freezing: Bool) throws(Failure) -> Side {
    let store = ContainerStore(installation)
    let (record, state) = try store.findWithState(name)
    // What it protects is that the copy is of one moment; a container that cannot be stopped is copied
    // all the same.
    let freeze =
      freezing
      ? try? ContainerFreeze.begin(record, state, lockPath: store.freezeLock(record.id)) : nil
    return Side(
      filesystem: try ContainerFilesystem.complete(record, state, installation), freeze: freeze)
  }

  private func hostRoot() throws(Failure) -> Root {
    Root(try Descriptor.open("/", .path), name: "")
  }

  private func hostPath(_ text: String) throws(Failure) -> CopyPath {
    guard !text.isEmpty else {
      throw Failure(.invalid, "copy", reason: "a path is empty")
    }
    if text.hasPrefix("/") { return CopyPath(text.utf8) }
    guard let current = ThisProcess.currentDirectory else {
      throw Failure(.notFound, "copy", text, reason: "there is no current directory")
    }
    return CopyPath(text.utf8, below: current)
  }

  // MARK: - What is no content

  /// File systems that the engine mounts in a running container for its devices.
  private static func devices(
    of filesystem: borrowing ContainerFilesystem
  ) throws(Failure) -> Set<UInt64> {
    guard filesystem.isRunning else { return [] }
    let top = try filesystem.root.directory.entryStatus().identity.device
    guard let folder = try? filesystem.root.locateDirectory(bytes: Array("/dev".utf8)) else {
      return []
    }
    let device = try folder.entryStatus().identity.device
    return device == top ? [] : [device]
  }

  /// Directories on which the kernel shows itself, or the container's devices, are copied empty.
  private static func choose(
    _ entry: borrowing TreeEntry, _ devices: Set<UInt64>
  ) -> TreeArchiver.Choice {
    if entry.path.isEmpty { return .all }
    if devices.contains(entry.status.identity.device) || entry.handle.isOnPseudoFileSystem {
      return entry.status.kind == .directory ? .alone : .nothing
    }
    return .all
  }

  private static func refuse(
    _ place: borrowing CopyTarget, _ filesystem: borrowing ContainerFilesystem
  ) throws(Failure) {
    let device = try place.directory.entryStatus().identity.device
    guard !place.directory.isOnPseudoFileSystem else {
      throw Failure(
        .refused, "copy to", place.shown,
        reason: "it belongs to one of the kernel's own file systems")
    }
    guard !(try devices(of: filesystem).contains(device)) else {
      throw Failure(
        .refused, "copy to", place.shown, reason: "it belongs to the container's devices",
        remedy: "start a container with --device to give it one")
    }
  }
}
