import Glibc
import Linux
import TestSupport
import Testing

@Suite struct FilesTests {
  private func mode(_ path: String) -> UInt32 {
    var info = stat()
    return lstat(path, &info) == 0 ? info.st_mode & 0o7777 : 0
  }

  @Test func `a replaced file has the new content and mode, and leaves nothing beside it`() throws {
    let directory = try TemporaryDirectory("files")
    let path = directory.file("record")
    try Files.replace(path, with: [1, 2, 3], mode: 0o644)
    try Files.replace(path, with: [4], durable: true)
    #expect(try Files.read(path) == [4])
    #expect(mode(path) == 0o600)
    #expect(try Files.list(directory.path) == ["record"])
  }

  @Test func `a reader who has the old file open goes on reading it`() throws {
    let directory = try TemporaryDirectory("files")
    let path = try directory.write("record", "old")
    let reader = try Descriptor.open(path, .read)
    try Files.replace(path, with: Array("new".utf8))
    #expect(try reader.readToEnd(limit: 100) == Array("old".utf8))
    #expect(Files.text(path) == "new")
  }

  @Test func `a link is replaced, not written through`() throws {
    let directory = try TemporaryDirectory("files")
    let victim = try directory.write("victim", "kept")
    try #require(symlink(victim, directory.file("record")) == 0)
    // Nor is one planted under the temporary name.
    try #require(symlink(victim, directory.file("record.\(getpid()).tmp")) == 0)
    try Files.replace(directory.file("record"), with: Array("new".utf8))
    #expect(Files.text(victim) == "kept")
    #expect(Files.text(directory.file("record")) == "new")
  }

  @Test func `a replace that fails leaves the old file and no other`() throws {
    let directory = try TemporaryDirectory("files")
    try Files.claimDirectory(directory.file("taken"))
    try directory.write("taken/inside", "")
    let failure = thrownBy { () throws(Failure) in
      try Files.replace(directory.file("taken"), with: [1])
    }
    #expect(failure?.errno == EISDIR)
    #expect(try Files.list(directory.path) == ["taken"])
    #expect(
      thrownBy { () throws(Failure) in
        try Files.replace(directory.file("none/x"), with: [1])
      }?.errno == ENOENT)
  }

  @Test func `reading is bounded and a missing file is nil`() throws {
    let directory = try TemporaryDirectory("files")
    let path = try directory.write("ten", "0123456789")
    #expect(try Files.read(path, limit: 10)?.count == 10)
    #expect(
      thrownBy { () throws(Failure) in _ = try Files.read(path, limit: 9) }?.code == .refused)
    #expect(try Files.read(directory.file("none")) == nil)
    #expect(Files.text(directory.file("none")) == nil)
    #expect(thrownBy { () throws(Failure) in _ = try Files.read(directory.path) }?.errno == EISDIR)
  }

  @Test(arguments: [0, 1, 4095, 4096, 4097, 100_000])
  func `content of every size is read whole`(size: Int) throws {
    let directory = try TemporaryDirectory("files")
    let bytes = (0..<size).map { UInt8(truncatingIfNeeded: $0 &* 7) }
    try Files.replace(directory.file("f"), with: bytes)
    #expect(try Files.read(directory.file("f"), limit: size) == bytes)
    if size > 0 {
      #expect(
        thrownBy { () throws(Failure) in
          _ = try Files.read(directory.file("f"), limit: size - 1)
        }?.code == .refused)
    }
  }

  @Test func `a directory is claimed once`() throws {
    let directory = try TemporaryDirectory("files")
    try Files.claimDirectory(directory.file("id"))
    let failure = thrownBy { () throws(Failure) in try Files.claimDirectory(directory.file("id")) }
    #expect(failure?.errno == EEXIST)
    try Files.makeDirectories(directory.file("a/b/c"))
    try Files.makeDirectories(directory.file("a/b/c"))
    #expect(Files.exists(directory.file("a/b/c")))
    #expect(try Files.list(directory.file("none")) == [])
  }

  @Test func `renameNew never replaces`() throws {
    let directory = try TemporaryDirectory("files")
    let old = try directory.write("old", "old")
    let new = try directory.write("new", "new")
    #expect(
      thrownBy { () throws(Failure) in try Files.renameNew(new, to: old) }?.errno == EEXIST)
    #expect(Files.text(old) == "old")
    try Files.renameNew(new, to: directory.file("free"))
    try Files.rename(directory.file("free"), to: old)
    #expect(Files.text(old) == "new")
    try Files.remove(old)
    try Files.remove(old)
    #expect(try Files.list(directory.path) == [])
  }

  // MARK: - Trees

  @Test func `a tree goes with its links, and what they lead to stays`() throws {
    let directory = try TemporaryDirectory("files")
    try directory.write("victim", "kept")
    try Files.makeDirectories(directory.file("tree/a/b"))
    try Files.makeDirectories(directory.file("folder"))
    try directory.write("folder/file", "kept")
    try directory.write("tree/a/file", "")
    try #require(symlink(directory.file("victim"), directory.file("tree/a/link")) == 0)
    try #require(symlink(directory.file("folder"), directory.file("tree/a/b/link")) == 0)
    try #require(mkfifo(directory.file("tree/fifo"), 0o600) == 0)
    try Files.removeTree(directory.file("tree"))
    #expect(try Files.list(directory.path).sorted() == ["folder", "victim"])
    #expect(Files.text(directory.file("folder/file")) == "kept")
    // A link in the tree's own place goes, too.
    try #require(symlink(directory.file("folder"), directory.file("tree")) == 0)
    try Files.removeTree(directory.file("tree"))
    #expect(Files.text(directory.file("folder/file")) == "kept")
    try Files.removeTree(directory.file("tree"))
  }

  @Test func `a tree deeper than any path goes`() throws {
    let directory = try TemporaryDirectory("files")
    try Files.claimDirectory(directory.file("tree"))
    var here = try Descriptor.open(directory.file("tree"), .directory)
    for level in 0..<1500 {
      try #require(mkdirat(here.raw, "deeper-than-path-max", 0o700) == 0)
      if level % 300 == 0 { try #require(symlinkat("/etc", here.raw, "link") == 0) }
      here = try here.open("deeper-than-path-max", .directory)
    }
    try Files.removeTree(directory.file("tree"))
    #expect(try Files.list(directory.path) == [])
    #expect(Files.exists("/etc/passwd"))
  }

  @Test func `a wide tree with names that are not UTF-8 goes`() throws {
    let directory = try TemporaryDirectory("files")
    let top = try Descriptor.open(directory.path, .directory)
    try #require(mkdirat(top.raw, "tree", 0o700) == 0)
    let tree = try top.open("tree", .directory)
    for number in 0..<3000 {
      let name: [UInt8] = [0xff, 0x80] + Array("\(number)".utf8) + [0]
      try #require(name.withCStringBytes { mkdirat(tree.raw, $0, 0o700) } == 0)
    }
    #expect(try DirectoryEntries.names(of: tree).count == 3000)
    try Files.removeTree(directory.file("tree"))
    #expect(try Files.list(directory.path) == [])
  }

  @Test func `only a directory that is private passes as one`() throws {
    let directory = try TemporaryDirectory("files")
    let path = directory.file("private")
    try Files.claimDirectory(path)
    try Files.verifyPrivateDirectory(path)
    for bits: UInt32 in [0o701, 0o710, 0o704, 0o777] {
      try #require(chmod(path, bits) == 0)
      let failure = thrownBy { () throws(Failure) in try Files.verifyPrivateDirectory(path) }
      #expect(failure?.code == .refused)
      #expect(failure?.remedy == "run chmod 0700 \(path)")
    }
    try #require(chmod(path, 0o700) == 0)
    try #require(symlink(path, directory.file("link")) == 0)
    #expect(
      thrownBy { () throws(Failure) in
        try Files.verifyPrivateDirectory(directory.file("link"))
      }?.code == .refused)
  }

  @Test func `only a file of one's own is believed`() throws {
    let directory = try TemporaryDirectory("files")
    let path = directory.file("cache")
    try Files.replace(path, with: [1, 2, 3])
    #expect(Files.ownBytes(path, limit: 3) == [1, 2, 3])
    #expect(Files.ownBytes(path, limit: 2) == nil)
    try #require(symlink(path, directory.file("link")) == 0)
    #expect(Files.ownBytes(directory.file("link"), limit: 3) == nil)
    try #require(chmod(path, 0o640) == 0)
    #expect(Files.ownBytes(path, limit: 3) == nil)
    #expect(Files.ownBytes(directory.path, limit: 3) == nil)
    try #require(mkfifo(directory.file("fifo"), 0o600) == 0)
    #expect(Files.ownBytes(directory.file("fifo"), limit: 3) == nil)
  }
}
