import Linux
import Testing

@testable import Runtime

/// What `minidock oci` refuses of a config.json, by the path in it, and ids.
@Suite struct BundleTests {
  private static let good = """
    {"ociVersion":"1.2.0","root":{"path":"/"},"process":{"cwd":"/","args":["true"]},
    "mounts":[{"destination":"/proc","type":"proc"}],
    "linux":{"namespaces":[{"type":"mount"},{"type":"pid"}],"resources":{"pids":{"limit":5}}}}
    """

  private func refusal(_ text: String) -> String? {
    do throws(Failure) {
      try Bundle.check(try Bundle.parse(Array(text.utf8), name: "config.json"), bundle: "/")
      return nil
    } catch {
      return error.description
    }
  }

  private func replacing(_ old: String, _ new: String) -> String {
    let parts = Self.good.split(separator: old, maxSplits: 1, omittingEmptySubsequences: false)
    #expect(parts.count == 2, "\(old)")
    return parts.joined(separator: new)
  }

  @Test func `a plain specification is accepted`() { #expect(refusal(Self.good) == nil) }

  @Test(arguments: [
    ("\"1.2.0\"", "\"2.0.0\"", "ociVersion"), ("\"1.2.0\"", "12", "ociVersion"),
    ("\"path\":\"/\"", "\"path\":\"../../etc\"", "root.path"),
    ("\"path\":\"/\"", "\"path\":\"/does/not/exist\"", "root.path"),
    ("\"limit\":5", "\"limit\":\"5\"", "linux.resources.pids.limit"),
    ("[{\"type\":\"mount\"}", "[{\"type\":\"moun\"}", "linux.namespaces[0].type"),
    ("\"args\":[\"true\"]", "\"args\":[]", "process.args"),
    ("\"cwd\":\"/\"", "\"cwd\":\"..\"", "process.cwd"),
    (
      "\"type\":\"proc\"}", "\"type\":\"proc\"},{\"destination\":\"/proc\",\"type\":\"proc\"}",
      "mounts[1]"
    ),
    ("\"resources\":", "\"intelRdt\":{\"closID\":\"x\"},\"resources\":", "linux.intelRdt"),
    ("\"resources\":", "\"cgroupsPath\":\"/a/../b\",\"resources\":", "linux.cgroupsPath"),
  ])
  func `a fault is named by its path`(old: String, new: String, path: String) {
    let message = refusal(replacing(old, new))
    #expect(message?.contains(path) == true, "\(message ?? "accepted")")
  }

  @Test func `every beginning of a document is refused`() {
    let bytes = Array(Self.good.utf8)
    for count in bytes.indices {
      #expect(throws: Failure.self) {
        try Bundle.parse(Array(bytes[..<count]), name: "config.json")
      }
    }
  }

  @Test(arguments: [false, true])
  func `a real document is refused wherever it breaks off`(rootless: Bool) {
    let bytes = Array(BundleTemplate.document(rootless: rootless).pretty.utf8)
    #expect(throws: Never.self) { try Bundle.parse(bytes, name: "config.json") }
    for count in bytes.indices {
      #expect(throws: Failure.self) {
        try Bundle.parse(Array(bytes[..<count]), name: "config.json")
      }
    }
  }

  @Test func `a path is told from one that leads out`() {
    for path in ["", ".", "a", "a/..", "a/../b", "./a", "/..", "/a/../../b"] {
      #expect(path.staysBelow, "\(path)")
    }
    for path in ["..", "a/../..", "./..", "../a", "a/../../a"] {
      #expect(!path.staysBelow, "\(path)")
    }
  }

  // Whether the host has SELinux is judged elsewhere; here only where the label goes.
  @Test func `the label of mounts goes to file systems that take one`() throws {
    var spec = Spec()
    spec.linux = Spec.Linux()
    spec.linux?.mountLabel = "system_u:object_r:container_file_t:s0:c1,c2"
    spec.mounts = ["proc", "sysfs", "mqueue", "tmpfs", "devpts"].map {
      Spec.Mount(destination: "/" + $0, type: $0, source: $0, options: ["size=1"])
    }
    let labelled = try MountPlan.steps(for: spec) { _, _ in [] }.compactMap { step -> String? in
      guard case .fileSystem(let type, _, _, let options, _) = step else { return nil }
      return options == ["size=1", "context=" + (spec.linux?.mountLabel ?? "")] ? type : nil
    }
    #expect(labelled == ["tmpfs", "devpts"])
  }

  @Test func `5,000 mappings are refused`() {
    let ranges = (0..<5000).map { "{\"containerID\":\($0),\"hostID\":\($0),\"size\":1}" }
    let text = replacing(
      "\"resources\":", "\"uidMappings\":[\(ranges.joined(separator: ","))],\"resources\":")
    let user = text.replacing("{\"type\":\"pid\"}", with: "{\"type\":\"pid\"},{\"type\":\"user\"}")
    #expect(refusal(user)?.contains("linux.") == true)
    #expect(throws: Failure.self) {
      try IDMaps.check(
        (0..<5000).map { Spec.IDMapping(containerID: $0, hostID: $0, size: 1) },
        "linux.uidMappings")
    }
  }

  @Test(arguments: ["", "..", "../x", "a/b", ".hidden", "-x", "a b", "a\n"])
  func `what is no id is refused`(id: String) {
    #expect(throws: Failure.self) { try BundleStore.validate(id: id) }
  }

  // A trap would end the test; whether a changed document is refused is not asked.
  @Test func `documents with changed bytes never trap`() {
    let bytes = Array(Self.good.utf8)
    var state: UInt64 = 42
    func next(_ bound: Int) -> Int {
      state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      return Int(state >> 33) % bound
    }
    let letters = Array("{}[]\",:0919-.eE\\u\u{0}ntf".utf8)
    for _ in 0..<20_000 {
      var changed = bytes
      for _ in 0...next(4) {
        let place = next(changed.count)
        switch next(3) {
        case 0: changed[place] = letters[next(letters.count)]
        case 1: changed.remove(at: place)
        default: changed.insert(UInt8(next(256)), at: place)
        }
      }
      _ = try? Bundle.examine(Bundle.parse(changed, name: "config.json"), bundle: "/")
    }
  }
}
