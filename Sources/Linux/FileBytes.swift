import CLinux
import Glibc

/// Bytes and properties of open files, beyond the plain reads and writes.
public enum FileBytes {
  /// pread(2): at most `buffer.count` bytes from `offset`; 0 at the end of the file.
  public static func read(
    _ file: Int32, into buffer: UnsafeMutableRawBufferPointer, at offset: Int64
  ) throws(Failure) -> Int {
    try checkCount("read", "descriptor \(file)") {
      pread(file, buffer.baseAddress, buffer.count, off_t(offset))
    }
  }

  /// pwrite(2) of all bytes at `offset`.
  public static func write(
    _ file: Int32, _ bytes: UnsafeRawBufferPointer, at offset: Int64, object: String
  ) throws(Failure) {
    var done = 0
    while done < bytes.count {
      done += try checkCount("write", object) {
        pwrite(file, bytes.baseAddress! + done, bytes.count - done, off_t(offset) + off_t(done))
      }
    }
  }

  /// Moves at most `limit` bytes of a pipe to a file's current position inside the kernel (splice(2));
  /// waits neither for input nor for a reader.
  ///
  /// - Returns: how many; 0 at the end of the pipe.
  /// - Throws: EAGAIN when the pipe has none, ENOSPC when the file system is full.
  public static func splice(
    pipe: Int32, to file: Int32, limit: Int, object: String
  ) throws(Failure) -> Int {
    try checkCount("write", object) { clx_splice(pipe, file, limit, 1 | 2) }
  }

  /// Copies at most `limit` bytes from a file's `offset` to another descriptor inside the kernel
  /// (sendfile(2)).
  ///
  /// - Returns: how many; 0 at the end of the file.
  public static func copy(
    from file: Int32, at offset: Int64, to target: Int32, limit: Int
  ) throws(Failure) -> Int {
    try checkCount("copy", "descriptor \(file)") {
      clx_sendfile_at(target, file, offset, limit)
    }
  }

  /// Sets a file's current position.
  public static func seek(_ file: Int32, to offset: Int64) throws(Failure) {
    if lseek(file, off_t(offset), SEEK_SET) < 0 { throw .last("seek in", "descriptor \(file)") }
  }

  /// ftruncate(2).
  public static func setLength(
    _ file: Int32, _ length: Int64, object: String
  ) throws(Failure) {
    try check("set length of", object) { ftruncate(file, off_t(length)) }
  }

  /// Makes `target` (empty) share the blocks of `source` where the file system can (ioctl_ficlone(2)).
  public static func clone(_ source: Int32, to target: Int32) -> Bool {
    clx_ioctl_value(target, 0x4004_9409 /* FICLONE */, Int(source)) == 0
  }

  /// Free bytes for this user, and the size, of the file system that holds an open file.
  public static func space(of file: Int32) throws(Failure) -> (free: Int64, total: Int64) {
    var info = statvfs()
    try check("stat file system of", "descriptor \(file)") { fstatvfs(file, &info) }
    let block = Int64(info.f_frsize)
    return (Int64(info.f_bavail) * block, Int64(info.f_blocks) * block)
  }

  /// Waits until everything written to the file system that holds an open file is durable (syncfs(2)).
  public static func syncFileSystem(of file: Int32, object: String) throws(Failure) {
    try check("sync", object) { clx_syncfs(file) }
  }

  /// Waits until one of the descriptors can be read (or has ended); true for the first when it can.
  public static func waitReadable(_ first: Int32, or second: Int32) throws(Failure) -> Bool {
    var polls = [
      pollfd(fd: first, events: Int16(POLLIN), revents: 0),
      pollfd(fd: second, events: Int16(POLLIN), revents: 0),
    ]
    try check("poll") { poll(&polls, 2, -1) }
    return polls[1].revents == 0
  }

  /// Sends one message on a connected socket; EPIPE instead of a signal when the other end is gone.
  public static func send(
    _ socket: Int32, _ bytes: UnsafeRawBufferPointer
  ) throws(Failure) {
    try checkCount("send", "message") {
      clx_send_fds(socket, bytes.baseAddress, bytes.count, nil, 0)
    }
  }

  /// Whether a descriptor can be read, or has ended, right now.
  public static func isReadable(_ file: Int32) -> Bool {
    var polls = pollfd(fd: file, events: Int16(POLLIN), revents: 0)
    return poll(&polls, 1, 0) > 0
  }
}

/// What kind of file a descriptor or name is; the raw value is st_mode's type (inode(7)).
public enum FileKind: UInt32, Sendable {
  case fifo = 0o010000
  case characterDevice = 0o020000
  case directory = 0o040000
  case blockDevice = 0o060000
  case regular = 0o100000
  case symbolicLink = 0o120000
  case socket = 0o140000
  case unknown = 0

  /// Decodes st_mode.
  public init(mode: UInt32) { self = FileKind(rawValue: mode & 0o170000) ?? .unknown }

  /// The kind of an open file.
  public static func of(_ descriptor: Int32) throws(Failure) -> FileKind {
    var info = stat()
    try check("stat", "descriptor \(descriptor)") { fstat(descriptor, &info) }
    return FileKind(mode: info.st_mode)
  }
}

extension Files {
  /// Checks that a directory of minidock's own is one that nobody else can reach into: a real directory,
  /// owned by this user, without any right for group and others (security rows 32 and 33).
  public static func verifyPrivateDirectory(_ path: String) throws(Failure) {
    var info = stat()
    try check("stat", path) { lstat(path, &info) }
    guard FileKind(mode: info.st_mode) == .directory else {
      throw Failure(.refused, "use", path, reason: "not a directory", remedy: "remove it")
    }
    guard info.st_uid == geteuid() else {
      throw Failure(
        .refused, "use", path, reason: "it belongs to user \(info.st_uid)",
        remedy: "chown it to user \(geteuid()) or choose another directory")
    }
    guard info.st_mode & 0o077 == 0 else {
      throw Failure(
        .refused, "use", path,
        reason: "its mode 0\(String(info.st_mode & 0o7777, radix: 8)) lets other users in",
        remedy: "run chmod 0700 \(path)")
    }
  }

  /// The bytes of a regular file that is nearly always small, in one read(2); nil when it does not exist.
  public static func readSmall(_ path: String) throws(Failure) -> [UInt8]? {
    let fd = clx_open(AT_FDCWD, path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW, 0)
    if fd < 0 {
      if Glibc.errno == ENOENT { return nil }
      throw .last("open", path)
    }
    let file = Descriptor(owning: fd)
    let capacity = 8192
    let bytes = withUnsafeTemporaryAllocation(byteCount: capacity, alignment: 8) { space in
      let count = Glibc.read(file.raw, space.baseAddress, capacity)
      return count < 0 || count == capacity ? nil : [UInt8](UnsafeRawBufferPointer(space)[..<count])
    }
    if let bytes { return bytes }
    return try read(path)
  }

  /// The size of a file in bytes.
  public static func size(_ path: String) throws(Failure) -> Int64 {
    var info = stat()
    try check("stat", path) { lstat(path, &info) }
    return Int64(info.st_size)
  }

  /// Writes a new file by way of `temporary`, on the same file system, durably (fsync(2)): a kill leaves
  /// the old state, the new state, or besides the old one a file at `temporary`.
  public static func replace(
    _ path: String, with bytes: [UInt8], through temporary: String
  ) throws(Failure) {
    do throws(Failure) {
      let file = try Descriptor.open(temporary, .createNew(mode: 0o600))
      try file.write(bytes, object: path)
      try check("sync", path) { fsync(file.raw) }
      try rename(temporary, to: path)
    } catch {
      unlink(temporary)
      throw error
    }
    try syncDirectory(of: path)
  }

  /// As ``replace(_:with:through:)`` for a symbolic link that is used as a small record.
  public static func replaceLink(
    _ path: String, target: String, through temporary: String
  ) throws(Failure) {
    try check("create", path) { symlink(target, temporary) }
    do throws(Failure) { try rename(temporary, to: path) } catch {
      unlink(temporary)
      throw error
    }
    try syncDirectory(of: path)
  }
}

extension ErrorNumber {
  /// EPIPE.
  public static let brokenPipe = EPIPE
  /// ENOTEMPTY.
  public static let notEmpty = ENOTEMPTY
}

extension [UInt8] {
  /// `withUnsafeMutableBytes` that passes on a typed error.
  public mutating func withMutableBytes<Result>(
    _ body: (UnsafeMutableRawBufferPointer) throws(Failure) -> Result
  ) throws(Failure) -> Result {
    let outcome: Swift.Result<Result, Failure> = withUnsafeMutableBytes { bytes in
      do throws(Failure) { return .success(try body(bytes)) } catch { return .failure(error) }
    }
    return try outcome.get()
  }
}
