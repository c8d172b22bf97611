import Linux

/// Puts entries of a tree into a tar archive: further names of a file as hard links, sockets left out.
public final class TreeArchiver {
  /// Where the entries go.
  public let tar: TarWriter
  /// How much has been added.
  public private(set) var count = TransferCount()
  private let progress: (TransferCount) -> Void
  private var names: [FileIdentity: [UInt8]] = [:]
  private let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 256 << 10, alignment: 4096)

  /// Adds to an archive; `progress` is told after each piece.
  public init(_ tar: TarWriter, progress: @escaping (TransferCount) -> Void) {
    self.tar = tar
    self.progress = progress
  }

  deinit { buffer.deallocate() }

  /// What of an entry is added.
  public enum Choice: Sendable {
    /// The entry with what is below it.
    case all
    /// A directory without what is below it.
    case alone
    /// Neither.
    case nothing
  }

  /// Adds a directory and what is below it, each entry as `choose` says and under its own path with
  /// `prefix` and a slash in front; the directory itself as `prefix`, unless that is empty.
  public func addTree(
    _ directory: borrowing Descriptor, as prefix: [UInt8], name: String,
    choose: (borrowing TreeEntry) throws(Failure) -> Choice
  ) throws(Failure) {
    try TreeWalker.walk(directory, name: name) { (entry) throws(Failure) in
      let choice = try choose(entry)
      if choice == .nothing { return .skip }
      let path =
        entry.path.isEmpty
        ? prefix : prefix.isEmpty ? entry.path : prefix + [UInt8(ascii: "/")] + entry.path
      if !path.isEmpty { try add(entry, as: path) }
      return choice == .all ? .descend : .skip
    }
  }

  /// Adds one entry.
  public func add(_ entry: borrowing TreeEntry, as path: [UInt8]) throws(Failure) {
    let status = entry.status
    if status.kind == .socket || status.isWhiteout { return }
    let metadata = try entry.metadata()
    count.entries += 1
    progress(count)
    if status.links > 1, status.kind != .directory {
      if let first = names[status.identity] {
        return try tar.add(path, .hardLink(target: first), metadata)
      }
      names[status.identity] = path
    }
    switch status.kind {
    case .regular: try addFile(entry, path, metadata)
    case .directory: try tar.add(path, .directory, metadata)
    case .symbolicLink:
      try tar.add(path, .symbolicLink(target: try entry.linkTarget()), metadata)
    case .fifo: try tar.add(path, .fifo, metadata)
    case .characterDevice:
      try tar.add(path, .character(major: status.major, minor: status.minor), metadata)
    case .blockDevice:
      try tar.add(path, .block(major: status.major, minor: status.minor), metadata)
    case .socket, .unknown: break
    }
  }

  private func addFile(
    _ entry: borrowing TreeEntry, _ path: [UInt8], _ metadata: TreeWriter.Metadata
  ) throws(Failure) {
    let file = try entry.openContent()
    let size = try file.entryStatus().size
    try tar.add(path, .file(size: size), metadata)
    let object = Root.printable(entry.path)
    _ = try Transfer.read(file, size: size, through: buffer, object: object) {
      (bytes) throws(Failure) in
      try tar.write(bytes)
      count.bytes += Int64(bytes.count)
      progress(count)
    }
  }
}
