import Glibc
import Linux
import TestSupport
import Testing

@Suite(.enabled(if: MinidockFixture.canServeRegistry, MinidockFixture.registryRequirement))
struct PullTests {
  let fixture: MinidockFixture

  init() throws { fixture = try MinidockFixture("pull") }

  /// An image of another installation, in a registry: what is pulled has to come from there.
  private func serve(_ name: String, _ server: RegistryServer) throws {
    let other = try MinidockFixture("pushed")
    try other.importImage("\(server.host)/\(name)", changes: "echo hello > greeting")
    let pushed = try other.remote("push", "\(server.host)/\(name)")
    expectSuccess(pushed)
  }

  @Test func whatWasPushedIsPulledRunAndUpToDateAfterwards() throws {
    let server = try fixture.registry()
    try serve("app:1", server)
    let pulled = try fixture.remote("pull", "\(server.host)/app:1")
    expectSuccess(pulled)
    let lines = pulled.output.lines
    #expect(lines.first == "1: Pulling from app")
    #expect(lines.contains("Status: Downloaded newer image for \(server.host)/app:1"))
    #expect(lines.last == "\(server.host)/app:1")
    #expect(lines.contains { $0.hasPrefix("Digest: sha256:") })
    #expect(pulled.errors.contains("downloading") && pulled.errors.contains("done"))
    #expect(try fixture.run("\(server.host)/app:1", "cat", "/greeting").output == "hello\n")
    let again = try fixture.remote("pull", "\(server.host)/app:1")
    #expect(
      again.output.lines.contains("Status: Image is up to date for \(server.host)/app:1"),
      "\(again.output)\(again.errors)")
  }

  @Test func quietPrintsTheIdAlone() throws {
    let server = try fixture.registry()
    try serve("app:1", server)
    let pulled = try fixture.remote("pull", "-q", "\(server.host)/app:1")
    #expect(pulled.output.hasPrefix("sha256:") && pulled.output.lines.count == 1)
    #expect(pulled.errors == "")
  }

  @Test func aPullOfAnImageThatIsThereIsOneRequest() throws {
    let server = try HostileRegistry(fixture.file("hostile"))
    let image = try server.make(layers: 2)
    expectSuccess(try fixture.remote("pull", "\(server.host)/app"))
    _ = server.requests()
    expectSuccess(try fixture.remote("pull", "\(server.host)/app"))
    let requests = server.requests()
    #expect(requests.count == 1 && requests[0].contains(#""method": "HEAD""#), "\(requests)")
    // By digest it cannot have changed: nobody is asked.
    expectSuccess(try fixture.remote("pull", "\(server.host)/app@\(image.manifest)"))
    #expect(server.requests() == [])
  }

  @Test func aTagThatMovedIsFetchedAndSharesItsLayers() throws {
    let server = try HostileRegistry(fixture.file("hostile"))
    try server.make(layers: 2)
    let first = try fixture.remote("pull", "-q", "\(server.host)/app")
    expectSuccess(first)
    try server.make(layers: 3)
    _ = server.requests()
    let second = try fixture.remote("pull", "\(server.host)/app")
    expectSuccess(second)
    #expect(second.errors.components("already exists") == 2, "\(second.errors)")
    let blobs = server.requests().filter { $0.contains("/blobs/") }
    #expect(blobs.count == 2, "the configuration and the new layer: \(blobs)")
    #expect(second.output.contains("Downloaded newer image"))
  }

  @Test(arguments: ["gzip", "zstd", "plain"])
  func layersOfEveryCompressionArrive(_ kind: String) throws {
    let server = try HostileRegistry(fixture.file("hostile"))
    try server.make(layers: 4, size: 300_000, kind: kind)
    expectSuccess(try fixture.remote("pull", "\(server.host)/app"))
    let files = try fixture.shell(
      "cd \"$MINIDOCK_ROOT/layers\" && cat */diff/layer-* | wc -c")
    #expect(files.output == "1200000\n")
  }

  @Test func aListGivesTheImageOfThePlatformAskedFor() throws {
    let server = try HostileRegistry(fixture.file("hostile"))
    let arm = try server.make("app", "arm", platform: "linux/arm64")
    let amd = try server.make("app", "amd", platform: "linux/amd64")
    func entry(_ digest: String, _ architecture: String) throws -> String {
      """
      {"mediaType": "application/vnd.oci.image.manifest.v1+json", "digest": "\(digest)", \
      "size": \(try server.bytes("manifests", digest).count), \
      "platform": {"os": "linux", "architecture": "\(architecture)"}}
      """
    }
    let list = try server.add(
      manifest: """
        {"schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json", \
        "manifests": [\(try entry(arm.manifest, "arm64")), \(try entry(amd.manifest, "amd64"))]}
        """, "app", "latest")
    let own = try fixture.remote("pull", "-q", "\(server.host)/app")
    #expect(own.output == amd.config + "\n", "\(own.errors)")
    _ = server.requests()
    let again = try fixture.remote("pull", "\(server.host)/app")
    #expect(again.output.contains("up to date") && again.output.contains("Digest: \(list)"))
    #expect(server.requests().count == 1)
    let other = try fixture.remote(
      "pull", "-q", "--platform", "linux/arm64", "\(server.host)/app")
    #expect(other.output == arm.config + "\n", "\(other.errors)")
    let none = try fixture.remote("pull", "--platform", "linux/s390x", "\(server.host)/app")
    #expect(none.status == 1 && none.errors.contains("linux/arm64"), "\(none.errors)")
  }

  @Test func allTagsArePulled() throws {
    let server = try HostileRegistry(fixture.file("hostile"))
    for tag in ["one", "two", "three"] { try server.make("team/app", tag) }
    let pulled = try fixture.remote("pull", "-a", "\(server.host)/team/app")
    expectSuccess(pulled)
    let names = try fixture.succeed("images", "--format", "{{.Repository}}:{{.Tag}}").lines
    #expect(Set(names) == Set(["one", "two", "three"].map { "\(server.host)/team/app:\($0)" }))
  }

  @Test func runAndCreatePullWhatIsMissingAndObeyThePolicy() throws {
    let server = try fixture.registry()
    try serve("app:1", server)
    let name = "\(server.host)/app:1"
    let never = try fixture.remote(
      "run", "--rm", "--network", "none", "--pull", "never", name, "true")
    #expect(never.status == 125 && never.errors.contains("no such image"), "\(never.errors)")
    let missing = try fixture.remote(
      "run", "--rm", "--network", "none", name, "cat", "/greeting")
    #expect(missing.output == "hello\n", "\(missing.errors)")
    #expect(missing.errors.contains("Downloaded newer image"))
    let there = try fixture.remote("run", "--rm", "--network", "none", name, "cat", "/greeting")
    #expect(there.output == "hello\n" && there.errors == "", "\(there.errors)")
    let always = try fixture.remote(
      "run", "--rm", "--network", "none", "--pull", "always", name, "cat", "/greeting")
    #expect(always.output == "hello\n" && always.errors.contains("up to date"))
    let created = try fixture.remote(
      "create", "--pull", "always", "--network", "none", name, "true")
    expectSuccess(created)
    #expect(created.output.lines.count == 1)
    let absent = try fixture.remote("run", "--rm", "\(server.host)/none:1", "true")
    #expect(absent.status == 125 && absent.errors.contains("no such image"), "\(absent.errors)")
  }

  @Test func withBasicAuthenticationAndTLSUnderAPrivateAuthority() throws {
    let server = try fixture.registry(user: "anna:secret-1", withTLS: true)
    let untrusted = try fixture.remote("pull", "\(server.host)/app:1")
    #expect(
      untrusted.status == 1 && untrusted.errors.contains("not trusted"), "\(untrusted.errors)")
    try fixture.write(
      "config.toml", "[registry.\"\(server.host)\"]\nca = \"\(server.authority ?? "")\"\n")
    try fixture.importImage("\(server.host)/app:1", changes: "echo tls > greeting")
    let anonymous = try fixture.remote("push", "\(server.host)/app:1")
    #expect(anonymous.status == 1 && anonymous.errors.contains("minidock login"))
    expectSuccess(
      try fixture.remote(
        ["login", "-u", "anna", "--password-stdin", server.host], input: Array("secret-1".utf8)))
    expectSuccess(try fixture.remote("push", "\(server.host)/app:1"))
    try fixture.succeed("rmi", "\(server.host)/app:1")
    expectSuccess(try fixture.remote("pull", "\(server.host)/app:1"))
    #expect(try fixture.run("\(server.host)/app:1", "cat", "/greeting").output == "tls\n")
  }

  @Test func aBearerTokenIsFetchedWithTheCredentialsAndUsed() throws {
    let server = try HostileRegistry(fixture.file("hostile"))
    try server.make()
    try server.play(
      #"{"auth": {"scheme": "bearer", "realm": "http://\#(server.host)/token"}}"#)
    expectSuccess(try fixture.remote("pull", "\(server.host)/app"))
    let tokens = server.requests().filter { $0.contains("/token") }
    #expect(tokens.count == 1, "\(tokens)")
    #expect(tokens[0].contains("scope=repository%3Aapp%3Apull"), "\(tokens)")
    #expect(!tokens[0].contains("Authorization"))
  }

  @Test func aMirrorIsAskedFirstAndTheRegistryWhenItFailsOrLies() throws {
    let origin = try HostileRegistry(fixture.file("origin"))
    let mirror = try HostileRegistry(fixture.file("mirror"))
    let image = try origin.make()
    try mirror.make()
    try fixture.write(
      "config.toml",
      "[registry.\"\(origin.host)\"]\nmirrors = [\"http://\(mirror.host)\"]\n")
    expectSuccess(try fixture.remote("pull", "\(origin.host)/app"))
    #expect(origin.requests() == [] && mirror.requests().count > 2)
    try fixture.succeed("rmi", "\(origin.host)/app")
    try mirror.play(#"{"\#(image.layers[0])": {"wrong": true}}"#)
    expectSuccess(try fixture.remote("pull", "\(origin.host)/app"))
    #expect(origin.requests().contains { $0.contains(image.layers[0]) })
    try fixture.succeed("rmi", "\(origin.host)/app")
    try mirror.play(#"{"manifest": {"status": 404}, "\#(image.layers[0])": {"status": 404}}"#)
    expectSuccess(try fixture.remote("pull", "\(origin.host)/app"))
  }

  @Test func eightPullsOfOneImageAtOnceFetchEachLayerOnce() throws {
    let server = try HostileRegistry(fixture.file("hostile"))
    let image = try server.make(layers: 3, size: 2_000_000)
    try fixture.write("config.toml", "")
    let result = try fixture.shell(
      #"""
      export MINIDOCK_CONFIG="$DIRECTORY/config.toml" DOCKER_CONFIG="$DIRECTORY/docker"
      for n in 1 2 3 4 5 6 7 8; do "$MINIDOCK" pull -q "$1/app" & pids+=($!); done
      # By id: "wait -n" forgets children that ended before it was called.
      for pid in "${pids[@]}"; do wait "$pid" || echo "failed with $?"; done
      """#, server.host)
    #expect(
      result.output.lines == Array(repeating: image.config, count: 8), "\(result.errors)")
    let requests = server.requests()
    for layer in image.layers {
      #expect(requests.filter { $0.contains(layer) }.count == 1)
    }
  }
}

extension String {
  /// How often a text occurs in it.
  fileprivate func components(_ text: String) -> Int { ranges(of: text).count }
}
