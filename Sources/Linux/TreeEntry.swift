import CLinux
import Glibc

/// An entry of a tree that nobody trusts, held by a location (O_PATH) from the moment it was found.
///
/// Its kind is known before anything opens it, and what is opened afterwards is that very file: a fifo or
/// device that is put in a file's place is never opened, a link never followed (row 16).
public struct TreeEntry: ~Copyable {
  /// Relative to where the walk began, without a slash in front; empty for the beginning itself.
  public let path: [UInt8]
  /// How many directories are above it within the walk; 0 for the beginning.
  public let depth: Int
  /// The location.
  public let handle: Descriptor
  /// What it was when it was found.
  public let status: EntryStatus

  /// Takes a held location.
  public init(_ handle: consuming Descriptor, path: [UInt8], depth: Int = 0) throws(Failure) {
    let status = try handle.entryStatus()
    self.path = path
    self.depth = depth
    self.handle = handle
    self.status = status
  }

  /// Finds one name in an open directory; nil when it is not there (any more).
  ///
  /// - Parameter name: one component without a slash.
  public static func find(
    _ name: [UInt8], in directory: Int32, path: [UInt8], depth: Int = 0
  ) throws(Failure) -> TreeEntry? {
    let fd = (name + [0]).withCStringBytes {
      clx_open(directory, $0, Int32(CLX_O_PATH) | O_NOFOLLOW | O_CLOEXEC, 0)
    }
    if fd < 0 {
      if Glibc.errno == ENOENT { return nil }
      throw .last("open", Root.printable(path))
    }
    return try TreeEntry(Descriptor(owning: fd), path: path, depth: depth)
  }

  /// The last component of the path.
  public var name: [UInt8] {
    Array(path[(path.lastIndex(of: UInt8(ascii: "/")).map { $0 + 1 } ?? 0)...])
  }

  /// Opens a regular file for reading.
  ///
  /// - Throws: ``Failure/Code/refused`` for any other kind, without touching it.
  public func openContent() throws(Failure) -> Descriptor {
    guard status.kind == .regular else {
      throw Failure(.refused, "read", Root.printable(path), reason: "it is not a regular file")
    }
    return try reopen(O_RDONLY | O_NOCTTY)
  }

  /// Opens a directory for its names.
  public func openDirectory() throws(Failure) -> Descriptor {
    guard status.kind == .directory else {
      throw Failure(errno: ENOTDIR, "open", Root.printable(path))
    }
    do throws(Failure) { return try handle.openedDirectory() } catch {
      throw Failure(errno: error.errno, "open directory", Root.printable(path))
    }
  }

  /// Opens an existing regular file for writing from its start, emptied.
  func openEmptied() throws(Failure) -> Descriptor {
    guard status.kind == .regular else {
      throw Failure(.refused, "write", Root.printable(path), reason: "it is not a regular file")
    }
    return try reopen(O_WRONLY | O_TRUNC | O_NOCTTY)
  }

  // The file behind the location, not its name: there is no race with whoever renames.
  private func reopen(_ flags: Int32) throws(Failure) -> Descriptor {
    Descriptor(
      owning: try check("open", Root.printable(path)) {
        clx_open(AT_FDCWD, "/proc/self/fd/\(handle.raw)", flags | O_CLOEXEC, 0)
      })
  }

  /// The target of a symbolic link.
  public func linkTarget() throws(Failure) -> [UInt8] {
    var target = [UInt8](repeating: 0, count: 4096)
    let count = target.withUnsafeMutableBytes {
      readlinkat(handle.raw, "", $0.baseAddress!.assumingMemoryBound(to: CChar.self), $0.count)
    }
    if count < 0 { throw .last("read link", Root.printable(path)) }
    return Array(target[..<count])
  }

  /// Owner, mode, times, portable attributes and access control lists.
  public func metadata() throws(Failure) -> TreeWriter.Metadata {
    var metadata = TreeWriter.Metadata(
      mode: status.mode, user: status.user, group: status.group, accessed: status.accessed,
      modified: status.modified)
    let lists = [ExtendedAttribute.accessList, ExtendedAttribute.defaultList]
    let found = try ExtendedAttributes.read(handle.raw, object: path) {
      lists.contains($0) || ExtendedAttributes.isPortable($0)
    }
    for attribute in found {
      if attribute.name == lists[0] {
        metadata.accessList = attribute.value
      } else if attribute.name == lists[1] {
        metadata.defaultList = attribute.value
      } else {
        metadata.attributes.append(attribute)
      }
    }
    return metadata
  }
}
