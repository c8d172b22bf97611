import Glibc
import Image
import Linux
import TestSupport
import Testing

@testable import Engine

@Suite struct VolumeRecordTests {
  @Test(arguments: ["ab", "A1", "0_.-", String(repeating: "a", count: 250)])
  func `a name of docker's grammar is a volume's`(name: String) throws {
    try VolumeStore.validate(name: name)
  }

  @Test(arguments: [
    "", "a", ".a", "-a", "_a", "a/b", "../x", "a b", "a:b", "é1", "a\n",
    String(repeating: "a", count: 251),
  ])
  func `anything else is not`(name: String) {
    let failure = thrownBy { () throws(Failure) in try VolumeStore.validate(name: name) }
    #expect(failure?.code == .invalid)
  }

  @Test func `a record survives its file`() {
    var record = VolumeRecord(
      name: "data", labels: ["a": "b=c", "empty": "", "line": "1\n2"], isAnonymous: true)
    record.created = Timestamp(nanoseconds: 5)
    #expect(VolumeRecord(name: "data", FieldText(parsing: record.fields.bytes)) == record)
  }

  @Test func `a mounted volume is a line of the container's record`() throws {
    for text in ["-v=data:/d:ro", "-v=data:/d", "-v=/d"] {
      var request = try MountRequest(volume: String(text.dropFirst(3)))
      if request.isAnonymous { request.source = "0123" }
      let mounted = MountedVolume(request)
      #expect(MountedVolume(mounted.text) == mounted, "\(mounted.text)")
    }
    #expect(MountedVolume("data:/a:b:rw")?.target == "/a:b")
    #expect(MountedVolume("x1:/d:rw,anonymous")?.isAnonymous == true)
    #expect(MountedVolume("x1:/d:ro")?.isReadOnly == true)
    #expect(MountedVolume("data") == nil)
    #expect(MountedVolume("data:x") == nil)
  }

  @Test(arguments: [
    ("", "/"), ("/", "/"), ("/a/b", "/a/b"), ("a", "/a"), ("../../etc", "/etc"),
    ("/../../etc/", "/etc"), ("/a/./../b//c/", "/b/c"), ("..", "/"), ("/a/..", "/"),
    ("/a\u{301}/../b", "/b"),
  ])
  func `a path of an image is taken from the container's root`(path: String, rooted: String) {
    #expect(MountRequest.rooted(path) == rooted)
  }

  @Test func `a prune takes what matches every filter`() throws {
    let old = Timestamp(nanoseconds: 10)
    let labels = [(key: "a", value: "b")]
    func matches(_ filters: String..., until: Int64? = nil) throws(Failure) -> Bool {
      var selection = PruneSelection()
      selection.until = until.map { Timestamp(nanoseconds: $0) }
      for text in filters { selection.filters.append(try Filter(text)) }
      try selection.check(PruneSelection.keys)
      return selection.matches(labels, old)
    }
    #expect(try matches())
    #expect(try matches("label=a", "label!=c", until: 11))
    #expect(try !matches("label=a", "label=c"))
    #expect(try !matches("label!=a=b"))
    #expect(try matches("label!=a=c"))
    #expect(try !matches(until: 10))
    #expect(thrownBy { () throws(Failure) in _ = try matches("colour=red") }?.code == .invalid)
  }
}

@Suite(.enabled(if: isRoot, "needs root"))
struct MountResolutionTests {
  let directory: TemporaryDirectory
  let store: ContainerStore

  init() throws {
    directory = try TemporaryDirectory("mounts")
    store = ContainerStore(
      try Installation(root: directory.file("root"), runRoot: directory.file("run")))
  }

  private func mounts(
    _ volumes: [String], from: [String] = [], image: [String] = []
  ) throws(Failure) -> [MountRequest] {
    var options = RunOptions()
    for text in volumes { options.mounts.append(try MountRequest(volume: text)) }
    options.volumesFrom = from
    return try MountResolution(
      store: store, options: options, config: ImageConfig(volumes: image)
    ).mounts()
  }

  @Test func `an image's volumes are anonymous, one for each path that nothing else is on`() throws
  {
    let all = try mounts(["/h:/a/", "data:/b/../c"], image: ["/a", "c", "/../d", "./d", "/e/f/"])
    #expect(all.map(\.target) == ["/a/", "/c", "/d", "/e/f"])
    #expect(all.map(\.isAnonymous) == [false, false, true, true])
    #expect(all[1].source == "data")
    let names = all[2...].map(\.source)
    #expect(Set(names).count == 2)
    for name in names { try VolumeStore.validate(name: name) }
    for path in ["", "/", "/..", "."] {
      let failure = thrownBy { () throws(Failure) in _ = try mounts([], image: [path]) }
      #expect(failure?.code == .invalid, "\(path)")
    }
    #expect(thrownBy { () throws(Failure) in _ = try mounts(["ab:/a", "/h:/a/"]) } != nil)
  }

  @Test func `another container's mounts come with its rights at most`() throws {
    var record = ContainerRecord()
    record.id = String(repeating: "a", count: 64)
    var options = RunOptions()
    options.mounts = [
      try MountRequest(volume: "data:/d"), try MountRequest(volume: "/h:/h:ro"),
      try MountRequest(tmpfs: "/t"),
    ]
    try store.create(&record, name: "source", options: options)
    let all = try mounts(["other:/own"], from: ["source"], image: ["/d"])
    #expect(all.map(\.target) == ["/own", "/d", "/h"])
    #expect(all.map(\.readOnly) == [false, false, true])
    #expect(all[1].noCopy && !all[2].createsSource)
    #expect(try mounts([], from: ["source:ro"]).map(\.readOnly) == [true, true])
    #expect(try mounts([], from: ["source:rw"]).map(\.readOnly) == [false, true])
    // What the user says about a place holds.
    #expect(try mounts(["other:/d"], from: ["source"]).map(\.source) == ["other", "/h"])
    for text in ["", "source:", "source:rx", "source:ro:ro"] {
      #expect(
        thrownBy { () throws(Failure) in _ = try mounts([], from: [text]) } != nil, "\(text)")
    }
    #expect(
      thrownBy { () throws(Failure) in _ = try mounts([], from: ["nobody"]) }?.code == .notFound)
  }
}
