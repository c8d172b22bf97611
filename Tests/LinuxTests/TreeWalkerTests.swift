import Glibc
import Linux
import TestSupport
import Testing

@testable import Linux

@Suite struct TreeWalkerTests {
  let directory: TemporaryDirectory

  init() throws { directory = try TemporaryDirectory("walk") }

  private let missing = Failure(.notFound, "find", "entry", reason: "it is missing")

  private func make(_ script: String) throws {
    let result = try run(["bash", "-ec", "cd \"$1\"; " + script, "make", directory.path])
    try #require(result.status == 0, "\(result.errors)")
  }

  private func paths(skipping skipped: String = "") throws -> [[UInt8]] {
    var found: [[UInt8]] = []
    let top = try Descriptor.open(directory.path, .path)
    try TreeWalker.walk(top, name: "test") { (entry) throws(Failure) in
      found.append(entry.path)
      return entry.path == Array(skipped.utf8) && !skipped.isEmpty ? .skip : .descend
    }
    return found
  }

  @Test func `parents come first and names in the order of their bytes`() throws {
    try make("mkdir -p b/c a; touch b/c/f b/a a/z B; touch $'b/\\xff'; ln -s / link")
    let text = try paths().map { $0.map { $0 == 255 ? "?" : String(UnicodeScalar($0)) }.joined() }
    #expect(text == ["", "B", "a", "a/z", "b", "b/a", "b/c", "b/c/f", "b/?", "link"])
    #expect(try paths(skipping: "b").count == 6)
  }

  @Test func `a tree deeper than any path is walked to its end`() throws {
    // 300 levels of names of 100 bytes: seven times what one path can hold.
    try make("n=$(printf 'd%.0s' {1..100}); for i in {1..300}; do mkdir $n; cd $n; done; touch end")
    let found = try paths()
    #expect(found.count == 302)
    #expect(found.last?.count == 300 * 101 + 3)
  }

  @Test func `directories beside a deep one are still found after it`() throws {
    try make("mkdir -p top; cd top; touch zz; for i in {1..200}; do mkdir d; touch z; cd d; done")
    let found = try paths().map { String(decoding: $0, as: UTF8.self) }
    #expect(found.count == 1 + 1 + 1 + 200 + 200)
    #expect(found.suffix(2) == ["top/z", "top/zz"])
  }

  @Test func `a directory that is moved away while the walk is below it ends the walk`() throws {
    try make("mkdir -p in out; cd in; for i in {1..200}; do mkdir d; cd d; done")
    let top = try Descriptor.open(directory.file("in"), .path)
    let moved = directory.file("in/d/d")
    let target = directory.file("out/d")
    let failure = thrownBy { () throws(Failure) in
      try TreeWalker.walk(top, name: "test") { (entry) throws(Failure) in
        // Far enough below for the way back to lead through "..".
        if entry.depth == 150 { rename(moved, target) }
        return .descend
      }
    }
    #expect(failure?.code == .refused && failure?.description.contains("moved") == true)
  }

  @Test func `a fifo is known as one and never opened`() throws {
    try make("mkfifo fifo; echo text > file")
    let top = try Descriptor.open(directory.path, .directory)
    guard let fifo = try TreeEntry.find(Array("fifo".utf8), in: top.raw, path: [120]) else {
      throw missing
    }
    #expect(fifo.status.kind == .fifo)
    // Opening a fifo without a writer would wait for ever.
    #expect(thrownBy { () throws(Failure) in _ = try fifo.openContent() }?.code == .refused)
    if let _ = try TreeEntry.find(Array("none".utf8), in: top.raw, path: []) {
      Issue.record("an entry that is not there was found")
    }
  }

  @Test func `an entry stays what it was when its name is given to another`() throws {
    try make("echo mine > file; ln -s /etc/passwd link")
    let top = try Descriptor.open(directory.path, .directory)
    guard let file = try TreeEntry.find(Array("file".utf8), in: top.raw, path: []) else {
      throw missing
    }
    try make("mv -T link file")
    let content = try file.openContent()
    #expect(try content.readToEnd(limit: 100) == Array("mine\n".utf8))
  }

  @Test(.enabled(if: isRoot, "needs root"))
  func `attributes of links and devices are read, overlayfs's left out`() throws {
    try make(
      """
      ln -s target link; mkfifo fifo; mkdir d; touch f
      setfattr -h -n trusted.mine -v v link; setfattr -n trusted.mine -v w fifo
      setfattr -n trusted.overlay.opaque -v y d; setfattr -n user.a -v 1 d
      setfattr -n trusted.overlayed -v 2 d; setfacl -m u:7:r f; setfacl -d -m u:8:x d
      """)
    var seen: [String: TreeWriter.Metadata] = [:]
    let top = try Descriptor.open(directory.path, .directory)
    try TreeWalker.walk(top, name: "") { (entry) throws(Failure) in
      seen[String(decoding: entry.path, as: UTF8.self)] = try entry.metadata()
      return .descend
    }
    func names(_ path: String) -> [String] {
      (seen[path]?.attributes ?? []).map { String(decoding: $0.name, as: UTF8.self) }
    }
    #expect(names("link") == ["trusted.mine"] && names("fifo") == ["trusted.mine"])
    #expect(names("d") == ["trusted.overlayed", "user.a"])
    #expect(seen["f"]?.accessList != nil && seen["d"]?.accessList == nil)
    #expect(seen["d"]?.defaultList != nil)
  }
}
