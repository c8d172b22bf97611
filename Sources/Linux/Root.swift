import CLinux
import Glibc

/// A directory tree that nobody trusts: an image's layer, a volume, a container's root.
///
/// This is the only type that resolves a path inside such a tree. Every lookup starts at the held
/// directory and is confined to it by `openat2(2)` with RESOLVE_IN_ROOT and RESOLVE_NO_MAGICLINKS
/// (Linux 5.6): absolute links and `..` stay inside, `/proc`'s magic links are refused, and the check
/// and the use are one system call, so that nothing can be exchanged between them.
public struct Root: ~Copyable, Sendable {
  /// The directory itself.
  public let directory: Descriptor
  /// How error messages name it.
  public let name: String

  /// Takes an open directory as the root of all later lookups.
  public init(_ directory: consuming Descriptor, name: String) {
    self.directory = directory
    self.name = name
  }

  /// Opens the tree at a host path that minidock itself owns.
  public init(path: String) throws(Failure) {
    self.init(try Descriptor.open(path, .directory), name: path)
  }

  /// Opens `path` inside the root. `flags` are open(2)'s; O_CLOEXEC is added.
  ///
  /// - Throws: the system call's failure; ELOOP for a magic link or (with `noSymlinks`) any link,
  ///   EXDEV when `noCrossing` and the path leaves the root's file system.
  public func open(
    _ path: String, flags: Int32, mode: UInt32 = 0, noSymlinks: Bool = false,
    noCrossing: Bool = false
  ) throws(Failure) -> Descriptor {
    var resolve = UInt64(CLX_RESOLVE_IN_ROOT) | UInt64(CLX_RESOLVE_NO_MAGICLINKS)
    if noSymlinks { resolve |= UInt64(CLX_RESOLVE_NO_SYMLINKS) }
    if noCrossing { resolve |= UInt64(CLX_RESOLVE_NO_XDEV) }
    while true {
      let fd = clx_openat2(
        directory.raw, path, UInt64(UInt32(bitPattern: flags | O_CLOEXEC)), UInt64(mode), resolve)
      if fd >= 0 { return Descriptor(owning: fd) }
      let number = Glibc.errno
      // EAGAIN: a rename raced with the lookup of "..", and the kernel could not be sure (openat2(2)).
      if number == EINTR || number == EAGAIN { continue }
      throw Failure(errno: number, "open", name + (path.hasPrefix("/") ? "" : "/") + path)
    }
  }

  /// Opens an existing file for writing, following no link and staying on the root's file system.
  ///
  /// - Parameter links: also by links that stay on it, such as procfs's "thread-self".
  public func openForWriting(_ path: String, links: Bool = false) throws(Failure) -> Descriptor {
    try open(path, flags: O_WRONLY, noSymlinks: !links, noCrossing: true)
  }

  /// A directory that must be there and be reached without any link (O_PATH).
  ///
  /// - Throws: ENOENT when nothing is there; ENOTDIR or ELOOP when it is something else.
  public func plainDirectory(_ path: String) throws(Failure) -> Descriptor {
    try open(path, flags: CLX_O_PATH_ | O_DIRECTORY | O_NOFOLLOW, noSymlinks: true)
  }

  /// A location inside the root (O_PATH), following links within it.
  public func locate(_ path: String, noSymlinks: Bool = false) throws(Failure) -> Descriptor {
    let links = noSymlinks ? O_NOFOLLOW : 0
    return try open(path, flags: CLX_O_PATH_ | links, noSymlinks: noSymlinks)
  }

  /// The directory at `path`, made with all its parents where missing (mode 0755, owner root).
  ///
  /// Each component is created below an already held directory, so a link exchanged during the walk
  /// can lead elsewhere inside the root but never out of it.
  public func makeDirectory(_ path: String, mode: UInt32 = 0o755) throws(Failure) -> Descriptor {
    do throws(Failure) {
      return try open(path, flags: CLX_O_PATH_ | O_DIRECTORY)
    } catch  where error.errno == ENOENT {}
    let (parent, leaf) = Root.split(path)
    guard !leaf.isEmpty else {
      throw Failure(errno: ENOENT, "create directory", name + "/" + path)
    }
    let above = try makeDirectory(parent, mode: mode)
    if mkdirat(above.raw, leaf, mode) < 0 && Glibc.errno != EEXIST {
      throw .last("create directory", name + "/" + path)
    }
    return try open(path, flags: CLX_O_PATH_ | O_DIRECTORY)
  }

  /// Makes an empty file at `path` (with its parents) unless something is there; returns its location.
  public func makeFile(_ path: String, mode: UInt32 = 0o644) throws(Failure) -> Descriptor {
    do throws(Failure) { return try locate(path) } catch  where error.errno == ENOENT {}
    let (parent, leaf) = Root.split(path)
    let above = try makeDirectory(parent)
    let fd = clx_open(above.raw, leaf, O_CREAT | O_EXCL | O_WRONLY | O_NOFOLLOW | O_CLOEXEC, mode)
    if fd < 0 && Glibc.errno != EEXIST { throw .last("create file", name + "/" + path) }
    if fd >= 0 { close(fd) }
    return try locate(path)
  }

  /// Opens a regular file for reading; nil when it does not exist.
  ///
  /// A fifo or device in the file's place is refused without blocking (rows 14 and 15).
  public func regularFile(_ path: String) throws(Failure) -> Descriptor? {
    do throws(Failure) {
      // Looked at before it is opened: opening a device can do something.
      if try locate(path).status().st_mode & S_IFMT == S_IFREG {
        let file = try open(path, flags: O_RDONLY | O_NONBLOCK | O_NOCTTY)
        if try file.status().st_mode & S_IFMT == S_IFREG { return file }
      }
    } catch  where error.errno == ENOENT || error.errno == ENOTDIR {
      return nil
    }
    throw Failure(.refused, "read", name + "/" + path, reason: "not a regular file")
  }

  /// Reads a regular file of at most `limit` bytes; nil when it does not exist.
  ///
  /// A fifo or device in the file's place is refused without blocking (rows 14 and 15).
  public func readFile(_ path: String, limit: Int) throws(Failure) -> [UInt8]? {
    let file: Descriptor
    do throws(Failure) {
      // Looked at before it is opened: opening a device can do something.
      guard try locate(path).status().st_mode & S_IFMT == S_IFREG else {
        throw Failure(.refused, "read", name + path, reason: "not a regular file")
      }
      file = try open(path, flags: O_RDONLY | O_NONBLOCK | O_NOCTTY)
    } catch  where error.errno == ENOENT || error.errno == ENOTDIR {
      return nil
    }
    let info = try file.status()
    guard info.st_mode & S_IFMT == S_IFREG else {
      throw Failure(.refused, "read", name + path, reason: "not a regular file")
    }
    guard info.st_size <= limit else {
      throw Failure(.refused, "read", name + path, reason: "larger than \(limit) bytes")
    }
    return try file.readToEnd(limit: limit, object: name + path)
  }

  /// Splits "a/b/c" into ("a/b", "c"); slashes at the end do not count.
  ///
  /// By bytes, as the kernel does: a slash with a combining accent after it is one Character, and a
  /// leaf that kept such a slash would be looked up outside of the root's confinement (row 9).
  static func split(_ path: String) -> (parent: String, leaf: String) {
    let slash = UInt8(ascii: "/")
    var trimmed = path.utf8[...]
    while trimmed.last == slash { trimmed.removeLast() }
    guard let cut = trimmed.lastIndex(of: slash) else {
      return (".", String(decoding: trimmed, as: UTF8.self))
    }
    let parent = trimmed[..<cut]
    let leaf = trimmed[trimmed.index(after: cut)...]
    return (
      parent.isEmpty ? "/" : String(decoding: parent, as: UTF8.self),
      String(decoding: leaf, as: UTF8.self)
    )
  }
}

let CLX_O_PATH_ = Int32(CLX_O_PATH)
