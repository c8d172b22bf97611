import CLinux
import Glibc

/// Writes entries below a directory that others may be changing at the same time: a container's root or
/// volume, or a directory of the host that a container can write.
///
/// Unlike ``TreeWriter``, which has a layer for itself, it does nothing to a name that it could do to an
/// open file: modes, owners and attributes are set through descriptors, which no exchange of names can
/// lead elsewhere. It never replaces a directory by something else nor something else by a directory, as
/// docker cp.
public struct LiveTreeWriter: ~Copyable {
  /// Which symbolic links lead to the parent of an entry.
  public enum Links: Sendable {
    /// None: every parent was made, or met as a directory, by this writer.
    case refused
    /// Those that stay below the directory; an absolute one does not.
    case below
    /// All, absolute ones too, with the directory as their root.
    case asRoot

    var resolve: UInt64 {
      let common = UInt64(CLX_RESOLVE_NO_MAGICLINKS)
      return switch self {
      case .refused: common | UInt64(CLX_RESOLVE_BENEATH) | UInt64(CLX_RESOLVE_NO_SYMLINKS)
      case .below: common | UInt64(CLX_RESOLVE_BENEATH)
      case .asRoot: common | UInt64(CLX_RESOLVE_IN_ROOT)
      }
    }
  }

  /// How often an entry that somebody else makes again and again is removed.
  static let attempts = 100

  let base: Descriptor
  let links: Links
  /// How messages name the directory.
  let name: String
  var parentPath: [UInt8]?
  var parentHandle: SharedDescriptor?
  private var deferred: [Deferred] = []

  /// A directory that ``finish()`` comes back to.
  private struct Deferred {
    var path: [UInt8]
    var identity: FileIdentity
    var metadata: TreeWriter.Metadata
  }

  /// Writes below an open directory or location.
  public init(_ base: consuming Descriptor, links: Links, name: String) {
    self.base = base
    self.links = links
    self.name = name
  }

  // MARK: - Entries

  /// Makes a directory, or gives an existing one new metadata; the top itself is left as it is.
  ///
  /// - Throws: ``Failure/Code/refused`` when something else has the name.
  /// - Returns: which directory it is.
  @discardableResult
  public mutating func makeDirectory(
    _ path: [UInt8], _ metadata: TreeWriter.Metadata
  ) throws(Failure) -> FileIdentity {
    let (parent, leaf) = Root.split(bytes: path)
    if leaf.isEmpty { return try base.entryStatus().identity }
    let name = try entryName(leaf, path)
    let above = try open(parent: parent)
    if name.withCStringBytes({ mkdirat(above.raw, $0, 0o700) }) < 0 {
      guard Glibc.errno == EEXIST else { throw .last("create directory", shown(path)) }
    }
    let fd = name.withCStringBytes {
      clx_open(above.raw, $0, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC, 0)
    }
    if fd < 0 {
      guard Glibc.errno == ENOTDIR || Glibc.errno == ELOOP else {
        throw .last("open", shown(path))
      }
      throw Failure(
        .refused, "copy to", shown(path),
        reason: "a directory cannot overwrite what is no directory", remedy: "remove it first")
    }
    let handle = Descriptor(owning: fd)
    try dress(handle.raw, path, metadata)
    let identity = try handle.entryStatus().identity
    deferred.append(Deferred(path: path, identity: identity, metadata: metadata))
    return identity
  }

  /// Makes an empty regular file, to be filled and then given to ``finish(file:path:_:)``.
  ///
  /// One that cannot be replaced because it is a mount point, such as a container's /etc/hosts, is
  /// emptied and written in place.
  public mutating func createFile(_ path: [UInt8]) throws(Failure) -> Descriptor {
    let (above, name) = try place(path)
    for _ in 0..<Self.attempts {
      let fd = name.withCStringBytes {
        clx_open(above.raw, $0, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0o600)
      }
      if fd >= 0 { return Descriptor(owning: fd) }
      guard Glibc.errno == EEXIST else { throw .last("create file", shown(path)) }
      do throws(Failure) { try remove(name, in: above, path) } catch  where error.errno == EBUSY {
        let entry = try TreeEntry.find(Array(name.dropLast()), in: above.raw, path: path)
        if let entry { return try entry.openEmptied() }
      }
    }
    throw contested(path)
  }

  /// Gives a filled file its metadata. Owner before mode (chown(2) clears set-user-id) and before
  /// security.capability (which it removes); times last.
  public func finish(
    file: borrowing Descriptor, path: [UInt8], _ metadata: TreeWriter.Metadata
  ) throws(Failure) {
    try dress(file.raw, path, metadata)
    try setTimes(file.raw, path, metadata)
  }

  /// Makes a symbolic link; its target is not interpreted.
  public mutating func makeLink(
    _ path: [UInt8], target: [UInt8], _ metadata: TreeWriter.Metadata
  ) throws(Failure) {
    let target = target + [0]
    try make(path, "create symbolic link", metadata) { above, name in
      target.withCStringBytes { symlinkat($0, above, name) }
    }
  }

  /// Makes a device node or fifo. A character device 0:0 is overlayfs's whiteout and is refused.
  public mutating func makeNode(
    _ path: [UInt8], _ node: TreeWriter.Node, _ metadata: TreeWriter.Metadata
  ) throws(Failure) {
    let type: UInt32
    var device: dev_t = 0
    switch node {
    case .fifo: type = FileKind.fifo.rawValue
    case .character(let major, let minor):
      guard major != 0 || minor != 0 else {
        throw Failure(
          .refused, "create device", shown(path),
          reason: "a character device 0:0 would be a whiteout")
      }
      type = FileKind.characterDevice.rawValue
      device = clx_makedev(major, minor)
    case .block(let major, let minor):
      type = FileKind.blockDevice.rawValue
      device = clx_makedev(major, minor)
    }
    let mode = type | metadata.mode & 0o7777
    try make(path, "create node", metadata) { above, name in mknodat(above, name, mode, device) }
  }

  /// Makes a second name for an entry below the directory.
  public mutating func makeHardLink(_ path: [UInt8], target: [UInt8]) throws(Failure) {
    let (targetParent, targetLeaf) = Root.split(bytes: target)
    let targetName = try entryName(targetLeaf, target)
    let source = try open(parent: targetParent)
    guard let found = try TreeEntry.find(targetLeaf, in: source.raw, path: target),
      found.status.kind != .directory
    else {
      throw Failure(
        .refused, "link", shown(path),
        reason: "its target \(Root.printable(target)) is no file there")
    }
    let (above, name) = try place(path)
    for _ in 0..<Self.attempts {
      let made = targetName.withCStringBytes { from in
        name.withCStringBytes { linkat(source.raw, from, above.raw, $0, 0) }
      }
      if made == 0 { return }
      guard Glibc.errno == EEXIST else { throw .last("link", shown(path)) }
      let there = try TreeEntry.find(Array(name.dropLast()), in: above.raw, path: path)
      if let there, there.status.identity == found.status.identity { return }
      try remove(name, in: above, path)
    }
    throw contested(path)
  }

  /// Sets what had to wait: times of directories, which their new entries changed, and default ACLs,
  /// which these would have inherited. A directory that somebody has moved meanwhile is left alone.
  public mutating func finish() throws(Failure) {
    for entry in deferred.reversed() {
      let flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW
      guard let handle = try? look(entry.path, flags),
        try handle.entryStatus().identity == entry.identity
      else { continue }
      if let list = entry.metadata.defaultList {
        let attribute = ExtendedAttribute(name: ExtendedAttribute.defaultList, value: list)
        try ExtendedAttributes.set(attribute, of: handle.raw, object: entry.path)
      }
      try setTimes(handle.raw, entry.path, entry.metadata)
    }
    deferred = []
  }
}
