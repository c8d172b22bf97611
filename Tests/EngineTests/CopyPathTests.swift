import Image
import Linux
import TestSupport
import Testing

@testable import Engine

@Suite struct CopyPathTests {
  private func describe(_ text: String, below directory: String = "/") -> String {
    let path = CopyPath(text.utf8, below: directory)
    return "\(path.shown) \(path.assertsDirectory ? "directory" : "any") "
      + "\(path.meansContent ? "content" : String(decoding: path.base, as: UTF8.self))"
  }

  @Test(arguments: [
    ("/a/b", "/a/b any b"), ("a/b", "/a/b any b"), ("/a/b/", "/a/b directory b"),
    ("/a/b/.", "/a/b directory content"), ("/a/b/./", "/a/b directory content"),
    ("/", "/ directory content"), ("", "/ directory content"), (".", "/ directory content"),
    ("/..", "/ directory content"), ("a/../b", "/b any b"), ("a//b///", "/a/b directory b"),
    ("/a/../../..", "/ directory content"), ("/a/.b", "/a/.b any .b"),
  ])
  func `a path in a container is cleaned by its text`(_ text: String, _ expected: String) {
    #expect(describe(text) == expected)
  }

  @Test func `a path of the host starts at the working directory`() {
    #expect(describe("x", below: "/home/me") == "/home/me/x any x")
    #expect(describe("..", below: "/home/me") == "/home any home")
    #expect(describe(".", below: "/home/me") == "/home/me directory content")
    #expect(describe("/x", below: "/home/me") == "/x any x")
  }

  @Test func `a link's target is relative to the link`() {
    let path = CopyPath("/a/link".utf8)
    #expect(path.following(Array("../b".utf8)).shown == "/b")
    #expect(path.following(Array("/abs".utf8)).shown == "/abs")
    #expect(path.following(Array("x".utf8)).shown == "/a/x")
  }

  @Test func `a colon means a container unless the path begins like one of the host`() {
    #expect(CopyArgument("web:/etc") == .container("web", path: "/etc"))
    #expect(CopyArgument("web:") == .container("web", path: ""))
    #expect(CopyArgument("web:a:b") == .container("web", path: "a:b"))
    #expect(CopyArgument("./web:x") == .host("./web:x"))
    #expect(CopyArgument("/web:x") == .host("/web:x"))
    #expect(CopyArgument("plain") == .host("plain"))
    #expect(CopyArgument("-") == .stream)
  }

  @Test func `an archive's paths stay in the destination`() throws {
    func inside(_ text: String) throws(Failure) -> String {
      String(decoding: try TreeCopier.inside(Array(text.utf8)), as: UTF8.self)
    }
    #expect(try inside("./a//b/") == "a/b")
    #expect(try inside("/a") == "a")
    #expect(try inside("./") == ".")
    #expect(try inside("a/../b") == "b")
    for path in ["..", "../x", "a/../../x", "/../x"] {
      #expect(thrownBy { () throws(Failure) in _ = try inside(path) }?.code == .refused, "\(path)")
    }
  }

  @Test func `owners and rights follow the destination unless they are kept`() {
    let zero = FileTime(seconds: 0, nanoseconds: 0)
    var metadata = TreeWriter.Metadata(
      mode: 0o6755, user: 5, group: 6, accessed: zero, modified: zero)
    metadata.attributes = [
      ExtendedAttribute(name: ExtendedAttribute.capability, value: [1]),
      ExtendedAttribute(name: Array("user.x".utf8), value: [2]),
    ]
    metadata.accessList = [3]
    let kept = CopyOwner.source.apply(metadata, isFile: true)
    #expect(kept.mode == 0o6755 && kept.user == 5 && kept.attributes.count == 2)
    let inside = CopyOwner.containerRoot.apply(metadata, isFile: true)
    #expect(inside.user == 0 && inside.group == 0 && inside.mode == 0o755)
    #expect(inside.attributes.map(\.value) == [[2]] && inside.accessList == nil)
    (metadata.user, metadata.group) = (0, 0)
    #expect(CopyOwner.containerRoot.apply(metadata, isFile: true).mode == 0o6755)
    #expect(CopyOwner.caller.apply(metadata, isFile: true).mode == 0o755)
    #expect(CopyOwner.caller.apply(metadata, isFile: false).mode == 0o6755)
  }
}

@Suite struct CommitConfigTests {
  @Test func `the container's configuration is without what the engine added`() {
    var record = ContainerRecord()
    record.hostname = "abc"
    record.terminal = true
    record.environment = [Environment.defaultPath, "HOSTNAME=abc", "TERM=xterm", "A=1", "B=2"]
    record.command = ["sh", "-c", "true"]
    record.entrypointCount = 1
    record.user = "7"
    record.labels = [("k", "v")]
    var image = ImageConfig(env: ["A=1"], volumes: ["/v"], exposedPorts: ["80/tcp"])
    let config = ContainerCommit.config(of: record, image)
    #expect(config.env == ["A=1", "B=2"])
    #expect(config.entrypoint == ["sh"] && config.cmd == ["-c", "true"])
    #expect(config.user == "7" && config.labels == ["k": "v"] && config.workingDir == "")
    #expect(config.volumes == ["/v"] && config.exposedPorts == ["80/tcp"])
    #expect(config.stopSignal == nil)
    // What the image says itself stays.
    image.env = [Environment.defaultPath, "TERM=xterm"]
    #expect(
      ContainerCommit.config(of: record, image).env
        == [Environment.defaultPath, "TERM=xterm", "A=1", "B=2"])
  }

  @Test func `instructions change a configuration as a Dockerfile's next lines do`() throws {
    let base = ImageConfig(
      env: ["A=1"], cmd: ["old"], workingDir: "/w", labels: ["k": "v"], stopSignal: "SIGINT")
    let changed = try ImageChanges([#"ENTRYPOINT ["e"]"#, "ENV A=2 B=3", "LABEL l=m"])
      .config(changing: base)
    #expect(changed.entrypoint == ["e"] && changed.cmd == [])
    #expect(changed.env == ["A=2", "B=3"] && changed.labels == ["k": "v", "l": "m"])
    #expect(changed.workingDir == "/w" && changed.stopSignal == "SIGINT")
    let both = try ImageChanges([#"CMD ["c"]"#, #"ENTRYPOINT ["e"]"#]).config(changing: base)
    #expect(both.cmd == ["c"])
  }
}
