import Image
import Linux

/// To whom copied files belong.
enum CopyOwner: Sendable {
  /// To whom they belong at the source.
  case source
  /// To the root of a container. A file of another user loses set-user-id, set-group-id and file
  /// capabilities, which were not given by root.
  case containerRoot
  /// To this process's user. Every file loses them: a stranger's program must not become this user's.
  case caller

  func apply(_ metadata: TreeWriter.Metadata, isFile: Bool) -> TreeWriter.Metadata {
    var result = metadata
    let keepsRights: Bool
    switch self {
    case .source: return metadata
    case .containerRoot:
      (result.user, result.group) = (0, 0)
      keepsRights = metadata.user == 0 && metadata.group == 0
    case .caller:
      (result.user, result.group) = (ThisProcess.effectiveUser, ThisProcess.effectiveGroup)
      keepsRights = false
    }
    // Their entries name users and groups of the source.
    result.accessList = nil
    result.defaultList = nil
    if isFile && !keepsRights {
      result.mode &= 0o1777
      result.attributes.removeAll { $0.name == ExtendedAttribute.capability }
    }
    return result
  }
}

/// Copies entries of one tree, or of an archive, into a directory of another.
struct TreeCopier: ~Copyable {
  private var writer: LiveTreeWriter
  private let owner: CopyOwner
  private let progress: (TransferCount) -> Void
  /// What has been copied.
  private(set) var count = TransferCount()
  private var names: [FileIdentity: [UInt8]] = [:]
  private let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 256 << 10, alignment: 4096)

  init(
    _ directory: consuming Descriptor, links: LiveTreeWriter.Links, name: String, owner: CopyOwner,
    progress: @escaping (TransferCount) -> Void
  ) {
    writer = LiveTreeWriter(directory, links: links, name: name)
    self.owner = owner
    self.progress = progress
  }

  deinit { buffer.deallocate() }

  // MARK: - From a tree

  /// Copies an entry with all below it.
  ///
  /// - Parameters:
  ///   - name: the entry's name in the directory; empty for a directory's content alone.
  ///   - target: the directory, which must not be met in the source.
  ///   - choose: what of a directory is copied.
  mutating func copy(
    _ source: borrowing TreeEntry, as name: [UInt8], target: FileIdentity,
    choose: (borrowing TreeEntry) throws(Failure) -> TreeArchiver.Choice
  ) throws(Failure) {
    guard source.status.kind == .directory else {
      try copyEntry(source, to: name)
      return try writer.finish()
    }
    var top = target
    let prefix = name.isEmpty ? [] : name + [UInt8(ascii: "/")]
    var failure: Failure?
    do throws(Failure) {
      try TreeWalker.walk(source.handle, name: Root.printable(name)) { (entry) throws(Failure) in
        if entry.path.isEmpty {
          if !name.isEmpty { top = try makeDirectory(entry, name) }
          return .descend
        }
        guard entry.status.identity != top else {
          throw Failure(
            .refused, "copy", Root.printable(entry.path),
            reason: "a directory cannot be copied into itself")
        }
        switch try choose(entry) {
        case .nothing: return .skip
        case .alone:
          try copyEntry(entry, to: prefix + entry.path)
          return .skip
        case .all:
          try copyEntry(entry, to: prefix + entry.path)
          return .descend
        }
      }
    } catch {
      failure = error
    }
    // What is there by now gets its times all the same.
    try writer.finish()
    if let failure { throw failure }
  }

  private mutating func copyEntry(
    _ entry: borrowing TreeEntry, to path: [UInt8]
  ) throws(Failure) {
    let status = entry.status
    guard status.kind != .directory else {
      _ = try makeDirectory(entry, path)
      return
    }
    if status.kind == .socket { return }
    if status.links > 1 {
      if let first = names[status.identity] {
        try writer.makeHardLink(path, target: first)
        return add(bytes: 0, entries: 1)
      }
      names[status.identity] = path
    }
    let metadata = owner.apply(try entry.metadata(), isFile: status.kind == .regular)
    switch status.kind {
    case .regular: try copyFile(entry, path, metadata)
    case .symbolicLink: try writer.makeLink(path, target: try entry.linkTarget(), metadata)
    case .fifo: try writer.makeNode(path, .fifo, metadata)
    case .characterDevice:
      try writer.makeNode(
        path, .character(major: status.major, minor: status.minor), metadata)
    case .blockDevice:
      try writer.makeNode(path, .block(major: status.major, minor: status.minor), metadata)
    case .directory, .socket, .unknown: break
    }
    add(bytes: 0, entries: 1)
  }

  private mutating func makeDirectory(
    _ entry: borrowing TreeEntry, _ path: [UInt8]
  ) throws(Failure) -> FileIdentity {
    let metadata = owner.apply(try entry.metadata(), isFile: false)
    add(bytes: 0, entries: 1)
    return try writer.makeDirectory(path, metadata)
  }

  private mutating func copyFile(
    _ entry: borrowing TreeEntry, _ path: [UInt8], _ metadata: TreeWriter.Metadata
  ) throws(Failure) {
    // Opened before the target's name is taken: the two may be the same file.
    let source = try entry.openContent()
    let file = try writer.createFile(path)
    let name = Root.printable(path)
    let size = try source.entryStatus().size
    _ = try Transfer.read(source, size: size, through: buffer, object: name) {
      (bytes) throws(Failure) in
      try writeAll(file.raw, bytes, object: name)
      add(bytes: Int64(bytes.count), entries: 0)
    }
    try writer.finish(file: file, path: path, metadata)
  }

  // MARK: - From an archive

  /// Unpacks an archive.
  mutating func unpack(_ archive: ArchiveEntries) throws(Failure) {
    while let entry = try archive.next() {
      let path = try TreeCopier.inside(entry.path)
      var isFile = false
      if case .file = entry.content { isFile = true }
      let metadata = owner.apply(entry.metadata, isFile: isFile)
      switch entry.content {
      case .file(let size): try unpackFile(archive, size, path, metadata)
      case .directory: try writer.makeDirectory(path, metadata)
      case .symbolicLink(let target): try writer.makeLink(path, target: target, metadata)
      case .hardLink(let target):
        try writer.makeHardLink(path, target: try TreeCopier.inside(target))
      case .fifo: try writer.makeNode(path, .fifo, metadata)
      case .character(let major, let minor):
        try writer.makeNode(path, .character(major: major, minor: minor), metadata)
      case .block(let major, let minor):
        try writer.makeNode(path, .block(major: major, minor: minor), metadata)
      }
      add(bytes: 0, entries: 1)
    }
    try writer.finish()
  }

  private mutating func unpackFile(
    _ archive: ArchiveEntries, _ size: Int64, _ path: [UInt8], _ metadata: TreeWriter.Metadata
  ) throws(Failure) {
    let file = try writer.createFile(path)
    let name = Root.printable(path)
    var end: Int64 = 0
    try archive.readContent { (bytes, offset) throws(Failure) in
      guard offset >= end, offset <= size - Int64(bytes.count) else {
        throw Failure(.corrupt, "copy", name, reason: "its content exceeds its size")
      }
      try FileBytes.write(file.raw, bytes, at: offset, object: name)
      end = offset + Int64(bytes.count)
      add(bytes: Int64(bytes.count), entries: 0)
    }
    if end != size { try FileBytes.setLength(file.raw, size, object: name) }
    try writer.finish(file: file, path: path, metadata)
  }

  /// An archive's path, cleaned by its text as docker does it.
  ///
  /// - Throws: ``Failure/Code/refused`` for one that leads out of the directory.
  static func inside(_ path: [UInt8]) throws(Failure) -> [UInt8] {
    let slash = UInt8(ascii: "/")
    var components: [ArraySlice<UInt8>] = []
    for component in path.split(separator: slash) where component != [46] {
      if component != [46, 46] {
        components.append(component)
      } else if components.popLast() == nil {
        throw Failure(
          .refused, "copy", Root.printable(path), reason: "the path leads out of the destination")
      }
    }
    return components.isEmpty ? [46] : Array(components.joined(separator: [slash]))
  }

  private mutating func add(bytes: Int64, entries: Int) {
    count.bytes += bytes
    count.entries += entries
    progress(count)
  }
}
