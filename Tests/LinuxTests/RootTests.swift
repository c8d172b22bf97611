import Glibc
import Linux
import TestSupport
import Testing

@testable import Linux

@Suite struct RootTests {
  /// A tree beside a secret that no lookup in the tree may reach.
  struct Arena {
    let directory: TemporaryDirectory
    let tree: String
    let outside: String

    init() throws {
      directory = try TemporaryDirectory("root")
      tree = directory.file("tree")
      outside = directory.file("outside")
      try Files.claimDirectory(tree)
      try Files.claimDirectory(outside)
      try directory.write("outside/secret", "host")
    }

    func root() throws(Failure) -> Linux.Root { try Linux.Root(path: tree) }

    func write(_ name: String, _ text: String) throws {
      try Files.makeDirectories(Files.parent(of: tree + "/" + name))
      try directory.write("tree/" + name, text)
    }

    func link(_ name: String, to target: String) throws {
      try #require(symlink(target, tree + "/" + name) == 0)
    }

    func read(_ path: String) throws(Failure) -> String? {
      try root().readFile(path, limit: 1 << 20).map { String(decoding: $0, as: UTF8.self) }
    }
  }

  @Test func `absolute links and dots stay inside`() throws {
    let arena = try Arena()
    try arena.write("etc/passwd", "inside")
    try arena.link("absolute", to: "/etc/passwd")
    try arena.link("climbing", to: "../../../../../../etc/passwd")
    try arena.link("chain", to: "absolute")
    for path in [
      "etc/passwd", "/etc/passwd", "absolute", "climbing", "chain", "../../etc/passwd",
      "/../etc/./passwd",
    ] {
      #expect(try arena.read(path) == "inside", "\(path)")
    }
  }

  @Test(arguments: ["up/secret", "absolute/secret", "up/../outside/secret", "chain/secret"])
  func `sec09_CVE_2024_45310_aLinkToTheHostLeadsNowhere`(path: String) throws {
    let arena = try Arena()
    try arena.link("up", to: "../outside")
    try arena.link("absolute", to: arena.outside)
    try arena.link("chain", to: "absolute")
    #expect(try arena.read(path) == nil)
    // The same path through a plain open reaches the host's file.
    #expect(Files.text(arena.tree + "/" + path) == "host")
  }

  @Test func `sec02_CVE_2024_21626_magicLinksAreRefused`() throws {
    let proc = try Linux.Root(path: "/proc")
    for path in ["self/root/etc", "self/cwd", "self/exe", "self/fd/0"] {
      let failure = thrownBy { () throws(Failure) in _ = try proc.locate(path) }
      #expect(failure?.errno == ELOOP, "\(path)")
    }
    // Without the confinement the kernel follows them.
    _ = try Descriptor.open("/proc/self/root/etc", .directory)
    _ = try Descriptor.open("/proc/self/cwd", .path)
  }

  @Test func `links can be refused altogether, and other file systems`() throws {
    let arena = try Arena()
    try arena.write("file", "x")
    try arena.link("link", to: "file")
    let root = try arena.root()
    #expect(
      thrownBy { () throws(Failure) in
        _ = try root.open("link", flags: O_RDONLY, noSymlinks: true)
      }?.errno == ELOOP)
    _ = try root.open("file", flags: O_RDONLY, noSymlinks: true)
    _ = try root.open("link", flags: O_RDONLY)
    let host = try Linux.Root(path: "/")
    #expect(
      thrownBy { () throws(Failure) in
        _ = try host.open("proc/stat", flags: O_RDONLY, noCrossing: true)
      }?.errno == EXDEV)
    _ = try host.open("proc/stat", flags: O_RDONLY)
  }

  @Test func `a link in a circle is an error`() throws {
    let arena = try Arena()
    try arena.link("a", to: "b")
    try arena.link("b", to: "a")
    #expect(thrownBy { () throws(Failure) in _ = try arena.read("a") }?.errno == ELOOP)
  }

  // MARK: - Making

  @Test func `directories are made with their parents, through links inside`() throws {
    let arena = try Arena()
    try arena.write("real/file", "")
    try arena.link("link", to: "/real")
    _ = try arena.root().makeDirectory("/link/a/b")
    #expect(Files.exists(arena.tree + "/real/a/b"))
    _ = try arena.root().makeDirectory("link/a/b")
    _ = try arena.root().makeDirectory("new/../other/")
    #expect(Files.exists(arena.tree + "/other"))
    _ = try arena.root().makeDirectory("/")
    #expect(
      thrownBy { () throws(Failure) in _ = try arena.root().makeDirectory("") }?.errno == ENOENT)
  }

  @Test func `sec09_CVE_2025_24965_nothingIsMadeBehindALinkToTheHost`() throws {
    let arena = try Arena()
    try arena.link("absolute", to: arena.outside)
    try arena.link("up", to: "../outside")
    try arena.link("dangling", to: arena.outside + "/new")
    let before = try Files.list(arena.outside)
    for path in ["absolute/x", "up/x", "dangling", "dangling/x", "up/../../outside/x"] {
      _ = thrownBy { () throws(Failure) in _ = try arena.root().makeDirectory(path) }
      _ = thrownBy { () throws(Failure) in _ = try arena.root().makeFile(path + "/file") }
      _ = thrownBy { () throws(Failure) in _ = try arena.root().makeFile(path) }
      #expect(try Files.list(arena.outside) == before, "\(path)")
    }
    // By path the host's directory would have got it.
    try Files.makeDirectories(arena.tree + "/absolute/x")
    #expect(try Files.list(arena.outside) != before)
  }

  @Test func `sec09_CVE_2024_45310_aSlashWithAnAccentIsStillASlash`() throws {
    // "/" with a combining accent behind it is one Character of Swift's.
    let arena = try Arena()
    try arena.link("link", to: arena.outside)
    for path in ["link/\u{301}x", "/link/\u{301}x", "link/\u{301}x/\u{308}y"] {
      _ = thrownBy { () throws(Failure) in _ = try arena.root().makeDirectory(path) }
      _ = thrownBy { () throws(Failure) in _ = try arena.root().makeFile(path + "/f") }
    }
    #expect(try Files.list(arena.outside) == ["secret"])
    #expect(Linux.Root.split("a/\u{301}b").parent == "a")
  }

  @Test func `a file is made empty, unless something is there`() throws {
    let arena = try Arena()
    try arena.write("etc/hosts", "kept")
    _ = try arena.root().makeFile("etc/hosts")
    #expect(try arena.read("etc/hosts") == "kept")
    _ = try arena.root().makeFile("/run/a/file", mode: 0o600)
    #expect(try arena.read("run/a/file") == "")
    #expect(thrownBy { () throws(Failure) in _ = try arena.root().makeFile("") }?.errno == ENOENT)
    #expect(
      thrownBy { () throws(Failure) in _ = try arena.root().makeDirectory("etc/hosts/x") }?.errno
        == ENOTDIR)
  }

  // MARK: - Reading

  @Test func `a file at the limit is read, one byte more is refused`() throws {
    let arena = try Arena()
    try arena.write("file", "12345678")
    #expect(try arena.root().readFile("file", limit: 8)?.count == 8)
    let failure = thrownBy { () throws(Failure) in
      _ = try arena.root().readFile("file", limit: 7)
    }
    #expect(failure?.code == .refused)
    #expect(try arena.root().readFile("none", limit: 7) == nil)
    #expect(try arena.root().readFile("file/below", limit: 7) == nil)
  }

  @Test func `sec15_CVE_2024_9676_aFifoOrDirectoryIsRefusedAtOnce`() throws {
    let arena = try Arena()
    try #require(mkfifo(arena.tree + "/fifo", 0o600) == 0)
    try arena.link("link", to: "fifo")
    for path in ["fifo", "link", "/", "."] {
      let failure = thrownBy { () throws(Failure) in _ = try arena.read(path) }
      #expect(failure?.code == .refused, "\(path)")
    }
  }

  @Test func `paths split as the kernel sees them`() {
    let table: [(String, String, String)] = [
      ("a/b/c", "a/b", "c"), ("/a", "/", "a"), ("a", ".", "a"), ("a/b//", "a", "b"), ("/", ".", ""),
      ("", ".", ""), ("//a", "/", "a"), ("é/ü", "é", "ü"),
    ]
    for (path, parent, leaf) in table {
      let split = Linux.Root.split(path)
      #expect(split.parent == parent && split.leaf == leaf, "\(path): \(split)")
    }
  }

  @Test func `names that are not UTF-8 are found and printed without control characters`() throws {
    let arena = try Arena()
    let name: [UInt8] = [0x61, 0xff, 0x2f, 0xfe]
    _ = try arena.root().makeDirectory(bytes: name)
    _ = try arena.root().open(bytes: name, flags: O_RDONLY)
    let entries = try DirectoryEntries.names(of: Descriptor.open(arena.tree, .directory))
    #expect(entries == [[0x61, 0xff]])
    #expect(Linux.Root.printable(Array("a\u{1b}[2Jb\n".utf8)) == "a?[2Jb?")
    #expect(Linux.Root.printable([UInt8](repeating: 65, count: 400)).hasSuffix("A…"))
  }
}
