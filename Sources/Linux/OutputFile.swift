import CLinux
import Glibc

/// A file of the host that appears under its name whole or not at all.
///
/// It is written without a name (O_TMPFILE), so that nothing is left of it however this process ends;
/// on a file system that cannot do that it has a temporary name beside the final one until then.
public struct OutputFile: ~Copyable {
  /// For writing.
  public let descriptor: Descriptor
  /// Of the file's directory: its mount is where the file is, even when this process moves to another
  /// mount namespace before the end.
  private let folder: Descriptor
  private let path: String
  private let name: String
  private let temporary: String
  private var isNamed: Bool

  /// Starts a file (0600) for `path`, which may exist as a regular file.
  ///
  /// - Throws: ``Failure/Code/refused`` when something else than a file is there.
  public init(_ path: String) throws(Failure) {
    var info = stat()
    if stat(path, &info) == 0, info.st_mode & S_IFMT != S_IFREG {
      throw Failure(
        .refused, "write", path, reason: "it exists and is not a regular file",
        remedy: "name another file, or write to standard output")
    }
    let (parent, leaf) = Root.split(path)
    let temporary = "\(leaf).\(randomHex(bytes: 4)).tmp"
    let folder = try Descriptor.open(parent, .directory)
    let (file, isNamed) = try OutputFile.open(folder.raw, temporary, path)
    descriptor = Descriptor(owning: file)
    self.folder = folder
    self.path = path
    name = leaf
    self.temporary = temporary
    self.isNamed = isNamed
  }

  private static func open(
    _ folder: Int32, _ temporary: String, _ path: String
  ) throws(Failure) -> (file: Int32, isNamed: Bool) {
    let fd = clx_open(folder, ".", Int32(CLX_O_TMPFILE) | O_WRONLY | O_CLOEXEC, 0o600)
    if fd >= 0 { return (fd, false) }
    guard [EOPNOTSUPP, EISDIR, EINVAL].contains(Glibc.errno) else { throw .last("create", path) }
    let named = clx_open(
      folder, temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0o600)
    if named < 0 { throw .last("create", path) }
    return (named, true)
  }

  /// Gives the file its name, in place of a file that had it.
  public mutating func publish() throws(Failure) {
    if !isNamed {
      try check("create", path) {
        linkat(
          AT_FDCWD, "/proc/self/fd/\(descriptor.raw)", folder.raw, temporary, AT_SYMLINK_FOLLOW)
      }
      isNamed = true
    }
    try check("create", path) { renameat(folder.raw, temporary, folder.raw, name) }
    isNamed = false
  }

  deinit { if isNamed { unlinkat(folder.raw, temporary, 0) } }
}
