import Glibc
import Linux
import TestSupport
import Testing

/// flock(1) stands for the other process.
@Suite(.enabled(if: hasProgram("flock"), "needs flock"))
struct FileLockTests {
  private func othersCanLock(_ path: String, shared: Bool = false) throws -> Bool {
    let words = shared ? ["flock", "-s", "-n", path, "true"] : ["flock", "-n", path, "true"]
    return try run(words).status == 0
  }

  private func canLock(_ path: String, shared: Bool = false) throws -> Bool {
    guard let lock = try FileLock.tryAcquire(path, shared: shared) else { return false }
    return lock.raw >= 0
  }

  @Test func `a lock excludes other processes for as long as it is held`() throws {
    let directory = try TemporaryDirectory("lock")
    let path = directory.file("lock")
    do {
      let lock = try FileLock.acquire(path)
      #expect(try !othersCanLock(path))
      #expect(try !othersCanLock(path, shared: true))
      #expect(try !canLock(path))
      _ = lock.raw
    }
    #expect(try othersCanLock(path))
  }

  @Test func `shared holders exclude only an exclusive one`() throws {
    let directory = try TemporaryDirectory("lock")
    let path = directory.file("lock")
    let first = try FileLock.acquire(path, shared: true)
    #expect(try canLock(path, shared: true))
    #expect(try othersCanLock(path, shared: true))
    #expect(try !othersCanLock(path))
    #expect(try !canLock(path))
    _ = first.raw
  }

  @Test func `the lock of a file that was removed is none`() throws {
    let directory = try TemporaryDirectory("lock")
    let path = directory.file("lock")
    let old = try FileLock.acquire(path)
    try Files.remove(path)
    #expect(try othersCanLock(path))
    let new = try FileLock.acquire(path)
    #expect(try !othersCanLock(path))
    #expect(old.raw != new.raw)
  }

  @Test func `a child that inherits the descriptor keeps the lock`() throws {
    let directory = try TemporaryDirectory("lock")
    let path = directory.file("lock")
    var held: Int32 = -1
    do {
      let lock = try FileLock.acquire(path)
      held = dup(lock.raw)
    }
    #expect(try !othersCanLock(path))
    close(held)
    #expect(try othersCanLock(path))
  }

  @Test func `a lock file is private and never a link`() throws {
    let directory = try TemporaryDirectory("lock")
    let path = directory.file("lock")
    _ = try FileLock.acquire(path)
    var info = stat()
    try #require(stat(path, &info) == 0)
    #expect(info.st_mode & 0o777 == 0o600)
    try #require(symlink(path, directory.file("link")) == 0)
    #expect(
      thrownBy { () throws(Failure) in _ = try FileLock.acquire(directory.file("link")) }?.errno
        == ELOOP)
  }
}
