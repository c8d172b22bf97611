import Linux
import TestSupport
import Testing

/// Names by digest: an image that was pulled by one is found, listed and removed by it.
@Suite(.enabled(if: MinidockFixture.canServeRegistry, MinidockFixture.registryRequirement))
struct DigestNameTests {
  let fixture: MinidockFixture
  let server: HostileRegistry

  init() throws {
    fixture = try MinidockFixture("digest")
    server = try HostileRegistry(fixture.file("hostile"))
  }

  @Test func anImagePulledByDigestIsListedFoundAndRemovedByIt() throws {
    let image = try server.make()
    let name = "\(server.host)/app@\(image.manifest)"
    expectSuccess(try fixture.remote("pull", name))
    let listed = try fixture.succeed(
      "images", "--format", "{{.Repository}} {{.Tag}} {{.Digest}}", "--digests")
    #expect(listed == "\(server.host)/app <none> \(image.manifest)")
    #expect(try fixture.succeed("images", "-q", name).lines.count == 1)
    let inspected = try fixture.succeed(
      "image", "inspect", "--format", "{{.Id}} {{.RepoTags}} {{.RepoDigests}}", name)
    #expect(inspected == "\(image.config) [] [\(name)]")
    // A tag before the digest means nothing; another repository has no such image.
    #expect(
      try fixture.succeed("history", "-q", "\(server.host)/app:9@\(image.manifest)").lines.count
        == 1)
    try fixture.refuse(["history", "\(server.host)/other@\(image.manifest)"], status: 1)
    // It is there: nobody is asked, and nothing said.
    _ = server.requests()
    let created = try fixture.remote("create", "--network", "none", name, "true")
    expectSuccess(created)
    #expect(created.errors == "" && server.requests() == [])
    try fixture.succeed("rm", created.output.lines[0])
    try fixture.succeed("tag", name, "kept:1")
    #expect(try fixture.succeed("rmi", name) == "Untagged: \(name)")
    #expect(try fixture.succeed("rmi", "kept:1").contains("Deleted: \(image.config)"))
    #expect(try Files.list(fixture.root + "/remote") == [])
  }

  @Test func aTagsDigestIsTheRegistrysAndGoesWithTheLastTagOfItsRepository() throws {
    let image = try server.make()
    let list = try server.add(
      manifest: """
        {"schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json", \
        "manifests": [{"mediaType": "application/vnd.oci.image.manifest.v1+json", \
        "digest": "\(image.manifest)", "size": \
        \(try server.bytes("manifests", image.manifest).count), \
        "platform": {"os": "linux", "architecture": "amd64"}}]}
        """, "app", "list")
    let tag = "\(server.host)/app:list"
    let pinned = "\(server.host)/app@\(list)"
    expectSuccess(try fixture.remote("pull", tag))
    #expect(try fixture.succeed("images", "--format", "{{.Digest}}") == list)
    let digests = try fixture.succeed("inspect", "--format", "{{.RepoDigests}}", tag)
    #expect(digests == "[\(pinned)]")
    #expect(try fixture.succeed("history", "-q", pinned).lines.count == 1)
    try fixture.succeed("tag", tag, "own:1")
    #expect(try fixture.succeed("rmi", tag) == "Untagged: \(tag)\nUntagged: \(pinned)")
    try fixture.refuse(["history", pinned], status: 1)
    #expect(try fixture.succeed("rmi", "own:1").contains("Deleted: \(image.config)"))
  }

  @Test func whatRegistriesKeepUnderAnotherNameStaysWithItsDigest() throws {
    let image = try server.make("one")
    try server.make("two")
    let pinned = "\(server.host)/two@\(image.manifest)"
    // The manifests differ by the image's name in their history: the same one is put under both.
    let text = String(decoding: try server.bytes("manifests", image.manifest), as: UTF8.self)
    try server.add(manifest: text, "two", "latest")
    expectSuccess(try fixture.remote("pull", "\(server.host)/one"))
    expectSuccess(try fixture.remote("pull", pinned))
    let removed = try fixture.succeed("rmi", "\(server.host)/one")
    #expect(removed.contains("Untagged: \(server.host)/one:latest") && !removed.contains("Deleted"))
    #expect(try fixture.succeed("rmi", pinned).contains("Deleted: \(image.config)"))
  }

  /// Each name has its own note of its registry: the removal of one leaves the others' as they were.
  @Test func aNameThatGoesTakesNoOtherNamesDigestWithIt() throws {
    let image = try server.make("one")
    for name in ["two", "three"] {
      try server.add(manifest: server.bytes("manifests", image.manifest), name, "latest")
    }
    try server.add(manifest: server.bytes("manifests", image.manifest), "one", "second")
    for name in ["one", "one:second", "two", "three"] {
      expectSuccess(try fixture.remote("pull", "-q", "\(server.host)/\(name)"))
    }
    func digests() throws -> [String] {
      try fixture.succeed("images", "--digests", "--format", "{{.Repository}}:{{.Tag}} {{.Digest}}")
        .lines.map { $0.replacing("\(server.host)/", with: "") }.sorted()
    }
    let all = ["one:latest", "one:second", "three:latest", "two:latest"].map {
      "\($0) \(image.manifest)"
    }
    #expect(try digests() == all)
    try fixture.succeed("rmi", "\(server.host)/one")
    #expect(try digests() == Array(all[1...]))
    try fixture.succeed("rmi", "\(server.host)/two")
    #expect(try digests() == Array(all[1...2]))
    try fixture.succeed("tag", "\(server.host)/three", "local:1")
    try fixture.succeed("rmi", "\(server.host)/one:second")
    let names = try fixture.succeed("inspect", "--format", "{{.RepoDigests}}", "local:1")
    #expect(names == "[\(server.host)/three@\(image.manifest)]")
    // What is known still saves the way: one request, and nothing is fetched.
    _ = server.requests()
    expectSuccess(try fixture.remote("pull", "-q", "\(server.host)/three"))
    #expect(server.requests().count == 1)
    try fixture.succeed("rmi", "\(server.host)/three", "local:1")
    #expect(try Files.list(fixture.root + "/remote") == [])
  }

  @Test func aForcedRemovalOfNothingIsDone() throws {
    try fixture.refuse(["rmi", "absent:1"], status: 1)
    let result = try fixture.minidock("rmi", "-f", "absent:1")
    #expect(result.status == 0 && result.errors.contains("no such image"))
  }

  @Test func imagesOfBeforeATimeAreListed() throws {
    try server.make()
    try fixture.importImage("young:1", changes: "true")
    // The registry's image says nothing of its age and counts as old.
    expectSuccess(try fixture.remote("pull", "-q", "\(server.host)/app"))
    let old = try fixture.succeed("images", "--filter", "until=1h", "--format", "{{.Repository}}")
    #expect(old == "\(server.host)/app")
    #expect(
      try fixture.succeed("images", "--filter", "until=2099-01-01T00:00:00Z", "-q").lines.count == 2
    )
    try fixture.refuse(["images", "--filter", "until=soon"], status: 1)
  }
}
