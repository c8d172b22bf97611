import Glibc
import Linux
import TestSupport
import Testing

@Suite(.enabled(if: MinidockFixture.canServeRegistry, MinidockFixture.registryRequirement))
struct LoginTests {
  let fixture: MinidockFixture

  init() throws { fixture = try MinidockFixture("login") }

  @Test func loginStoresWhatTheRegistryAcceptsAndLogoutForgetsIt() throws {
    let server = try fixture.registry(user: "anna:secret-1")
    let wrong = try fixture.remote(
      ["login", "-u", "anna", "--password-stdin", server.host], input: Array("wrong\n".utf8))
    #expect(wrong.status == 1)
    #expect(wrong.errors.contains("does not accept"), "\(wrong.errors)")
    #expect(!Files.exists(fixture.file("docker/config.json")))

    let right = try fixture.remote(
      ["login", "-u", "anna", "--password-stdin", server.host], input: Array("secret-1\n".utf8))
    expectSuccess(right)
    #expect(right.output == "Login Succeeded\n")
    let path = fixture.file("docker/config.json")
    #expect(try FileStatus(path).permissions & 0o777 == 0o600)
    // Docker and skopeo read the same file.
    let auth = try TestSupport.run(
      ["jq", "-r", ".auths[\"\(server.host)\"].auth | @base64d", path])
    #expect(auth.output == "anna:secret-1\n")
    let again = try fixture.remote("login", server.host)
    #expect(again.output == "Login Succeeded\n" && again.errors.contains("stored credentials"))

    let out = try fixture.remote("logout", server.host)
    #expect(out.output == "Removing login credentials for \(server.host)\n", "\(out.errors)")
    #expect(try fixture.remote("logout", server.host).output == "Not logged in to \(server.host)\n")
    #expect(try TestSupport.run(["jq", ".auths | length", path]).output == "0\n")
  }

  @Test func whatElseIsInDockersFileIsKeptAndAModeTooOpenIsCorrected() throws {
    let server = try fixture.registry(user: "anna:secret-1")
    try Files.makeDirectories(fixture.file("docker"))
    try fixture.write(
      "docker/config.json",
      #"{"psFormat": "x", "auths": {"other.example": {"auth": "YTpi"}}, "HttpHeaders": {"A": "1"}}"#
    )
    expectSuccess(
      try fixture.remote(
        ["login", "-u", "anna", "--password-stdin", server.host], input: Array("secret-1".utf8)))
    let text = try TestSupport.run([
      "jq", "-c", "[.psFormat, .HttpHeaders.A, .auths[\"other.example\"].auth, (.auths | length)]",
      fixture.file("docker/config.json"),
    ])
    #expect(text.output == "[\"x\",\"1\",\"YTpi\",2]\n", "\(text.errors)")
    #expect(try FileStatus(fixture.file("docker/config.json")).permissions & 0o777 == 0o600)
  }

  @Test func aCredentialHelperKeepsThePassword() throws {
    let server = try fixture.registry(user: "anna:secret-1")
    try Files.makeDirectories(fixture.file("bin"))
    try Files.makeDirectories(fixture.file("docker"))
    try fixture.write(
      "bin/docker-credential-test",
      """
      #!/bin/sh
      store=\(fixture.file("kept.json"))
      case $1 in
        store) cat > $store ;;
        get) read -r server
          [ -f $store ] && grep -q "\\"$server\\"" $store && cat $store && exit 0
          echo "credentials not found in native keychain"; exit 1 ;;
        erase) rm -f $store ;;
      esac
      """, mode: 0o755)
    try fixture.write("docker/config.json", #"{"credsStore": "test"}"#)
    let path = "PATH=\(fixture.file("bin")):/usr/sbin:/usr/bin:/sbin:/bin"
    expectSuccess(
      try fixture.remote(
        ["login", "-u", "anna", "--password-stdin", server.host], input: Array("secret-1".utf8),
        environment: [path]))
    let file = try #require(Files.text(fixture.file("docker/config.json")))
    #expect(!file.contains("auth\"") && file.contains(server.host), "\(file)")
    #expect(Files.text(fixture.file("kept.json"))?.contains("secret-1") == true)
    try fixture.importImage("\(server.host)/app:1", changes: "true")
    expectSuccess(
      try fixture.remote(["push", "\(server.host)/app:1"], environment: [path]))
    expectSuccess(try fixture.remote(["logout", server.host], environment: [path]))
    #expect(!Files.exists(fixture.file("kept.json")))
    let refused = try fixture.remote(["push", "\(server.host)/app:1"], environment: [path])
    #expect(refused.status == 1 && refused.errors.contains("minidock login"), "\(refused.errors)")
  }

  @Test func aHelperThatIsMissingIsNamed() throws {
    try Files.makeDirectories(fixture.file("docker"))
    try fixture.write("docker/config.json", #"{"credsStore": "nosuch"}"#)
    let result = try fixture.remote("login", "127.0.0.1:9")
    #expect(result.status == 1)
    #expect(result.errors.contains("docker-credential-nosuch"), "\(result.errors)")
  }

  @Test func withoutATerminalAPasswordIsAskedForInOneLine() throws {
    let result = try fixture.remote("login", "127.0.0.1:9", "-u", "anna")
    #expect(result.status == 1 && result.errors.contains("--password-stdin"), "\(result.errors)")
    #expect(result.errors.split(separator: "\n").count == 1)
  }
}
