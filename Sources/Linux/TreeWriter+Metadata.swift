import CLinux
import Glibc

/// A moment as the kernel stores it with files.
public struct FileTime: Sendable, Equatable {
  /// Seconds since 1970-01-01 UTC, negative before.
  public var seconds: Int64
  /// 0 to 999,999,999 nanoseconds after the second.
  public var nanoseconds: Int64

  /// Seconds since 1970 and the nanoseconds after them.
  public init(seconds: Int64, nanoseconds: Int64) {
    self.seconds = seconds
    self.nanoseconds = min(max(0, nanoseconds), 999_999_999)
  }

  var value: timespec { timespec(tv_sec: time_t(seconds), tv_nsec: Int(nanoseconds)) }
}

/// An extended attribute (xattr(7)); the name without a terminating zero.
public struct ExtendedAttribute: Sendable, Equatable {
  /// With its namespace: "user.mime_type".
  public var name: [UInt8]
  /// Raw bytes.
  public var value: [UInt8]

  /// An attribute by name and value.
  public init(name: [UInt8], value: [UInt8]) {
    self.name = name
    self.value = value
  }
}

extension WireWriter {
  mutating func put(_ time: FileTime) {
    put(time.seconds)
    put(time.nanoseconds)
  }
}

extension WireReader {
  mutating func getFileTime() throws(Failure) -> FileTime {
    let seconds = try get(Int64.self)
    return FileTime(seconds: seconds, nanoseconds: try get(Int64.self))
  }
}

extension TreeWriter {
  /// What lies under a name right now.
  struct Found {
    var kind: FileKind
    var inode: UInt64
    /// A character device 0:0.
    var isWhiteout: Bool
  }

  func kind(of name: [UInt8], in above: Int32, _ path: [UInt8]) throws(Failure) -> Found {
    var info = stat()
    if name.withCStringBytes({ fstatat(above, $0, &info, AT_SYMLINK_NOFOLLOW) }) < 0 {
      throw .last("stat", Root.printable(path))
    }
    let kind = FileKind(mode: info.st_mode)
    return Found(
      kind: kind, inode: UInt64(info.st_ino),
      isWhiteout: kind == .characterDevice && info.st_rdev == 0)
  }

  func openExisting(
    _ name: [UInt8], in above: Int32, flags: Int32, _ path: [UInt8]
  ) throws(Failure) -> Descriptor {
    let fd = name.withCStringBytes { clx_open(above, $0, flags | O_NOFOLLOW | O_CLOEXEC, 0) }
    if fd < 0 { throw .last("open", Root.printable(path)) }
    return Descriptor(owning: fd)
  }

  func set(
    _ attribute: String, _ value: [UInt8], on handle: Int32, _ path: [UInt8]
  ) throws(Failure) {
    if clx_fsetxattr(handle, attribute, value, value.count) < 0 {
      throw .last("set \(attribute) of", Root.printable(path))
    }
  }

  mutating func dress(
    directory: borrowing Descriptor, path: [UInt8], _ metadata: Metadata
  ) throws(Failure) {
    try dress(handle: directory.raw, path: path, metadata)
    deferDirectory(path, inode: UInt64(try directory.status().st_ino), metadata)
  }

  /// Owner, mode, attributes and ACL of an open file or directory.
  func dress(handle: Int32, path: [UInt8], _ metadata: Metadata) throws(Failure) {
    if fchown(handle, metadata.user, metadata.group) < 0 {
      throw .last("change owner of", Root.printable(path))
    }
    if fchmod(handle, metadata.mode & 0o7777) < 0 {
      throw .last("change mode of", Root.printable(path))
    }
    for attribute in metadata.attributes {
      let set = (attribute.name + [0]).withCStringBytes {
        clx_fsetxattr(handle, $0, attribute.value, attribute.value.count)
      }
      if set < 0 {
        throw .last("set \(Root.printable(attribute.name)) of", Root.printable(path))
      }
    }
    if let list = metadata.accessList {
      try set("system.posix_acl_access", list, on: handle, path)
    }
  }

  /// The same for an entry that cannot be opened: a link, device or fifo that this process has just made.
  /// Nobody else can reach the tree, so that the name still is that entry.
  func dress(
    name: [UInt8], in above: Int32, path: [UInt8], _ metadata: Metadata, mode: UInt32?
  ) throws(Failure) {
    let owned = name.withCStringBytes {
      fchownat(above, $0, metadata.user, metadata.group, AT_SYMLINK_NOFOLLOW)
    }
    if owned < 0 { throw .last("change owner of", Root.printable(path)) }
    if let mode, name.withCStringBytes({ fchmodat(above, $0, mode, 0) }) < 0 {
      throw .last("change mode of", Root.printable(path))
    }
    var attributes = metadata.attributes
    if mode != nil, let list = metadata.accessList {
      let name = Array("system.posix_acl_access".utf8)
      attributes.append(ExtendedAttribute(name: name, value: list))
    }
    if !attributes.isEmpty {
      // There is no lsetxattrat(2) before Linux 6.13; one component below the working directory is the
      // same.
      if fchdir(above) < 0 { throw .last("enter parent of", Root.printable(path)) }
      for attribute in attributes {
        let set = name.withCStringBytes { entry in
          (attribute.name + [0]).withCStringBytes {
            clx_lsetxattr(entry, $0, attribute.value, attribute.value.count)
          }
        }
        if set < 0 {
          throw .last("set \(Root.printable(attribute.name)) of", Root.printable(path))
        }
      }
    }
    var times = [metadata.accessed.value, metadata.modified.value]
    if name.withCStringBytes({ utimensat(above, $0, &times, AT_SYMLINK_NOFOLLOW) }) < 0 {
      throw .last("set times of", Root.printable(path))
    }
  }

  /// The inode that a path of this layer leads to now, to recognize it later.
  public mutating func inode(of path: [UInt8]) throws(Failure) -> UInt64 {
    let (parent, leaf) = Root.split(bytes: path)
    if leaf.isEmpty { return UInt64(try root.directory.status().st_ino) }
    return try kind(of: try entryName(leaf, of: path), in: try open(parent: parent), path).inode
  }

  /// Sets ACLs of an entry made before, unless the archive has replaced it by now.
  public mutating func setAccessLists(
    of path: [UInt8], inode: UInt64, access: [UInt8]?, initial: [UInt8]?
  ) throws(Failure) {
    let (parent, leaf) = Root.split(bytes: path)
    let name = leaf.isEmpty ? [46, 0] : try entryName(leaf, of: path)
    guard let above = try? root.open(bytes: parent, flags: O_RDONLY | O_DIRECTORY),
      let found = try? kind(of: name, in: above.raw, path), found.inode == inode
    else { return }
    guard found.kind == .regular || found.kind == .directory else { return }
    let handle = try openExisting(name, in: above.raw, flags: O_RDONLY | O_NONBLOCK, path)
    if let access { try set("system.posix_acl_access", access, on: handle.raw, path) }
    if let initial { try set("system.posix_acl_default", initial, on: handle.raw, path) }
  }

  // MARK: - Whiteouts (OCI image-spec, layer.md, "Whiteouts")

  /// Hides `path` of the layers below, in overlayfs's form. What this layer itself has there stays.
  public mutating func makeWhiteout(_ path: [UInt8]) throws(Failure) {
    guard hasLowerLayers else { return }
    let (parent, leaf) = Root.split(bytes: path)
    let name = try entryName(leaf, of: path)
    let above = try open(parent: parent)
    if name.withCStringBytes({ mknodat(above, $0, FileKind.characterDevice.rawValue, 0) }) == 0 {
      return
    }
    guard Glibc.errno == EEXIST else { throw .last("create whiteout", Root.printable(path)) }
    if try kind(of: name, in: above, path).kind == .directory {
      let handle = try openExisting(name, in: above, flags: O_RDONLY | O_DIRECTORY, path)
      try setOpaque(handle, path)
    }
  }

  /// Hides everything that the layers below have in the directory `path`.
  public mutating func makeOpaque(_ path: [UInt8]) throws(Failure) {
    let handle = try root.makeDirectory(bytes: path)
    try setOpaque(handle, path)
  }

  func setOpaque(_ handle: borrowing Descriptor, _ path: [UInt8]) throws(Failure) {
    guard hasLowerLayers else { return }
    try set("trusted.overlay.opaque", [UInt8(ascii: "y")], on: handle.raw, path)
  }
}
