import Glibc
import Linux
import TestSupport
import Testing

/// Rows 24 to 26 of the security matrix, and 22 and 23 as far as a registry is the attacker: each attempt is
/// made by a registry that lies, and each has a control that shows that the lie would have worked.
@Suite(.enabled(if: MinidockFixture.canServeRegistry, MinidockFixture.registryRequirement))
struct SecurityRegistryTests {
  let fixture: MinidockFixture
  let server: HostileRegistry

  init() throws {
    fixture = try MinidockFixture("secreg")
    server = try HostileRegistry(fixture.file("hostile"))
    try fixture.write("config.toml", "[transfer]\nretries = 1\nstall-seconds = 3\n")
  }

  private func pull(_ name: String = "app") throws -> CommandResult {
    try fixture.remote("pull", "-q", "\(server.host)/\(name)")
  }

  /// The pull ends in one line that says why, and leaves no image, layer or half-made file.
  private func expectRefusal(
    _ told: String, or other: String? = nil, _ name: String = "app",
    sourceLocation: SourceLocation = #_sourceLocation
  ) throws {
    let result = try pull(name)
    #expect(result.status == 1 && result.output == "", sourceLocation: sourceLocation)
    #expect(
      result.errors.contains(told) || other.map(result.errors.contains) == true,
      "\(result.errors)", sourceLocation: sourceLocation)
    #expect(result.errors.lines.count == 1, "\(result.errors)", sourceLocation: sourceLocation)
    try expectNothing(sourceLocation: sourceLocation)
  }

  private func expectNothing(sourceLocation: SourceLocation = #_sourceLocation) throws {
    let left = try fixture.shell(
      #"""
      cd "$MINIDOCK_ROOT" && find images layers blobs/sha256 ingest names -mindepth 1
      """#)
    #expect(left.output == "", "\(left.output)", sourceLocation: sourceLocation)
  }

  // MARK: - Row 24

  @Test func sec24_CVE_2021_41190_aDocumentOfTwoKindsIsRefusedBeforeAnyBlobIsFetched() throws {
    let image = try server.make()
    let text = String(decoding: try server.bytes("manifests", image.manifest), as: UTF8.self)
    let entry = """
      "manifests": [{"mediaType": "application/vnd.oci.image.manifest.v1+json", \
      "digest": "\(image.manifest)", "size": 1, "platform": {"os": "linux", "architecture": "amd64"}}]
      """
    try server.add(manifest: "{" + entry + ", " + text.dropFirst(), "both", "latest")
    _ = server.requests()
    try expectRefusal("at the same time", "both")
    #expect(!server.requests().contains { $0.contains("/blobs/") })
    // Control: the same document without its second nature is an image.
    #expect(try pull().output == image.config + "\n")
  }

  @Test func sec24_CVE_2021_41190_theMediaTypeThatTheServerGivesMustBeTheDocuments() throws {
    let image = try server.make()
    try server.play(
      #"{"manifest": {"type": "application/vnd.oci.image.index.v1+json"}}"#)
    try expectRefusal("contradicts")
    try server.play("{}")
    #expect(try pull().output == image.config + "\n")
  }

  @Test(arguments: [
    "sha256:../../../../etc/passwd", "sha256:\(String(repeating: "A", count: 64))",
    "md5:\(String(repeating: "a", count: 32))", "../x", "",
  ])
  func sec24_CVE_2024_3727_aDigestThatIsNoneIsRefusedBeforeTheNetworkSeesIt(
    _ digest: String
  ) throws {
    let image = try server.make()
    let text = String(decoding: try server.bytes("manifests", image.manifest), as: UTF8.self)
    try server.add(
      manifest: text.replacing(image.layers[0], with: digest), "layer", "latest")
    try server.add(manifest: text.replacing(image.config, with: digest), "config", "latest")
    _ = server.requests()
    try expectRefusal("64 lower-case hexadecimal digits", "layer")
    try expectRefusal("64 lower-case hexadecimal digits", "config")
    let asked = server.requests().filter { $0.contains("passwd") || $0.contains("md5") }
    #expect(asked == [])
    #expect(try pull().output == image.config + "\n")
  }

  @Test(arguments: ["wrong", "flip", "more", "clean"])
  func sec24_CVE_2024_3727_whatHasAnotherDigestOrSizeNeverBecomesVisible(_ trick: String) throws {
    let image = try server.make(layers: 2, size: 50_000)
    let value = ["wrong": "true", "flip": "777", "more": "10", "clean": "100"][trick] ?? ""
    for digest in [image.manifest, image.config, image.layers[0], image.layers[1]] {
      let key = digest == image.manifest ? "manifest" : digest
      try server.play(#"{"\#(key)": {"\#(trick)": \#(value)}}"#)
      let result = try pull()
      #expect(result.status == 1 && result.errors.lines.count == 1, "\(result.errors)")
      #expect(try fixture.succeed("images", "-aq") == "")
    }
    // Control: the same bytes untouched are taken.
    try server.play("{}")
    #expect(try pull().output == image.config + "\n")
  }

  @Test func sec24_CVE_2021_41190_aRegistrysOwnDigestHeaderMustBeTrue() throws {
    let image = try server.make()
    try server.play(
      #"{"manifest": {"digest": "sha256:\#(String(repeating: "0", count: 64))"}}"#)
    try expectRefusal("instead of sha256:0000")
    try server.play(#"{"manifest": {"digest": "sha256:../../x"}}"#)
    try expectRefusal("64 lower-case")
    try server.play("{}")
    #expect(try pull().output == image.config + "\n")
  }

  // MARK: - Rows 22 and 23

  @Test(arguments: ["manifest", "config", "layer"])
  func sec22_CVE_2017_14992_anEndlessAnswerEnds(_ what: String) throws {
    let image = try server.make()
    let key = ["config": image.config, "layer": image.layers[0]][what] ?? what
    try server.play(#"{"\#(key)": {"endless": true}}"#)
    // The decoder of a layer may meet what is no gzip before the one that counts has counted.
    try expectRefusal(
      what == "manifest" ? "larger than" : "more than",
      or: what == "layer" ? "its content is not application/vnd.oci.image.layer" : nil)
    try server.play("{}")
    #expect(try pull().output == image.config + "\n")
  }

  @Test func sec23_CVE_2021_20291_aStreamCutAtEvery4KiBEndsInAnErrorAndLeavesNothing() throws {
    try fixture.write("config.toml", "[transfer]\nretries = 0\n")
    let image = try server.make(size: 60_000)
    let size = try server.bytes("blobs", image.layers[0]).count
    for place in stride(from: 0, to: size, by: 4096) {
      try server.play(#"{"\#(image.layers[0])": {"short": \#(place)}}"#)
      let result = try pull()
      #expect(result.status == 1 && result.errors.lines.count == 1, "\(place): \(result.errors)")
      // What came is kept for the next attempt, of which there is none here, and seen by nobody.
      #expect(
        try fixture.succeed("images", "-aq") == "" && Files.list(fixture.root + "/layers") == [])
      try fixture.succeed("image", "prune", "-f")
      try expectNothing()
    }
    try server.play("{}")
    #expect(try pull().output == image.config + "\n")
  }

  // MARK: - Row 25

  /// Logs in to the registry, which asks for a user from then on.
  private func logIn(_ auth: String) throws {
    try server.play(auth)
    try Files.makeDirectories(fixture.file("docker"))
    try fixture.write(
      "docker/config.json", #"{"auths": {"\#(server.host)": {"auth": "YW5uYTpzZWNyZXQtMQ=="}}}"#)
  }

  @Test func sec25_CVE_2020_15157_credentialsDoNotFollowARedirect() throws {
    let other = try HostileRegistry(fixture.file("other"))
    let image = try server.make()
    let basic = #""auth": {"scheme": "basic", "user": "anna:secret-1"}"#
    let redirect =
      #""\#(image.layers[0])": {"redirect": "http://\#(other.host)/v2/app/blobs/\#(image.layers[0])"}"#
    try logIn("{\(basic), \(redirect)}")
    // The other server asks for credentials as well, and gets none.
    try other.make()
    try other.play("{\(basic)}")
    try expectRefusal("does not get")
    let sent = other.requests()
    #expect(!sent.isEmpty && !sent.contains { $0.contains("uthorization") || $0.contains("YW5uY") })
    // Control: to the registry itself they are sent, and a redirect without a challenge is followed.
    #expect(server.requests().contains { $0.contains("Basic YW5uYTpzZWNyZXQtMQ==") })
    try other.play("{}")
    #expect(try pull().output == image.config + "\n")
    #expect(!other.requests().contains { $0.contains("uthorization") })
  }

  @Test func sec25_CVE_2020_15157_aForeignLayersUrlsAreNotAsked() throws {
    let other = try HostileRegistry(fixture.file("other"))
    let image = try server.make()
    let text = String(decoding: try server.bytes("manifests", image.manifest), as: UTF8.self)
    let foreign = text.replacing(
      #""digest": "\#(image.layers[0])""#,
      with: #""urls": ["http://\#(other.host)/steal"], "digest": "\#(image.layers[0])""#)
    #expect(foreign != text)
    try server.add(manifest: foreign, "foreign", "latest")
    try logIn(#"{"auth": {"scheme": "basic", "user": "anna:secret-1"}}"#)
    #expect(try pull("foreign").output == image.config + "\n")
    #expect(other.requests() == [])
  }

  @Test func sec25_CVE_2020_15157_aHostileRealmGetsNoCredentials() throws {
    let other = try HostileRegistry(fixture.file("other"))
    let image = try server.make()
    try logIn(#"{"auth": {"scheme": "bearer", "realm": "http://\#(other.host)/token"}}"#)
    // A token is asked for without them, which is all that a public image needs.
    #expect(try pull().output == image.config + "\n")
    let asked = other.requests()
    #expect(asked.count == 1 && asked[0].contains("/token"))
    #expect(!asked[0].contains("uthorization") && !asked[0].contains("anna"), "\(asked)")
    // Control: the registry's own realm gets them, and another one that the settings name.
    try fixture.succeed("rmi", "\(server.host)/app")
    try server.play(#"{"auth": {"scheme": "bearer", "realm": "http://\#(server.host)/token"}}"#)
    _ = server.requests()
    #expect(try pull().output == image.config + "\n")
    #expect(server.requests().contains { $0.contains("/token") && $0.contains("Basic YW5uY") })
    try fixture.succeed("rmi", "\(server.host)/app")
    try fixture.write(
      "config.toml", "[registry.\"\(server.host)\"]\ntoken-hosts = [\"\(other.host)\"]\n")
    try server.play(#"{"auth": {"scheme": "bearer", "realm": "http://\#(other.host)/token"}}"#)
    #expect(try pull().output == image.config + "\n")
    #expect(other.requests().contains { $0.contains("Basic YW5uY") })
  }

  @Test(arguments: ["file:///etc/passwd", "ftp://x/", "", "http://", "javascript:1", "//x/y"])
  func sec25_CVE_2020_15157_aRealmThatIsNoAddressIsRefused(_ realm: String) throws {
    try server.make()
    try server.play(#"{"auth": {"scheme": "bearer", "realm": "\#(realm)"}}"#)
    try expectRefusal("is no http or https address")
  }

  @Test func sec25_CVE_2020_15157_aRedirectWithoutEndEnds() throws {
    let image = try server.make()
    try server.play(
      #"{"\#(image.layers[0])": {"redirect": "/v2/app/blobs/\#(image.layers[0])"}}"#)
    try expectRefusal("redirects without end")
    for place in ["file:///etc/passwd", "gopher://x/", ":"] {
      try server.play(#"{"\#(image.layers[0])": {"redirect": "\#(place)"}}"#)
      let result = try pull()
      #expect(result.status == 1, "\(place): \(result.errors)")
    }
  }

  // MARK: - Row 26

  /// A registry with TLS whose certificate is another host's, or another authority's.
  private func secure(_ name: String, _ certificate: String) throws -> HostileRegistry {
    let folder = fixture.file(name)
    try Files.makeDirectories(folder)
    try RegistryServer.makeCertificates(folder)
    let server = try HostileRegistry(
      folder, certificate: ("\(folder)/\(certificate).pem", "\(folder)/\(certificate).key"))
    try server.make()
    return server
  }

  @Test func sec26_CVE_2025_6032_aCertificateThatIsNotTheHostsIsRefused() throws {
    for (name, file, isTrusted, told) in [
      ("unknown", "server", false, "certificate is not trusted"),
      ("wronghost", "other", true, "is not for this host name"),
      ("expired", "old", true, "certificate has expired on 20"),
    ] {
      let server = try secure(name, file)
      let authority = isTrusted ? "ca = \"\(fixture.file(name))/ca.pem\"\n" : ""
      try fixture.write(
        "config.toml", "[registry.\"\(server.host)\"]\n\(authority)")
      try Files.makeDirectories(fixture.file("docker"))
      try fixture.write(
        "docker/config.json", #"{"auths": {"\#(server.host)": {"auth": "YW5uYTpzZWNyZXQtMQ=="}}}"#)
      let result = try fixture.remote("pull", "-q", "\(server.host)/app")
      #expect(result.status == 1 && result.errors.contains(told), "\(result.errors)")
      #expect(result.errors.lines.count == 1 && result.errors.contains("; "), "\(result.errors)")
      #expect(server.requests() == [], "nothing is sent before the certificate is checked")
      // Control: only the check keeps it away.
      try fixture.write("config.toml", "[registry.\"\(server.host)\"]\ninsecure = true\n")
      expectSuccess(try fixture.remote("pull", "-q", "\(server.host)/app"))
      try fixture.succeed("rmi", "\(server.host)/app")
    }
  }

  @Test func sec26_CVE_2025_6032_aRegistryWithItsAuthorityNamedIsNotSpokenToInPlainText() throws {
    let server = try HostileRegistry(fixture.file("plain"))
    try server.make()
    let folder = fixture.file("authority")
    try Files.makeDirectories(folder)
    try RegistryServer.makeCertificates(folder)
    try fixture.write(
      "config.toml",
      "[transfer]\nretries = 0\n[registry.\"\(server.host)\"]\nca = \"\(folder)/ca.pem\"\n")
    let result = try fixture.remote("pull", "-q", "\(server.host)/app")
    #expect(result.status == 1 && result.errors.contains("does not speak TLS"), "\(result.errors)")
    #expect(server.requests() == [])
    try fixture.write("config.toml", "")
    expectSuccess(try fixture.remote("pull", "-q", "\(server.host)/app"))
  }

  @Test func sec26_CVE_2019_13509_noMessageHoldsAPasswordOrToken() throws {
    try server.make()
    try logIn(#"{"auth": {"scheme": "basic", "user": "bert:other"}}"#)
    let refused = try pull()
    #expect(refused.status == 1)
    let login = try fixture.remote(
      ["login", "-u", "anna", "--password-stdin", server.host], input: Array("secret-1".utf8))
    #expect(login.status == 1)
    for text in [refused.errors, refused.output, login.errors, login.output] {
      #expect(!text.contains("secret-1") && !text.contains("YW5uY"), "\(text)")
    }
    // Control: it was sent, and could have been told.
    #expect(server.requests().contains { $0.contains("YW5uYTpzZWNyZXQtMQ==") })
  }
}
