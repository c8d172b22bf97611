import CLinux
import Glibc

/// An advisory lock on a file (flock(2)): held until its owner goes out of scope or dies.
public struct FileLock: ~Copyable, Sendable {
  private let file: Descriptor

  private init(_ file: consuming Descriptor) { self.file = file }

  /// Waits for the lock of `path`, which is created (0600) when missing and never removed while held.
  ///
  /// - Parameter shared: many holders at a time that exclude only the exclusive one.
  public static func acquire(_ path: String, shared: Bool = false) throws(Failure) -> FileLock {
    while true {
      let file = try open(path)
      try check("lock", path) { flock(file.raw, shared ? LOCK_SH : LOCK_EX) }
      if try isCurrent(file, path) { return FileLock(file) }
    }
  }

  /// The lock of `path`, or nil when somebody else holds it.
  public static func tryAcquire(_ path: String, shared: Bool = false) throws(Failure) -> FileLock? {
    let file = try open(path)
    if flock(file.raw, (shared ? LOCK_SH : LOCK_EX) | LOCK_NB) < 0 {
      if Glibc.errno == EWOULDBLOCK { return nil }
      throw .last("lock", path)
    }
    return try isCurrent(file, path) ? FileLock(file) : nil
  }

  /// The descriptor, to hand the lock to a child process.
  public var raw: Int32 { file.raw }

  private static func open(_ path: String) throws(Failure) -> Descriptor {
    Descriptor(
      owning: try check("open lock", path) {
        clx_open(AT_FDCWD, path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0o600)
      })
  }

  // A lock file may be removed together with what it guards; a lock on the removed file is none.
  private static func isCurrent(
    _ file: borrowing Descriptor, _ path: String
  ) throws(Failure) -> Bool {
    var now = stat()
    guard stat(path, &now) == 0 else { return false }
    let held = try file.status()
    return now.st_ino == held.st_ino && now.st_dev == held.st_dev
  }
}
