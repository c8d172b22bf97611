import CLinux
import Glibc

/// Host files of minidock's own (never paths inside an image, volume or container: see ``Root``).
public enum Files {
  /// Whether something is at `path`, following links.
  public static func exists(_ path: String) -> Bool { access(path, F_OK) == 0 }

  /// Whether this process, by its effective ids, may execute the file at `path`.
  public static func isExecutable(_ path: String) -> Bool {
    faccessat(AT_FDCWD, path, X_OK, AT_EACCESS) == 0
  }

  /// The file's bytes, at most `limit`; nil when it does not exist.
  public static func read(_ path: String, limit: Int = 8 << 20) throws(Failure) -> [UInt8]? {
    let fd = clx_open(AT_FDCWD, path, O_RDONLY | O_CLOEXEC, 0)
    if fd < 0 {
      if Glibc.errno == ENOENT { return nil }
      throw .last("open", path)
    }
    let file = Descriptor(owning: fd)
    return try file.readToEnd(limit: limit, object: path)
  }

  /// Passes on a regular file of minidock's own, which is replaced whole and mostly fits one read(2); nil
  /// when it does not exist.
  static func withSmallFile<Result>(
    _ path: String, _ body: (UnsafeRawBufferPointer) -> Result
  ) throws(Failure) -> Result? {
    let fd = clx_open(AT_FDCWD, path, O_RDONLY | O_CLOEXEC, 0)
    if fd < 0 {
      if Glibc.errno == ENOENT { return nil }
      throw .last("open", path)
    }
    let file = Descriptor(owning: fd)
    var failure: Failure?
    let result: Result? = withUnsafeTemporaryAllocation(byteCount: 8 << 10, alignment: 16) {
      space in
      do throws(Failure) {
        let count = try readBytes(file.raw, into: space)
        if count < space.count {
          return body(UnsafeRawBufferPointer(rebasing: space[..<count]))
        }
        let rest = try file.readToEnd(limit: 16 << 20, object: path)
        return (Array(space[..<count]) + rest).withUnsafeBytes { body($0) }
      } catch {
        failure = error
        return nil
      }
    }
    if let failure { throw failure }
    return result
  }

  /// The file's text without the white space around it; nil when it does not exist or is no file.
  public static func text(_ path: String) -> String? {
    guard let bytes = try? read(path) else { return nil }
    return String(decoding: bytes, as: UTF8.self).trimmed
  }

  /// Writes into an existing file, such as one of /proc, /sys or a cgroup, in one write(2).
  public static func write(_ text: String, into path: String) throws(Failure) {
    let file = try Descriptor.open(path, .write)
    try file.write(Array(text.utf8), object: path)
  }

  /// Replaces a file whole: readers see the old or the new content, never a part.
  ///
  /// - Parameter durable: also waits until it would survive a loss of power (fsync of file and folder).
  public static func replace(
    _ path: String, with bytes: [UInt8], mode: UInt32 = 0o600, durable: Bool = false
  ) throws(Failure) {
    let temporary = "\(path).\(getpid()).tmp"
    do throws(Failure) {
      unlink(temporary)
      let file = try Descriptor.open(temporary, .createNew(mode: mode))
      try file.write(bytes, object: path)
      if durable { try check("sync", path) { fsync(file.raw) } }
      try check("rename", path) { Glibc.rename(temporary, path) }
    } catch {
      unlink(temporary)
      throw error
    }
    if durable { try syncDirectory(of: path) }
  }

  /// Makes the directory entry of `path` survive a loss of power.
  public static func syncDirectory(of path: String) throws(Failure) {
    let folder = try Descriptor.open(parent(of: path), .directory)
    try check("sync", path) { fsync(folder.raw) }
  }

  /// Makes a directory with its parents; one that exists is left as it is.
  public static func makeDirectories(_ path: String, mode: UInt32 = 0o700) throws(Failure) {
    if mkdir(path, mode) == 0 { return }
    let number = Glibc.errno
    if number == EEXIST { return }
    guard number == ENOENT, parent(of: path) != path else {
      throw Failure(errno: number, "create directory", path)
    }
    try makeDirectories(parent(of: path), mode: mode)
    if mkdir(path, mode) < 0 && Glibc.errno != EEXIST { throw .last("create directory", path) }
  }

  /// Makes one directory that must not exist: the atomic claim of a name.
  public static func claimDirectory(_ path: String, mode: UInt32 = 0o700) throws(Failure) {
    try check("create directory", path) { mkdir(path, mode) }
  }

  /// The names in a directory but for "." and ".."; none when it does not exist.
  public static func list(_ path: String) throws(Failure) -> [String] {
    guard let stream = opendir(path) else {
      if Glibc.errno == ENOENT { return [] }
      throw .last("open directory", path)
    }
    defer { closedir(stream) }
    var names: [String] = []
    while let entry = readdir(stream) {
      let name = withUnsafePointer(to: &entry.pointee.d_name) {
        $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
      }
      if name != "." && name != ".." { names.append(name) }
    }
    return names
  }

  /// Sets permission bits (chmod(2)).
  public static func setPermissions(_ path: String, _ mode: UInt32) throws(Failure) {
    try check("change mode of", path) { chmod(path, mode_t(mode)) }
  }

  /// Renames, replacing what is at `target`.
  public static func rename(_ source: String, to target: String) throws(Failure) {
    try check("rename \(source) to", target) { Glibc.rename(source, target) }
  }

  /// Renames, failing with EEXIST when something is at `target`.
  public static func renameNew(_ source: String, to target: String) throws(Failure) {
    try check("rename \(source) to", target) {
      clx_renameat2(AT_FDCWD, source, AT_FDCWD, target, 1 /* RENAME_NOREPLACE */)
    }
  }

  /// Removes a file; one that does not exist is no failure.
  public static func remove(_ path: String) throws(Failure) {
    if unlink(path) < 0 && Glibc.errno != ENOENT { throw .last("remove", path) }
  }

  /// Removes a directory with nothing in it; false when it is not there or holds something.
  @discardableResult
  public static func removeEmptyDirectory(_ path: String) -> Bool { rmdir(path) == 0 }

  /// Removes a tree that minidock owns, whatever is in it, never following a link nor crossing into
  /// another file system; a tree that does not exist is no failure.
  public static func removeTree(_ path: String) throws(Failure) {
    if unlink(path) == 0 || Glibc.errno == ENOENT { return }
    let fd = clx_open(AT_FDCWD, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC, 0)
    if fd < 0 {
      if Glibc.errno == ENOENT { return }
      throw .last("remove", path)
    }
    let directory = Descriptor(owning: fd)
    try empty(directory, name: path)
    if rmdir(path) < 0 && Glibc.errno != ENOENT { throw .last("remove", path) }
  }

  /// Removes everything below an open directory.
  public static func empty(
    _ directory: borrowing Descriptor, name: String
  ) throws(Failure) {
    let device = try directory.status().st_dev
    // A deep tree must not exhaust the stack or the descriptors: subdirectories are moved up and
    // emptied in turn, so that never more than two directories are open.
    try removeEntries(of: directory, device: device, name: name, depth: 0, top: directory.raw)
  }

  /// Removes a tree as ``removeTree(_:)`` when it is small.
  ///
  /// - Parameter limit: the most entries to remove.
  /// - Returns: false when there are more; what is left of the tree is still there then.
  public static func removeSmallTree(_ path: String, limit: Int) throws(Failure) -> Bool {
    var left = limit
    guard let directory = try? Descriptor.open(path, .directory) else { return false }
    guard try removeFew(below: directory, name: path, left: &left) else { return false }
    return rmdir(path) == 0
  }

  private static func removeFew(
    below directory: borrowing Descriptor, name: String, left: inout Int
  ) throws(Failure) -> Bool {
    for (entry, isDirectory) in try DirectoryEntries.typed(of: directory) {
      left -= 1
      if left < 0 { return false }
      if isDirectory {
        let fd = entry.withCStringBytes {
          clx_open(directory.raw, $0, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC, 0)
        }
        if fd < 0 { return false }
        let child = Descriptor(owning: fd)
        guard try removeFew(below: child, name: name, left: &left) else { return false }
      }
      let flags = isDirectory ? AT_REMOVEDIR : 0
      if entry.withCStringBytes({ unlinkat(directory.raw, $0, flags) }) < 0 { return false }
    }
    return true
  }

  private static func removeEntries(
    of directory: borrowing Descriptor, device: dev_t, name: String, depth: Int, top: Int32
  ) throws(Failure) {
    for entry in try DirectoryEntries.names(of: directory) {
      var entry = entry
      entry.append(0)
      let removed = entry.withCStringBytes { unlinkat(directory.raw, $0, 0) }
      if removed == 0 || Glibc.errno == ENOENT { continue }
      guard Glibc.errno == EISDIR || Glibc.errno == EPERM else {
        throw .last("remove", name + "/" + String(decoding: entry.dropLast(), as: UTF8.self))
      }
      let fd = entry.withCStringBytes {
        clx_open(directory.raw, $0, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC, 0)
      }
      let inner = name + "/" + String(decoding: entry.dropLast(), as: UTF8.self)
      if fd < 0 { throw .last("remove", inner) }
      let child = Descriptor(owning: fd)
      if try child.status().st_dev != device {
        throw Failure(.refused, "remove", inner, reason: "a file system is mounted there")
      }
      if depth >= 200 {
        let parked = ".deep-\(getpid())-\(UInt64.random(in: 0 ... .max))"
        let moved = entry.withCStringBytes { clx_renameat2(directory.raw, $0, top, parked, 0) }
        if moved < 0 { throw .last("remove", inner) }
        continue
      }
      try removeEntries(of: child, device: device, name: inner, depth: depth + 1, top: top)
      let gone = entry.withCStringBytes { unlinkat(directory.raw, $0, AT_REMOVEDIR) }
      if gone < 0 && Glibc.errno != ENOENT { throw .last("remove", inner) }
    }
    // What was parked at the top by the depth guard is emptied in a further round.
    if depth == 0, !(try DirectoryEntries.names(of: directory)).isEmpty {
      try removeEntries(of: directory, device: device, name: name, depth: 0, top: top)
    }
  }

  /// The directory part of a path.
  public static func parent(of path: String) -> String { Root.split(path).parent }

  /// The last component of a path.
  public static func name(of path: String) -> String { Root.split(path).leaf }
}

/// Names in a directory as bytes: a name need not be UTF-8.
public enum DirectoryEntries {
  /// All names but "." and "..", read from the start.
  public static func names(of directory: borrowing Descriptor) throws(Failure) -> [[UInt8]] {
    try typed(of: directory).map { [UInt8]($0.name.dropLast()) }
  }

  /// All names but "." and ".." with a zero at their end, and whether the directory says that it is a
  /// directory (not all file systems do).
  static func typed(
    of directory: borrowing Descriptor
  ) throws(Failure) -> [(name: [UInt8], isDirectory: Bool)] {
    lseek(directory.raw, 0, SEEK_SET)
    var names: [(name: [UInt8], isDirectory: Bool)] = []
    let size = 32 << 10
    let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: size, alignment: 8)
    defer { buffer.deallocate() }
    while true {
      let count = Int(
        try check("read directory", "descriptor \(directory.raw)") {
          clx_getdents64(directory.raw, buffer.baseAddress, UInt32(size))
        })
      if count == 0 { return names }
      var offset = 0
      while offset < count {
        // struct linux_dirent64: ino 8, off 8, reclen 2, type 1, name
        let length = Int(buffer.loadUnaligned(fromByteOffset: offset + 16, as: UInt16.self))
        let start = buffer.baseAddress! + offset + 19
        let text = UnsafeRawBufferPointer(start: start, count: length - 19)
        var name = [UInt8](text.prefix { $0 != 0 })
        let type = buffer.loadUnaligned(fromByteOffset: offset + 18, as: UInt8.self)
        if name != [46] && name != [46, 46] {
          name.append(0)
          names.append((name, type == 4 /* DT_DIR */))
        }
        offset += length
      }
    }
  }
}

extension [UInt8] {
  /// Passes a zero-terminated byte array as a C string.
  @inline(__always)
  public func withCStringBytes<Result>(_ body: (UnsafePointer<CChar>) -> Result) -> Result {
    withUnsafeBytes { body($0.baseAddress!.assumingMemoryBound(to: CChar.self)) }
  }
}

extension StringProtocol {
  /// The text without white space at its ends.
  public var trimmed: String {
    var text = self[...]
    while let last = text.last, last.isWhitespace { text.removeLast() }
    while let first = text.first, first.isWhitespace { text.removeFirst() }
    return String(text)
  }
}
