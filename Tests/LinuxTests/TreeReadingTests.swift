import Glibc
import Linux
import TestSupport
import Testing

@Suite struct TreeReadingTests {
  @Test func `the size of a tree counts each file once and follows no link`() throws {
    let scratch = try TemporaryDirectory("size")
    try Files.makeDirectories(scratch.file("a/b/c"), mode: 0o755)
    try Files.replace(scratch.file("a/one"), with: [UInt8](repeating: 1, count: 1000))
    try Files.replace(scratch.file("a/b/c/two"), with: [UInt8](repeating: 1, count: 200))
    try #require(link(scratch.file("a/one"), scratch.file("a/b/again")) == 0)
    try #require(symlink("/usr", scratch.file("a/link")) == 0)
    try #require(symlink("..", scratch.file("a/b/up")) == 0)
    #expect(try Root(path: scratch.file("a")).contentSize() == 1200)
  }

  @Test func `only the beginning of a regular file is read, and nothing through a link`() throws {
    let scratch = try TemporaryDirectory("head")
    try Files.replace(scratch.file("file"), with: Array("0123456789".utf8))
    try #require(mkfifo(scratch.file("fifo"), 0o600) == 0)
    try #require(symlink("file", scratch.file("link")) == 0)
    let root = try Root(path: scratch.path)
    #expect(root.head(of: "/file", limit: 4) == Array("0123".utf8))
    #expect(root.head(of: "/file", limit: 40)?.count == 10)
    #expect(root.head(of: "/fifo", limit: 4) == nil)
    #expect(root.head(of: "/link", limit: 4) == nil)
    #expect(root.head(of: "/none", limit: 4) == nil)
    #expect(try root.locate("/link", noSymlinks: true).linkTarget == "file")
    #expect(try root.locate("/file", noSymlinks: true).linkTarget == nil)
    #expect(root.entries(of: "/").map(\.name).sorted() == ["fifo", "file", "link"])
    #expect(root.entries(of: "/file").isEmpty)
  }

  @Test func `a record of the kernel's log has a time and a text`() {
    let record = "6,1371,2890903995,-,caller=T1;oom-kill:x=1; y\n SUBSYSTEM=cpu\n"
    #expect(
      KernelLog.Line(record: Array(record.utf8))
        == KernelLog.Line(microseconds: 2_890_903_995, text: "oom-kill:x=1; y"))
    #expect(KernelLog.Line(record: Array("nothing".utf8)) == nil)
    #expect(KernelLog.Line(record: Array("6,x,y;z".utf8)) == nil)
  }
}
