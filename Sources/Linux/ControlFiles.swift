import CLinux
import Glibc

/// A directory of a kernel control file system (cgroupfs, sysfs, procfs): small files of which each
/// write(2) is one command to the kernel.
public struct ControlDirectory: Sendable, Equatable, Hashable {
  /// The absolute path, without a slash at its end.
  public let path: String

  /// The directory at a host path, which need not exist.
  public init(_ path: String) { self.path = path }

  /// A file or directory below.
  public func file(_ name: String) -> String { path + "/" + name }

  /// Whether a file or directory of that name exists.
  public func has(_ name: String) -> Bool { access(file(name), F_OK) == 0 }

  /// Whether the directory itself exists.
  public var exists: Bool { access(path, F_OK) == 0 }

  /// Whether this is the mount point of, or a directory in, a cgroup v2 tree (statfs(2)).
  public var isUnifiedCgroup: Bool {
    let fd = clx_open(AT_FDCWD, path, Int32(CLX_O_PATH) | O_CLOEXEC, 0)
    if fd < 0 { return false }
    defer { close(fd) }
    let cgroup2Magic = 0x6367_7270
    return clx_statfs_type(fd) == cgroup2Magic
  }

  /// Writes one value into an existing file.
  public func write(_ name: String, _ value: String) throws(Failure) {
    try write(name, each: [value])
  }

  /// Writes several values into a file opened once, each by a write(2) of its own.
  public func write(_ name: String, each values: [String]) throws(Failure) {
    let path = file(name)
    let fd = clx_open(AT_FDCWD, path, O_WRONLY | O_CLOEXEC, 0)
    if fd < 0 { throw .last("open", path) }
    defer { close(fd) }
    for var value in values {
      let written = value.withUTF8 { bytes in
        // A retry after EINTR is safe: the kernel has not taken the value then.
        while true {
          let count = Glibc.write(fd, bytes.baseAddress, bytes.count)
          if count >= 0 || Glibc.errno != EINTR { return count }
        }
      }
      if written < 0 {
        var failure = Failure.last("write", path)
        failure.reason = "\(errorText(failure.errno)) for \"\(value)\""
        throw failure
      }
    }
  }

  /// The whole content of a file; nil when it cannot be read.
  public func bytes(_ name: String) -> [UInt8]? { ControlDirectory.bytes(of: file(name)) }

  /// The content of a file without the white space around it; nil when it cannot be read.
  public func text(_ name: String) -> String? {
    guard var content = bytes(name) else { return nil }
    while let last = content.last, last <= 32 { content.removeLast() }
    return String(decoding: content, as: UTF8.self)
  }

  /// A file holding one integer; nil when it cannot be read or holds something else ("max").
  public func number(_ name: String) -> Int64? { text(name).flatMap { Int64($0) } }

  /// The value of a key in a file of "key value" lines (memory.stat, cpu.stat, cgroup.events).
  public func number(_ name: String, key: String) -> Int64? {
    guard let content = bytes(name) else { return nil }
    let wanted = Array((key + " ").utf8)
    for line in content.split(separator: UInt8(ascii: "\n")) where line.starts(with: wanted) {
      return Int64(String(decoding: line.dropFirst(wanted.count), as: UTF8.self))
    }
    return nil
  }

  /// The words of a file, split at white space; none when it cannot be read.
  public func words(_ name: String) -> [String] {
    (bytes(name) ?? []).split { $0 <= 32 }.map { String(decoding: $0, as: UTF8.self) }
  }

  /// The subdirectories' names.
  public func subdirectories() -> [String] {
    guard let stream = opendir(path) else { return [] }
    defer { closedir(stream) }
    var names: [String] = []
    while let entry = readdir(stream) {
      guard entry.pointee.d_type == UInt8(DT_DIR) else { continue }
      let name = withUnsafePointer(to: &entry.pointee.d_name) {
        $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
      }
      if name != "." && name != ".." { names.append(name) }
    }
    return names
  }

  /// Makes the directory itself; false when something of that name exists already.
  public func make() throws(Failure) -> Bool {
    if mkdir(path, 0o755) == 0 { return true }
    if Glibc.errno == EEXIST { return false }
    throw .last("create cgroup", path)
  }

  /// Removes the directory itself; false when there was none.
  @discardableResult
  public func remove() throws(Failure) -> Bool {
    if rmdir(path) == 0 { return true }
    if Glibc.errno == ENOENT { return false }
    throw .last("remove cgroup", path)
  }

  /// The whole content of a small file; nil when it cannot be opened or read.
  public static func bytes(of path: String) -> [UInt8]? {
    let fd = clx_open(AT_FDCWD, path, O_RDONLY | O_CLOEXEC, 0)
    if fd < 0 { return nil }
    defer { close(fd) }
    var result = [UInt8](unsafeUninitializedCapacity: 8192) { space, used in
      used = max(0, readRetrying(fd, space.baseAddress, 8192))
    }
    // The kernel gives whole lines and may stop short of the space, so only 0 tells the end.
    while true {
      var count = 0
      let more = [UInt8](unsafeUninitializedCapacity: 65536) { space, used in
        count = readRetrying(fd, space.baseAddress, 65536)
        used = max(0, count)
      }
      if count < 0 { return nil }
      if count == 0 { return result }
      result += more
    }
  }

  private static func readRetrying(
    _ fd: Int32, _ space: UnsafeMutablePointer<UInt8>?, _ count: Int
  ) -> Int {
    while true {
      let result = Glibc.read(fd, space, count)
      if result >= 0 || Glibc.errno != EINTR { return result }
    }
  }
}

/// What an error number means to a caller that acts on it, so that no other module needs libc's names.
extension Failure {
  /// ENOENT.
  public var isMissing: Bool { errno == ENOENT }
  /// EBUSY.
  public var isBusy: Bool { errno == EBUSY }
  /// EACCES, EPERM or EROFS.
  public var isDenied: Bool { errno == EACCES || errno == EPERM || errno == EROFS }
  /// EINVAL or ERANGE.
  public var isInvalid: Bool { errno == EINVAL || errno == ERANGE }
  /// EOPNOTSUPP or ENOSYS.
  public var isUnsupported: Bool { errno == EOPNOTSUPP || errno == ENOSYS }
  /// ENODEV.
  public var isNoDevice: Bool { errno == ENODEV }
}

/// Sleeps; for the short waits between attempts at something the kernel finishes by itself.
public func pause(microseconds: UInt32) { usleep(microseconds) }
