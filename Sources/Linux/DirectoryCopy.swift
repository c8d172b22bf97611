import CLinux
import Glibc

/// Copies all that is below a directory, and the directory's own metadata: owners, modes, times, extended
/// attributes, ACLs, links, nodes, names of one file. Sockets are left out: nobody would listen.
///
/// For trees that nobody changes meanwhile, such as an image's layers.
public struct DirectoryCopy: ~Copyable {
  private var writer: TreeWriter
  private let name: String
  /// Where files with several names were copied to first.
  private var copied: [FileNumber: [UInt8]] = [:]

  private init(_ target: consuming Root, name: String) {
    writer = TreeWriter(target, hasLowerLayers: false)
    self.name = name
  }

  /// Copies the content of `source` into the empty directory `target`.
  ///
  /// - Parameter name: how messages name the source.
  /// - Throws: the first failed call; what was copied until then stays.
  public static func copy(
    _ source: borrowing Descriptor, into target: consuming Root, name: String
  ) throws(Failure) {
    var copy = DirectoryCopy(target, name: name)
    try copy.run(source)
  }

  /// A directory's owner, mode, attributes, ACLs and times, for ``dress(_:_:name:)``.
  public static func metadata(
    of directory: borrowing Descriptor, name: String
  ) throws(Failure) -> TreeWriter.Metadata {
    try metadata(directory.raw, try directory.status(), name)
  }

  /// Gives a directory all of these.
  public static func dress(
    _ target: consuming Root, _ metadata: TreeWriter.Metadata, name: String
  ) throws(Failure) {
    var writer = TreeWriter(target, hasLowerLayers: false)
    do throws(Failure) {
      try writer.makeDirectory([46], metadata)
      try writer.finish()
    } catch {
      throw error.during("set metadata of", name)
    }
  }

  private mutating func run(_ source: borrowing Descriptor) throws(Failure) {
    let top = try DirectoryCopy.metadata(source.raw, try source.status(), name)
    try writer.makeDirectory([46], top)
    try DirectoryDescent.walk(source, name: name) { (entry) throws(Failure) in
      try self.copy(entry)
    }
    try writer.finish()
  }

  private mutating func copy(_ entry: DirectoryDescent.Entry) throws(Failure) {
    let kind = FileKind(mode: entry.info.st_mode)
    guard kind != .socket, kind != .unknown else { return }
    if kind != .directory, entry.info.st_nlink > 1 {
      let number = FileNumber(entry.info)
      if let first = copied[number] {
        return try writer.makeHardLink(entry.path, target: first)
      }
      copied[number] = entry.path
    }
    let handle = try open(entry, kind)
    let metadata = try DirectoryCopy.metadata(handle.raw, entry.info, name)
    switch kind {
    case .directory: try writer.makeDirectory(entry.path, metadata)
    case .regular:
      let file = try writer.createFile(entry.path)
      try copyContent(of: handle, to: file, size: Int64(entry.info.st_size))
      try writer.finish(file: file, path: entry.path, metadata)
    case .symbolicLink:
      try writer.makeLink(entry.path, target: try target(handle), metadata)
    case .fifo: try writer.makeNode(entry.path, .fifo, metadata)
    case .characterDevice, .blockDevice:
      let major = clx_major(entry.info.st_rdev)
      let minor = clx_minor(entry.info.st_rdev)
      let node: TreeWriter.Node =
        kind == .characterDevice
        ? .character(major: major, minor: minor) : .block(major: major, minor: minor)
      try writer.makeNode(entry.path, node, metadata)
    case .socket, .unknown: break
    }
  }

  // Files and directories are opened, the rest is only located: opening a device can do something.
  private func open(
    _ entry: DirectoryDescent.Entry, _ kind: FileKind
  ) throws(Failure) -> Descriptor {
    let flags =
      switch kind {
      case .directory: O_RDONLY | O_DIRECTORY
      case .regular: O_RDONLY | O_NONBLOCK | O_NOCTTY
      default: Int32(CLX_O_PATH)
      }
    let parent = entry.parent
    let fd = entry.name.withCStringBytes {
      clx_open(parent, $0, flags | O_NOFOLLOW | O_CLOEXEC, 0)
    }
    if fd < 0 { throw .last("open", "\(name)/\(Root.printable(entry.path))") }
    return Descriptor(owning: fd)
  }

  private func target(_ link: borrowing Descriptor) throws(Failure) -> [UInt8] {
    var text = [UInt8](repeating: 0, count: 4096)
    let count = text.withUnsafeMutableBytes {
      readlinkat(link.raw, "", $0.baseAddress!.assumingMemoryBound(to: CChar.self), $0.count)
    }
    if count < 0 { throw .last("read link in", name) }
    return Array(text[..<count])
  }

  // Blocks are shared where the file system can; else holes stay holes.
  private func copyContent(
    of source: borrowing Descriptor, to target: borrowing Descriptor, size: Int64
  ) throws(Failure) {
    if size == 0 || FileBytes.clone(source.raw, to: target.raw) { return }
    var offset: Int64 = 0
    while offset < size {
      let start = Int64(lseek(source.raw, off_t(offset), 3 /* SEEK_DATA */))
      // ENXIO: nothing but a hole is left.
      if start < 0 && Glibc.errno == ENXIO { break }
      offset = max(offset, start)
      let hole = Int64(lseek(source.raw, off_t(offset), 4 /* SEEK_HOLE */))
      let end = start >= 0 && hole > offset ? min(hole, size) : size
      try FileBytes.seek(target.raw, to: offset)
      while offset < end {
        let count = try FileBytes.copy(
          from: source.raw, at: offset, to: target.raw, limit: Int(min(end - offset, 64 << 20)))
        if count == 0 { break }
        offset += Int64(count)
      }
      if offset < end { break }
    }
    try FileBytes.setLength(target.raw, size, object: name)
  }

  private static func metadata(
    _ handle: Int32, _ info: stat, _ name: String
  ) throws(Failure) -> TreeWriter.Metadata {
    func time(_ value: timespec) -> FileTime {
      FileTime(seconds: Int64(value.tv_sec), nanoseconds: Int64(value.tv_nsec))
    }
    var metadata = TreeWriter.Metadata(
      mode: info.st_mode & 0o7777, user: info.st_uid, group: info.st_gid,
      accessed: time(info.st_atim), modified: time(info.st_mtim))
    for attribute in try attributes(of: handle, name) {
      switch String(decoding: attribute.name, as: UTF8.self) {
      case "system.posix_acl_access": metadata.accessList = attribute.value
      case "system.posix_acl_default": metadata.defaultList = attribute.value
      // Overlayfs's own, and labels that belong to a place and not to a file.
      case "security.selinux": continue
      case let text where text.hasPrefix("trusted.overlay."): continue
      default: metadata.attributes.append(attribute)
      }
    }
    return metadata
  }

  // By /proc, as the calls on descriptors refuse one that only locates a file.
  private static func attributes(
    of handle: Int32, _ name: String
  ) throws(Failure) -> [ExtendedAttribute] {
    let path = "/proc/self/fd/\(handle)"
    var names = [CChar](repeating: 0, count: 64 << 10)
    let size = clx_listxattr(path, &names, names.count)
    if size < 0 {
      if Glibc.errno == EOPNOTSUPP { return [] }
      throw .last("list attributes in", name)
    }
    var result: [ExtendedAttribute] = []
    for text in names[..<size].split(separator: 0) {
      let key = text.map { UInt8(bitPattern: $0) }
      var value = [UInt8](repeating: 0, count: 64 << 10)
      let count = (key + [0]).withCStringBytes { clx_getxattr(path, $0, &value, value.count) }
      if count < 0 {
        // Listed, but no longer there or not to be read by anybody.
        if Glibc.errno == ENODATA || Glibc.errno == EOPNOTSUPP { continue }
        throw .last("read attribute in", name)
      }
      result.append(ExtendedAttribute(name: key, value: Array(value[..<count])))
    }
    return result
  }
}

extension Root {
  /// The directory at `path`, to be read; links in the path are followed inside the root.
  ///
  /// - Throws: ENOENT, ENOTDIR.
  public func readableDirectory(_ path: String) throws(Failure) -> Descriptor {
    try open(path, flags: O_RDONLY | O_DIRECTORY)
  }
}

extension DirectoryEntries {
  /// Moves every entry of one directory into another of the same file system. What is there already
  /// stays as it is (RENAME_NOREPLACE, renameat2(2)).
  public static func move(
    from source: borrowing Descriptor, to target: borrowing Descriptor, name: String
  ) throws(Failure) {
    for entry in try names(of: source) {
      let moved = (entry + [0]).withCStringBytes {
        clx_renameat2(source.raw, $0, target.raw, $0, 1 /* RENAME_NOREPLACE */)
      }
      if moved < 0 && Glibc.errno != EEXIST {
        throw .last("move", "\(name)/\(Root.printable(entry))")
      }
    }
  }
}
