import CLinux
import Glibc

/// Writes the entries of an archive into a tree that the same archive may have filled with traps.
///
/// Containment comes from the kernel alone: the parent of every entry is opened by openat2(2) inside the
/// ``Root`` at the moment of use, and the entry itself is made by one name below that descriptor, without
/// following a link. An entry that exists is replaced, but for a directory by a directory. What must come
/// last (times of directories, default ACLs, which new files would inherit) waits for ``finish()``.
public struct TreeWriter: ~Copyable {
  /// What an entry carries besides its content.
  public struct Metadata: Sendable {
    /// Permission bits with set-user-id, set-group-id and sticky.
    public var mode: UInt32
    /// Numeric owner.
    public var user: UInt32
    /// Numeric group.
    public var group: UInt32
    /// Time of last access.
    public var accessed: FileTime
    /// Time of last modification.
    public var modified: FileTime
    /// Extended attributes by name, as bytes; already chosen by the caller.
    public var attributes: [ExtendedAttribute] = []
    /// The content of system.posix_acl_access, nil for none.
    public var accessList: [UInt8]?
    /// The content of system.posix_acl_default, nil for none (directories only).
    public var defaultList: [UInt8]?

    /// Metadata without extended attributes and ACLs.
    public init(mode: UInt32, user: UInt32, group: UInt32, accessed: FileTime, modified: FileTime) {
      self.mode = mode
      self.user = user
      self.group = group
      self.accessed = accessed
      self.modified = modified
    }
  }

  /// What mknod(2) makes.
  public enum Node: Sendable {
    case fifo
    case character(major: UInt32, minor: UInt32)
    case block(major: UInt32, minor: UInt32)
  }

  /// The tree.
  public let root: Root
  /// Whether whiteouts are written; the lowest layer has nothing below that they could hide.
  let hasLowerLayers: Bool
  private var parentPath: [UInt8] = []
  private var parentHandle: Descriptor?
  private var parentNumber: Int32 = -1
  /// Directories that ``finish()`` comes back to: path, inode, times, default ACL.
  private var deferred = WireWriter(capacity: 64 << 10)

  /// Writes below `root`.
  public init(_ root: consuming Root, hasLowerLayers: Bool) {
    self.root = root
    self.hasLowerLayers = hasLowerLayers
  }

  // MARK: - Entries

  /// Makes a directory, or gives an existing one new metadata.
  public mutating func makeDirectory(_ path: [UInt8], _ metadata: Metadata) throws(Failure) {
    let (parent, leaf) = Root.split(bytes: path)
    if leaf.isEmpty {
      let top = try root.open(bytes: [46], flags: O_RDONLY | O_DIRECTORY)
      return try dress(directory: top, path: [46], metadata)
    }
    let name = try entryName(leaf, of: path)
    let above = try open(parent: parent)
    var hidden = false
    while name.withCStringBytes({ mkdirat(above, $0, 0o700) }) < 0 {
      guard Glibc.errno == EEXIST else { throw .last("create directory", Root.printable(path)) }
      let found = try kind(of: name, in: above, path)
      if found.kind == .directory { break }
      hidden = hidden || found.isWhiteout
      try remove(name, in: above, path)
    }
    let handle = try openExisting(name, in: above, flags: O_RDONLY | O_DIRECTORY, path)
    // A directory in place of a whiteout shows nothing of the one that the whiteout hid.
    if hidden { try setOpaque(handle, path) }
    try dress(directory: handle, path: path, metadata)
  }

  /// Makes an empty regular file, to be filled and then given to ``finish(file:path:_:)``.
  public mutating func createFile(_ path: [UInt8]) throws(Failure) -> Descriptor {
    let (parent, leaf) = Root.split(bytes: path)
    let name = try entryName(leaf, of: path)
    let above = try open(parent: parent)
    while true {
      let fd = name.withCStringBytes {
        clx_open(above, $0, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0o600)
      }
      if fd >= 0 { return Descriptor(owning: fd) }
      guard Glibc.errno == EEXIST else { throw .last("create file", Root.printable(path)) }
      try remove(name, in: above, path)
    }
  }

  /// Gives a filled file its metadata. Owner before mode (chown(2) clears set-user-id) and before
  /// security.capability (which it removes); times last.
  public func finish(
    file: borrowing Descriptor, path: [UInt8], _ metadata: Metadata
  ) throws(Failure) {
    try dress(handle: file.raw, path: path, metadata)
    var times = [metadata.accessed.value, metadata.modified.value]
    if futimens(file.raw, &times) < 0 { throw .last("set times of", Root.printable(path)) }
  }

  /// Makes a symbolic link; its target is not interpreted.
  public mutating func makeLink(
    _ path: [UInt8], target: [UInt8], _ metadata: Metadata
  ) throws(Failure) {
    let target = target + [0]
    try make(path, "create symbolic link", metadata) { above, name in
      target.withCStringBytes { symlinkat($0, above, name) }
    }
  }

  /// Makes a device node or fifo. A character device 0:0 is overlayfs's whiteout and is refused.
  public mutating func makeNode(
    _ path: [UInt8], _ node: Node, _ metadata: Metadata
  ) throws(Failure) {
    let type: UInt32
    var device: dev_t = 0
    switch node {
    case .fifo: type = FileKind.fifo.rawValue
    case .character(let major, let minor):
      guard major != 0 || minor != 0 else {
        throw Failure(
          .refused, "create device", Root.printable(path),
          reason: "a character device 0:0 would be a whiteout")
      }
      type = FileKind.characterDevice.rawValue
      device = clx_makedev(major, minor)
    case .block(let major, let minor):
      type = FileKind.blockDevice.rawValue
      device = clx_makedev(major, minor)
    }
    let mode = metadata.mode & 0o7777
    try make(path, "create node", metadata, mode: mode) { above, name in
      mknodat(above, name, type | mode, device)
    }
  }

  /// Makes a second name for an entry of this layer. The target is resolved like an entry: inside the
  /// root, its last component as it is.
  public mutating func makeHardLink(_ path: [UInt8], target: [UInt8]) throws(Failure) {
    let (targetParent, targetLeaf) = Root.split(bytes: target)
    let targetName = try entryName(targetLeaf, of: target)
    let source = try root.open(bytes: targetParent, flags: Int32(CLX_O_PATH) | O_DIRECTORY)
    let found = try kind(of: targetName, in: source.raw, target)
    guard found.kind != .directory, !found.isWhiteout else {
      throw Failure(
        .refused, "link", Root.printable(path),
        reason: "its target \(Root.printable(target)) is no file of this layer")
    }
    let (parent, leaf) = Root.split(bytes: path)
    let name = try entryName(leaf, of: path)
    let above = try open(parent: parent)
    while true {
      let made = targetName.withCStringBytes { from in
        name.withCStringBytes { linkat(source.raw, from, above, $0, 0) }
      }
      if made == 0 { return }
      guard Glibc.errno == EEXIST else {
        throw .last("link", "\(Root.printable(path)) to \(Root.printable(target))")
      }
      var there = stat()
      let same = name.withCStringBytes { fstatat(above, $0, &there, AT_SYMLINK_NOFOLLOW) }
      if same == 0, there.st_ino == found.inode { return }
      try remove(name, in: above, path)
    }
  }

  // MARK: - Helpers

  private mutating func make(
    _ path: [UInt8], _ operation: String, _ metadata: Metadata, mode: UInt32? = nil,
    _ call: (Int32, UnsafePointer<CChar>) -> Int32
  ) throws(Failure) {
    let (parent, leaf) = Root.split(bytes: path)
    let name = try entryName(leaf, of: path)
    let above = try open(parent: parent)
    while name.withCStringBytes({ call(above, $0) }) < 0 {
      guard Glibc.errno == EEXIST else { throw .last(operation, Root.printable(path)) }
      try remove(name, in: above, path)
    }
    try dress(name: name, in: above, path: path, metadata, mode: mode)
  }

  /// One component that can be made or replaced, with its terminating zero.
  func entryName(_ leaf: [UInt8], of path: [UInt8]) throws(Failure) -> [UInt8] {
    guard !leaf.isEmpty, leaf != [46, 46] else {
      throw Failure(
        .refused, "create", Root.printable(path), reason: "the path names no entry of a directory")
    }
    return leaf + [0]
  }

  /// The directory of an entry, opened inside the root and kept for the next entry of the same one.
  mutating func open(parent: [UInt8]) throws(Failure) -> Int32 {
    if parentPath == parent { return parentNumber }
    let handle = try root.makeDirectory(bytes: parent)
    parentNumber = handle.raw
    parentPath = parent
    parentHandle = consume handle
    return parentNumber
  }

  /// Removes what an entry replaces. The kept directory may have been reached through it.
  mutating func remove(_ name: [UInt8], in above: Int32, _ path: [UInt8]) throws(Failure) {
    let found = try kind(of: name, in: above, path)
    if found.kind == .directory {
      let handle = try openExisting(name, in: above, flags: O_RDONLY | O_DIRECTORY, path)
      try Files.empty(handle, name: Root.printable(path))
    }
    let flags = found.kind == .directory ? AT_REMOVEDIR : 0
    if name.withCStringBytes({ unlinkat(above, $0, flags) }) < 0 {
      throw .last("replace", Root.printable(path))
    }
    // Only the path is forgotten: `above` stays open for the caller.
    if found.kind == .directory || found.kind == .symbolicLink { parentPath = [] }
  }

  mutating func deferDirectory(_ path: [UInt8], inode: UInt64, _ metadata: Metadata) {
    deferred.put(path)
    deferred.put(inode)
    deferred.put(metadata.accessed)
    deferred.put(metadata.modified)
    deferred.put(metadata.defaultList) { $0.put($1) }
  }

  /// Sets what had to wait. A path that by now leads elsewhere (the archive replaced a parent) is left
  /// alone: it must still be the directory that the entry made.
  public func finish() throws(Failure) {
    var reader = WireReader(deferred.bytes)
    while !reader.isAtEnd {
      let path = try reader.getBytes()
      let inode = try reader.get(UInt64.self)
      var times = [try reader.getFileTime().value, try reader.getFileTime().value]
      let defaultList = try reader.getOptional { (r) throws(Failure) in try r.getBytes() }
      let flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW
      guard let handle = try? root.open(bytes: path, flags: flags),
        try handle.status().st_ino == inode
      else { continue }
      if let defaultList {
        try set("system.posix_acl_default", defaultList, on: handle.raw, path)
      }
      if futimens(handle.raw, &times) < 0 { throw .last("set times of", Root.printable(path)) }
    }
  }
}
