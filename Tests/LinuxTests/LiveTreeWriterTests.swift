import Glibc
import Linux
import TestSupport
import Testing

@testable import Linux

@Suite(.enabled(if: isRoot, "needs root")) struct LiveTreeWriterTests {
  let directory: TemporaryDirectory
  static let metadata = TreeWriter.Metadata(
    mode: 0o640, user: 3, group: 4, accessed: FileTime(seconds: 100, nanoseconds: 5),
    modified: FileTime(seconds: 200, nanoseconds: 7))

  init() throws {
    directory = try TemporaryDirectory("live")
    try Files.makeDirectories(directory.file("tree/dir"), mode: 0o755)
    try Files.makeDirectories(directory.file("outside"), mode: 0o755)
    try directory.write("outside/secret", "host")
  }

  private func writer(_ links: LiveTreeWriter.Links) throws -> LiveTreeWriter {
    LiveTreeWriter(
      try Descriptor.open(directory.file("tree"), .path), links: links, name: "tree")
  }

  private func bytes(_ text: String) -> [UInt8] { Array(text.utf8) }

  @discardableResult
  private func put(
    _ path: String, _ writer: inout LiveTreeWriter
  ) -> Failure? {
    do throws(Failure) {
      let file = try writer.createFile(bytes(path))
      try file.write(bytes("new"))
      try writer.finish(file: file, path: bytes(path), LiveTreeWriterTests.metadata)
      return nil
    } catch { return error }
  }

  private func link(_ name: String, to target: String) throws {
    try #require(symlink(target, directory.file("tree/" + name)) == 0)
  }

  @Test func `a link in the way is replaced, not followed`() throws {
    try link("file", to: directory.file("outside/secret"))
    var writer = try writer(.refused)
    #expect(put("file", &writer) == nil)
    #expect(Files.text(directory.file("tree/file")) == "new")
    #expect(Files.text(directory.file("outside/secret")) == "host")
    let status = try Descriptor.open(directory.file("tree/file"), .path).entryStatus()
    #expect(status.mode == 0o640 && status.user == 3 && status.group == 4)
    #expect(status.modified == FileTime(seconds: 200, nanoseconds: 7))
  }

  @Test func `links to parents are refused, confined or rooted as asked`() throws {
    try link("up", to: "../outside")
    try link("absolute", to: "/dir")
    try link("near", to: "dir")
    var plain = try writer(.refused)
    for path in ["up/x", "absolute/x", "near/x"] { #expect(put(path, &plain) != nil) }
    var below = try writer(.below)
    #expect(put("up/x", &below)?.code == .refused)
    #expect(put("absolute/x", &below)?.code == .refused)
    #expect(put("near/x", &below) == nil)
    var rooted = try writer(.asRoot)
    #expect(put("absolute/y", &rooted) == nil && put("missing/made/z", &rooted) == nil)
    #expect(Files.text(directory.file("tree/dir/y")) == "new")
    // ".." of the root is the root, where there is no such directory.
    #expect(put("up/w", &rooted)?.errno == ENOENT)
    #expect(try Files.list(directory.file("outside")) == ["secret"])
  }

  @Test func `directories and others never replace each other`() throws {
    try directory.write("tree/file", "old")
    var writer = try writer(.refused)
    #expect(put("dir", &writer)?.code == .refused)
    let failure = thrownBy { () throws(Failure) in
      try writer.makeDirectory(bytes("file"), LiveTreeWriterTests.metadata)
    }
    #expect(failure?.code == .refused)
    #expect(Files.text(directory.file("tree/file")) == "old")
  }

  @Test func `every kind is made, a whiteout is not`() throws {
    var writer = try writer(.refused)
    let metadata = LiveTreeWriterTests.metadata
    try writer.makeDirectory(bytes("made"), metadata)
    #expect(put("made/a", &writer) == nil)
    try writer.makeHardLink(bytes("made/b"), target: bytes("made/a"))
    try writer.makeHardLink(bytes("made/b"), target: bytes("made/a"))
    try writer.makeLink(bytes("made/l"), target: bytes("/etc"), metadata)
    try writer.makeNode(bytes("made/p"), .fifo, metadata)
    try writer.makeNode(bytes("made/n"), .character(major: 1, minor: 3), metadata)
    let refused = thrownBy { () throws(Failure) in
      try writer.makeNode(bytes("made/w"), .character(major: 0, minor: 0), metadata)
    }
    #expect(refused?.code == .refused)
    try writer.finish()
    let listed = try run(
      [
        "sh", "-c", "cd \"$1\" && find made -printf '%P %y %m %U %G %n %T@ %l\\n' | sort", "x",
        directory.file("tree"),
      ])
    #expect(
      listed.output == """
         d 640 3 4 2 200.0000000070 
        a f 640 3 4 2 200.0000000070 
        b f 640 3 4 2 200.0000000070 
        l l 777 3 4 1 200.0000000070 /etc
        n c 640 3 4 1 200.0000000070 
        p p 640 3 4 1 200.0000000070 

        """)
  }

  @Test func `nothing is written where the kernel shows itself`() throws {
    var writer = LiveTreeWriter(try Descriptor.open("/proc", .path), links: .asRoot, name: "proc")
    #expect(put("sys/kernel/none", &writer)?.code == .refused)
    #expect(put("none", &writer)?.code == .refused)
  }

  @Test func `an output file appears whole or not at all`() throws {
    let path = directory.file("out")
    do {
      let file = try OutputFile(path)
      try file.descriptor.write(bytes("half"))
    }
    #expect(try Files.list(directory.path).sorted() == ["outside", "tree"])
    for text in ["first", "second"] {
      var file = try OutputFile(path)
      try file.descriptor.write(bytes(text))
      try file.publish()
      #expect(Files.text(path) == text)
    }
    #expect(try Files.list(directory.path).sorted() == ["out", "outside", "tree"])
    try #require(mkfifo(directory.file("fifo"), 0o600) == 0)
    let failure = thrownBy { () throws(Failure) in _ = try OutputFile(directory.file("fifo")) }
    #expect(failure?.code == .refused)
  }
}
