import Glibc
import Linux
import TestSupport
import Testing

/// What can be wrong with a registry, each in one line that says what to do.
@Suite(.enabled(if: MinidockFixture.canServeRegistry, MinidockFixture.registryRequirement))
struct RegistryErrorTests {
  let fixture: MinidockFixture
  let server: HostileRegistry

  init() throws {
    fixture = try MinidockFixture("errors")
    server = try HostileRegistry(fixture.file("hostile"))
    try fixture.write("config.toml", "[transfer]\nretries = 1\nstall-seconds = 1\n")
  }

  private func expectLine(_ texts: [String], _ name: String? = nil) throws {
    let name = name ?? "\(server.host)/app"
    let result = try fixture.remote("pull", "-q", name)
    #expect(result.status == 1 && result.output == "" && result.errors.lines.count == 1)
    for text in texts + ["minidock: pull \(name):latest: "] {
      #expect(result.errors.contains(text), "\(text): \(result.errors)")
    }
    #expect(try Files.list(fixture.root + "/blobs/sha256") == [])
  }

  @Test func eachRefusalOfTheServerHasItsRemedy() throws {
    let image = try server.make()
    for (status, texts) in [
      (403, ["does not allow it: a trick", "minidock login"]),
      (404, ["no such image or repository: a trick", "check the name"]),
      (429, ["allows no more requests", "2 attempts", "try again later"]),
      (500, ["status 500: a trick", "2 attempts", "try again later"]),
      (503, ["status 503: a trick", "2 attempts", "try again later"]),
    ] as [(Int, [String])] {
      for what in ["manifest", image.layers[0]] {
        try server.play(#"{"\#(what)": {"status": \#(status)}}"#)
        try expectLine(texts)
      }
    }
    try server.play(#"{"auth": {"scheme": "basic", "user": "a:b"}}"#)
    try expectLine(["wants a user and password", "run minidock login \(server.host)"])
  }

  @Test func whoeverHasLoggedInIsNotSentThereAgainForAMissingImage() throws {
    try server.make()
    try Files.makeDirectories(fixture.file("docker"))
    try fixture.write(
      "docker/config.json", #"{"auths": {"\#(server.host)": {"auth": "YTpi"}}}"#)
    try server.play(
      #"{"auth": {"scheme": "basic", "user": "a:b"}, "manifest": {"status": 404}}"#)
    let result = try fixture.remote("pull", "-q", "\(server.host)/app")
    #expect(result.errors.contains("check the name") && !result.errors.contains("login"))
  }

  @Test func aServerThatIsNotThereOrKeepsSilentIsNamed() throws {
    let image = try server.make()
    try server.play(#"{"\#(image.layers[0])": {"stall": 0}}"#)
    try expectLine(["has sent nothing for 1 seconds", "2 attempts"])
    // Where name servers do not answer it takes a while to know that there is no such name.
    try fixture.write("config.toml", "[transfer]\nretries = 1\n")
    try expectLine(
      ["the host name registry.invalid cannot be resolved", "check the name"],
      "registry.invalid/app")
    let port = try RegistryServer.freePort()
    try expectLine(
      ["connection refused", "2 attempts", "; check the name and whether the registry runs"],
      "127.0.0.1:\(port)/app")
  }

  @Test func bytesOfAnotherDigestAreNamedWithBoth() throws {
    let image = try server.make()
    try server.play(#"{"\#(image.config)": {"wrong": true}}"#)
    try expectLine(["its digest is sha256:", "instead of \(image.config)"])
    try server.play(#"{"\#(image.layers[0])": {"flip": 20}}"#)
    try expectLine([image.layers[0].dropFirst(7).prefix(12).description])
  }

  @Test func loginSaysOfAWrongPasswordThatItIsWrong() throws {
    try server.play(#"{"auth": {"scheme": "basic", "user": "a:b"}}"#)
    let result = try fixture.remote(
      ["login", "-u", "a", "--password-stdin", server.host], input: Array("wrong".utf8))
    #expect(result.status == 1 && result.errors.contains("does not accept this user and password"))
    #expect(!result.errors.contains("minidock login"), "\(result.errors)")
  }

  @Test func anAddressIsNotImported() throws {
    let line = try fixture.refuse(["import", "http://\(server.host)/root.tar", "x"], status: 1)
    #expect(line.contains("curl"), "\(line)")
    #expect(server.requests() == [])
  }

  /// In a network of its own, where the registry's address is not this machine's loopback.
  @Test func aRegistryElsewhereWithoutTLSNeedsToBeSaidInsecure() throws {
    try fixture.importImage("192.0.2.77:5000/app:1", changes: "true")
    let result = try fixture.shell(
      #"""
      exec unshare -n bash -c '
      ip link add made type veth peer name other && ip link set other up && ip addr add 192.0.2.77/24 dev made && ip link set made up
      ip link set lo up
      export MINIDOCK_CONFIG="$DIRECTORY/config.toml" DOCKER_CONFIG="$DIRECTORY/docker"
      mkdir "$DIRECTORY/storage"
      cat > "$DIRECTORY/plain.yml" <<END
      version: 0.1
      log: {level: error, accesslog: {disabled: true}}
      storage: {filesystem: {rootdirectory: $DIRECTORY/storage}}
      http: {addr: "192.0.2.77:5000", secret: test}
      END
      docker-registry serve "$DIRECTORY/plain.yml" >/dev/null 2>&1 &
      trap "kill $!" EXIT
      for n in $(seq 1200); do (: < /dev/tcp/192.0.2.77/5000) 2>/dev/null && break; sleep 0.05; done
      "$MINIDOCK" push -q 192.0.2.77:5000/app:1 && echo "spoke in plain text"
      printf "[registry.\"192.0.2.77:5000\"]\ninsecure = true\n" > "$MINIDOCK_CONFIG"
      "$MINIDOCK" push -q 192.0.2.77:5000/app:1
      "$MINIDOCK" rmi 192.0.2.77:5000/app:1 >/dev/null
      "$MINIDOCK" pull -q 192.0.2.77:5000/app:1
      '
      """#)
    #expect(result.output.lines.count == 2, "\(result.output)\(result.errors)")
    #expect(result.output.hasPrefix("192.0.2.77:5000/app:1\nsha256:"), "\(result.output)")
    #expect(result.errors.contains("insecure = true"), "\(result.errors)")
  }
}
