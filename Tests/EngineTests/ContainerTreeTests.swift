import Glibc
import Linux
import TestSupport
import Testing

@testable import Engine

/// The tree of a stopped container and what is concluded from it; layers are plain directories.
@Suite struct ContainerTreeTests {
  let scratch: TemporaryDirectory
  let tree: ContainerTree

  init() throws {
    scratch = try TemporaryDirectory("tree")
    for layer in ["upper", "lower"] {
      for folder in ["bin", "usr/bin", "app"] {
        try Files.makeDirectories(scratch.file("\(layer)/\(folder)"), mode: 0o755)
      }
    }
    tree = ContainerTree(layers: [scratch.file("upper"), scratch.file("lower")])
  }

  private func write(_ path: String, _ bytes: [UInt8], mode: UInt32 = 0o755) throws {
    try Files.replace(scratch.file(path), with: bytes, mode: mode)
  }

  private func link(_ path: String, _ target: String) throws {
    try #require(symlink(target, scratch.file(path)) == 0)
  }

  private func failed(_ command: String, _ code: Int32 = 127) -> Explanation {
    var evidence = Evidence()
    evidence.record.name = "web"
    evidence.record.command = [command]
    evidence.record.environment = ["PATH=/bin:/usr/bin"]
    evidence.state.status = .exited
    evidence.state.exitCode = code
    evidence.state.error = "execute \(command): no"
    evidence.tree = tree
    return ContainerExplainer.explanation(evidence)
  }

  @Test func `the topmost layer counts, and links lead across layers`() throws {
    try write("lower/bin/tool", Array("old".utf8))
    try write("upper/bin/tool", Array("new".utf8))
    try write("lower/usr/bin/real", Array("real".utf8))
    try link("upper/bin/alias", "../usr/bin/second")
    try link("lower/usr/bin/second", "/usr/bin/real")
    #expect(tree.head(try #require(tree.find("/bin/tool"))) == Array("new".utf8))
    #expect(tree.find("/bin/alias")?.path == "/usr/bin/real")
    #expect(tree.find("/bin/../bin/./tool")?.path == "/bin/tool")
    #expect(tree.find("/bin/none") == nil)
    #expect(tree.names(in: "/bin") == ["alias", "tool"])
  }

  @Test func `links that go round or out of the tree find nothing of the host`() throws {
    try link("upper/bin/round", "round")
    try link("upper/bin/out", "../../../../../../etc/passwd")
    try link("upper/host", "/etc")
    #expect(tree.find("/bin/round") == nil)
    #expect(tree.find("/bin/out") == nil)
    #expect(tree.find("/host/passwd") == nil)
  }

  @Test(.enabled(if: isRoot, "needs root to make a whiteout"))
  func `what an upper layer has removed is not there`() throws {
    try write("lower/bin/gone", Array("x".utf8))
    #expect(tree.find("/bin/gone") != nil)
    try #require(mknod(scratch.file("upper/bin/gone"), S_IFCHR | 0o600, 0) == 0)
    #expect(tree.find("/bin/gone") == nil)
    #expect(tree.names(in: "/bin") == [])
  }

  @Test func `a fifo in a program's place is not opened`() throws {
    try #require(mkfifo(scratch.file("upper/bin/pipe"), 0o755) == 0)
    #expect(tree.head(try #require(tree.find("/bin/pipe"))) == [])
  }

  @Test func `a command that is not there has near misses`() throws {
    try write("lower/usr/bin/python3", [1])
    let explanation = failed("pyhton3")
    #expect(explanation.kind == "command-not-found")
    #expect(explanation.facts.contains { $0.label == "similar" && $0.text == "python3" })
    #expect(explanation.facts.contains { $0.text == "/bin/pyhton3, /usr/bin/pyhton3" })
    #expect(failed("/app/run").headline.contains("\"/app/run\""))
    #expect(failed("sh -c true").advice.contains { $0.contains("separate arguments") })
  }

  @Test func `a missing interpreter is named`() throws {
    try write("upper/app/run", Array("#!/bin/bash\n".utf8))
    try write("lower/bin/sh", [1])
    let explanation = failed("/app/run")
    #expect(explanation.kind == "interpreter-missing")
    #expect(explanation.headline.contains("wants /bin/bash"))
    #expect(explanation.advice.contains { $0.contains("/bin/sh") })
    try write("upper/app/windows", Array("#!/bin/sh\r\n".utf8))
    #expect(failed("/app/windows").headline.contains("line ends of Windows"))
    try write("lower/usr/bin/bash", [1])
    #expect(failed("/app/run").advice.contains { $0.contains("/usr/bin/bash") })
  }

  @Test func `a program of another machine or without its loader is told`() throws {
    let other: UInt16 = ProgramFile.runsHere(183) ? 62 : 183
    let own: UInt16 = other == 183 ? 62 : 183
    try write("upper/app/other", ExplainTests.elf(machine: other, loader: nil))
    let wrong = failed("/app/other", 126)
    #expect(wrong.kind == "wrong-architecture")
    #expect(wrong.headline.contains(ProgramFile.architecture(other)))
    try write("upper/app/dynamic", ExplainTests.elf(machine: own, loader: "/lib/ld-musl.so.1"))
    #expect(failed("/app/dynamic").kind == "loader-missing")
    try Files.makeDirectories(scratch.file("lower/lib"), mode: 0o755)
    try write("lower/lib/ld-musl.so.1", [1])
    #expect(failed("/app/dynamic").kind == "command-not-found")
  }

  @Test func `what cannot be executed is told by what it is`() throws {
    try write("upper/app/plain", Array("#!/bin/sh\n".utf8), mode: 0o644)
    #expect(failed("/app/plain", 126).headline.contains("is not executable"))
    #expect(failed("/app", 126).headline.contains("is a directory"))
    try write("upper/app/text", Array("echo hi\n".utf8))
    let text = failed("/app/text", 126)
    #expect(text.kind == "exec-format")
    #expect(text.advice.contains { $0.contains("#!/bin/sh") })
    try write("upper/app/empty", [])
    #expect(failed("/app/empty", 126).headline.contains("empty file"))
  }

  @Test func `a mount over the place is no guess`() throws {
    var covered = tree
    covered.covered = ["/app"]
    #expect(covered.isCovered("/app/run") && covered.isCovered("/app"))
    #expect(!covered.isCovered("/application"))
  }
}
