import CLinux
import Glibc

/// An owned file descriptor, closed when its owner goes out of scope.
public struct Descriptor: ~Copyable, Sendable {
  /// The number, for system calls; valid as long as the owner lives.
  public let raw: Int32

  /// Takes ownership of an open descriptor.
  public init(owning raw: Int32) { self.raw = raw }

  deinit { Glibc.close(raw) }

  /// Gives up ownership: the caller must close the returned descriptor.
  public consuming func release() -> Int32 {
    let number = raw
    discard self
    return number
  }

  /// A second descriptor for the same open file (F_DUPFD_CLOEXEC), at or above `minimum`.
  public func duplicate(atLeast minimum: Int32 = 3) throws(Failure) -> Descriptor {
    Descriptor(
      owning: try check("duplicate", "descriptor \(raw)") {
        clx_fcntl(raw, F_DUPFD_CLOEXEC, Int(minimum))
      })
  }

  /// A copy of a descriptor that somebody else owns.
  public static func duplicate(of number: Int32) throws(Failure) -> Descriptor {
    Descriptor(
      owning: try check("duplicate", "descriptor \(number)") {
        clx_fcntl(number, F_DUPFD_CLOEXEC, 3)
      })
  }

  /// `fstat(2)` of the open file.
  public func status() throws(Failure) -> stat {
    var info = stat()
    try check("stat", "descriptor \(raw)") { fstat(raw, &info) }
    return info
  }
}

/// How a host path is opened. Paths inside an image, layer, volume or container go through ``Root``.
public enum OpenMode: Sendable {
  case read
  case write
  case readWrite
  /// Creates the file, which must not exist.
  case createNew(mode: UInt32)
  /// Creates or truncates the file.
  case create(mode: UInt32)
  /// Creates the file or appends to it.
  case append(mode: UInt32)
  case directory
  /// A location only (O_PATH).
  case path

  /// open(2)'s flags for reading a directory.
  public static let readDirectoryFlags = O_RDONLY | O_DIRECTORY
  /// open(2)'s flags for the location of a directory.
  public static let directoryPathFlags = Int32(CLX_O_PATH) | O_DIRECTORY

  var flags: (Int32, mode_t) {
    switch self {
    case .read: (O_RDONLY, 0)
    case .write: (O_WRONLY, 0)
    case .readWrite: (O_RDWR, 0)
    case .createNew(let mode): (O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, mode)
    case .create(let mode): (O_RDWR | O_CREAT | O_TRUNC | O_NOFOLLOW, mode)
    case .append(let mode): (O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW, mode)
    case .directory: (O_RDONLY | O_DIRECTORY, 0)
    case .path: (Int32(CLX_O_PATH), 0)
    }
  }
}

extension Descriptor {
  /// Opens a host path, close-on-exec.
  public static func open(_ path: String, _ mode: OpenMode) throws(Failure) -> Descriptor {
    let (flags, permissions) = mode.flags
    return Descriptor(
      owning: try check("open", path) {
        clx_open(AT_FDCWD, path, flags | O_CLOEXEC, permissions)
      })
  }

  /// Opens one name directly below this directory without following a symbolic link.
  public func open(
    _ name: String, _ mode: OpenMode, resolvingLinks: Bool = false
  ) throws(Failure) -> Descriptor {
    let (flags, permissions) = mode.flags
    let links = resolvingLinks ? 0 : O_NOFOLLOW
    return Descriptor(
      owning: try check("open", name) {
        clx_open(raw, name, flags | O_CLOEXEC | links, permissions)
      })
  }

  /// A pipe: bytes written to the second come out of the first. Both close-on-exec.
  public static func pipe() throws(Failure) -> Pipe {
    var pair: [Int32] = [-1, -1]
    try check("create pipe") { clx_pipe_cloexec(&pair) }
    return Pipe(read: Descriptor(owning: pair[0]), write: Descriptor(owning: pair[1]))
  }
}

/// The two ends of a pipe.
@frozen
public struct Pipe: ~Copyable, Sendable {
  /// Gives end-of-file once every copy of the other end is closed.
  public var read: Descriptor
  /// Fails with EPIPE, or raises SIGPIPE, once no reader is left (pipe(7)).
  public var write: Descriptor

  @usableFromInline
  init(read: consuming Descriptor, write: consuming Descriptor) {
    self.read = read
    self.write = write
  }
}

// MARK: - Bytes

/// Reads at most `buffer.count` bytes; 0 is the end of the file.
public func readBytes(
  _ descriptor: Int32, into buffer: UnsafeMutableRawBufferPointer
) throws(Failure) -> Int {
  try checkCount("read", "descriptor \(descriptor)") {
    Glibc.read(descriptor, buffer.baseAddress, buffer.count)
  }
}

/// Reads what is there, at most `limit` bytes; nothing at the end.
public func readSome(_ descriptor: Int32, limit: Int) throws(Failure) -> [UInt8] {
  var bytes = [UInt8](repeating: 0, count: limit)
  var count = 0
  var failure: Failure?
  bytes.withUnsafeMutableBytes { space in
    do throws(Failure) { count = try readBytes(descriptor, into: space) } catch { failure = error }
  }
  if let failure { throw failure }
  bytes.removeLast(limit - count)
  return bytes
}

/// Writes all bytes, however many calls that takes.
public func writeAll(
  _ descriptor: Int32, _ bytes: UnsafeRawBufferPointer, object: String = ""
) throws(Failure) {
  var offset = 0
  while offset < bytes.count {
    offset += try checkCount("write", object.isEmpty ? "descriptor \(descriptor)" : object) {
      Glibc.write(descriptor, bytes.baseAddress! + offset, bytes.count - offset)
    }
  }
}

extension Descriptor {
  /// Writes all bytes of an array or string's UTF-8.
  public func write(_ bytes: [UInt8], object: String = "") throws(Failure) {
    try bytes.withBytes { (raw) throws(Failure) in
      try writeAll(self.raw, raw, object: object)
    }
  }

  /// Everything from the current offset to the end, at most `limit` bytes.
  ///
  /// - Throws: ``Failure/Code/refused`` when there is more than `limit`.
  public func readToEnd(limit: Int, object: String = "") throws(Failure) -> [UInt8] {
    try Linux.readToEnd(raw, limit: limit, object: object)
  }
}

/// Everything from a descriptor's current offset to its end, at most `limit` bytes.
public func readToEnd(
  _ descriptor: Int32, limit: Int, object: String = ""
) throws(Failure) -> [UInt8] {
  var result: [UInt8] = []
  var failure: Failure?
  // Into space that is not set to zero first: most files are small, and lists read hundreds of them.
  withUnsafeTemporaryAllocation(byteCount: 32 << 10, alignment: 16) { space in
    while failure == nil {
      var got = 0
      do throws(Failure) { got = try readBytes(descriptor, into: space) } catch { failure = error }
      if got == 0 { return }
      if result.count + got > limit {
        failure = Failure(.refused, "read", object, reason: "larger than \(limit) bytes")
        return
      }
      result.append(contentsOf: UnsafeRawBufferPointer(rebasing: space[..<got]))
    }
  }
  if var failure {
    if !object.isEmpty { failure.object = object }
    throw failure
  }
  return result
}

extension [UInt8] {
  /// `withUnsafeBytes` that passes on a typed error.
  public func withBytes<Result>(
    _ body: (UnsafeRawBufferPointer) throws(Failure) -> Result
  ) throws(Failure) -> Result {
    let outcome: Swift.Result<Result, Failure> = withUnsafeBytes { bytes in
      do throws(Failure) { return .success(try body(bytes)) } catch { return .failure(error) }
    }
    return try outcome.get()
  }
}
