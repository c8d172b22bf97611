import Glibc
import Linux
import TestSupport
import Testing

@Suite(.enabled(if: MinidockFixture.canServeRegistry, MinidockFixture.registryRequirement))
struct PushTests {
  let fixture: MinidockFixture
  let server: RegistryServer

  init() throws {
    fixture = try MinidockFixture("push")
    server = try fixture.registry()
  }

  @Test func layersThatTheRegistryHasAreNotSentAgain() throws {
    try fixture.importImage("\(server.host)/app:1", changes: "true")
    let first = try fixture.remote("push", "\(server.host)/app:1")
    expectSuccess(first)
    #expect(first.errors.contains("uploading") && first.errors.contains("pushed"))
    let digest = try #require(first.output.lines.last?.split(separator: " ").dropLast(2).last)
    #expect(digest.hasPrefix("sha256:"))
    let second = try fixture.remote("push", "\(server.host)/app:1")
    #expect(second.errors.contains("layer already exists") && !second.errors.contains("uploading"))
  }

  @Test func aBlobOfAnotherRepositoryIsMounted() throws {
    try fixture.importImage("\(server.host)/team/one:1", changes: "echo one > one")
    expectSuccess(try fixture.remote("push", "\(server.host)/team/one:1"))
    try fixture.succeed("tag", "\(server.host)/team/one:1", "\(server.host)/team/two:1")
    let second = try fixture.remote("push", "\(server.host)/team/two:1")
    #expect(second.errors.contains("mounted from another repository"), "\(second.errors)")
  }

  @Test func allTagsOfARepositoryArePushed() throws {
    try fixture.importImage("\(server.host)/app:1", changes: "true")
    try fixture.importImage("\(server.host)/app:2", changes: "echo two > two")
    let pushed = try fixture.remote("push", "-a", "\(server.host)/app")
    expectSuccess(pushed)
    #expect(pushed.output.contains("1: digest: ") && pushed.output.contains("2: digest: "))
    let found = try fixture.remote("search", "\(server.host)/ap")
    #expect(found.output.contains("\(server.host)/app"), "\(found.errors)")
  }

  @Test func aRegistryWithTokensGetsThemForJustWhatIsDone() throws {
    let server = try fixture.registry("tokens", user: "anna:secret-1", withTokens: true)
    let name = "\(server.host)/team/app:1"
    // Another port of an address is another's server.
    let tokens = try #require(Files.text(fixture.file("tokens/token-port")))
    // A password that nobody has looked at is not stored.
    let untried = try fixture.remote(
      ["login", "-u", "anna", "--password-stdin", server.host], input: Array("wrong".utf8))
    #expect(untried.status == 1 && untried.errors.contains("token-hosts"), "\(untried)")
    #expect(Files.text(fixture.file("docker/config.json"))?.contains("auth\"") != true)
    try fixture.write(
      "config.toml", "[registry.\"\(server.host)\"]\ntoken-hosts = [\"127.0.0.1:\(tokens)\"]\n")
    try fixture.importImage(name, changes: "echo one > one")
    let anonymous = try fixture.remote("push", name)
    #expect(
      anonymous.status == 1 && anonymous.errors.contains("minidock login"), "\(anonymous.errors)")
    expectSuccess(
      try fixture.remote(
        ["login", "-u", "anna", "--password-stdin", server.host], input: Array("secret-1".utf8)))
    _ = server.tokenRequests()
    expectSuccess(try fixture.remote("push", name))
    let pushed = server.tokenRequests()
    #expect(!pushed.isEmpty)
    for request in pushed {
      #expect(
        ["anna repository:team/app:pull,push", "anna repository:team/app:push,pull"].contains(
          request))
    }
    // From another repository a blob is only mounted by whoever may read there.
    try fixture.succeed("tag", name, "\(server.host)/other:1")
    let mounted = try fixture.remote("push", "\(server.host)/other:1")
    #expect(mounted.errors.contains("mounted from another repository"), "\(mounted.errors)")
    #expect(server.tokenRequests().contains { $0.contains("repository:team/app:pull") })
    expectSuccess(try fixture.remote("logout", server.host))
    try fixture.succeed("rmi", name, "\(server.host)/other:1")
    expectSuccess(try fixture.remote("pull", "-q", name))
    #expect(server.tokenRequests() == ["- repository:team/app:pull"])
  }

  @Test func whatHasNoNameThereIsNamedInTheRefusal() throws {
    let result = try fixture.remote("push", "\(server.host)/nothing:1")
    #expect(result.status == 1 && result.errors.contains("minidock tag"), "\(result.errors)")
  }

  @Test(.enabled(if: hasProgram("skopeo"), "needs skopeo"))
  func skopeoReadsWhatWasPushedAndWritesWhatIsPulled() throws {
    try fixture.importImage("\(server.host)/ours:1", changes: "echo ours > greeting")
    expectSuccess(try fixture.remote("push", "\(server.host)/ours:1"))
    let copied = try TestSupport.run([
      "skopeo", "copy", "--src-tls-verify=false", "--dest-tls-verify=false",
      "docker://\(server.host)/ours:1", "docker://\(server.host)/theirs:1", "--format", "v2s2",
    ])
    #expect(copied.status == 0, "\(copied.errors)")
    let layout = try TestSupport.run([
      "skopeo", "copy", "--src-tls-verify=false", "docker://\(server.host)/ours:1",
      "oci:\(fixture.file("layout")):ours",
    ])
    #expect(layout.status == 0, "\(layout.errors)")
    // Docker's schema 2, as skopeo made it.
    expectSuccess(try fixture.remote("pull", "\(server.host)/theirs:1"))
    #expect(try fixture.run("\(server.host)/theirs:1", "cat", "/greeting").output == "ours\n")
  }

  @Test(.enabled(if: hasProgram("podman"), "needs podman"))
  func podmanRunsWhatWasPushed() throws {
    try fixture.importImage("\(server.host)/ours:1", changes: "echo ours > greeting")
    expectSuccess(try fixture.remote("push", "\(server.host)/ours:1"))
    let storage = [
      "podman", "--root", fixture.file("podman"), "--runroot", fixture.file("podman-run"),
      "--storage-driver", "vfs",
    ]
    let pulled = try TestSupport.run(
      storage + ["pull", "-q", "--tls-verify=false", "\(server.host)/ours:1"])
    #expect(pulled.status == 0, "\(pulled.errors)")
    let mounted = try TestSupport.run(
      ["sh", "-c", "cat \"$(\"$@\")/greeting\"", "cat"] + storage
        + ["image", "mount", "\(server.host)/ours:1"])
    #expect(mounted.output == "ours\n", "\(mounted.errors)")
    _ = try TestSupport.run(storage + ["image", "unmount", "-a"])
  }
}
