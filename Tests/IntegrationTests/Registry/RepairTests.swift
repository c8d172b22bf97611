import Linux
import TestSupport
import Testing

/// `image check --repair` has a registry: what is damaged comes from there again.
@Suite(.enabled(if: MinidockFixture.canServeRegistry, MinidockFixture.registryRequirement))
struct RepairTests {
  let fixture: MinidockFixture
  let server: HostileRegistry

  init() throws {
    fixture = try MinidockFixture("repair")
    server = try HostileRegistry(fixture.file("hostile"))
  }

  private func damage(_ digest: String) throws {
    let path = "\(fixture.root)/blobs/sha256/\(digest.dropFirst(7))"
    let bytes = try #require(try Files.read(path))
    try Files.replace(path, with: [bytes[0] ^ 1] + bytes.dropFirst())
  }

  @Test func everyPartThatIsDamagedOrLostIsFetchedAgain() throws {
    let image = try server.make(layers: 2)
    expectSuccess(try fixture.remote("pull", "\(server.host)/app"))
    for digest in [image.manifest, image.config, image.layers[1]] { try damage(digest) }
    try Files.remove("\(fixture.root)/blobs/sha256/\(image.layers[0].dropFirst(7))")
    _ = try fixture.shell("for f in $DIRECTORY/root/layers/*/diff/layer-0; do printf z >> $f; done")
    let named = try fixture.remote("image", "check")
    #expect(named.status == 1 && named.output.lines.count == 4, "\(named.output)")
    let repaired = try fixture.remote("image", "check", "--repair")
    #expect(repaired.status == 0, "\(repaired.output)\(repaired.errors)")
    #expect(repaired.output.ranges(of: "fetched again").count == 4, "\(repaired.output)")
    #expect(repaired.output.contains("unpacked again"), "\(repaired.output)")
    let clean = try fixture.remote("image", "check")
    #expect(clean.status == 0 && clean.output == "no problems found\n", "\(clean.output)")
    #expect(try Files.list(fixture.root + "/ingest") == [])
  }

  @Test func whatTheRegistryCannotGiveIsNamedWithTheReason() throws {
    let image = try server.make()
    expectSuccess(try fixture.remote("pull", "\(server.host)/app"))
    try damage(image.layers[0])
    try fixture.write("config.toml", "[transfer]\nretries = 0\n")
    for (trick, told) in [
      (#"{"status": 404}"#, "no such image"), (#"{"wrong": true}"#, "what came has the digest"),
    ] {
      try server.play(#"{"\#(image.layers[0])": \#(trick)}"#)
      let result = try fixture.remote("image", "check", "--repair")
      #expect(result.status == 1 && result.output.lines.count == 1, "\(result.output)")
      #expect(result.output.contains("cannot be fetched again"), "\(result.output)")
      #expect(result.output.contains(told), "\(result.output)")
      #expect(result.output.contains("\(server.host)/app:latest"), "\(result.output)")
    }
    // Control: an honest registry mends it.
    try server.play("{}")
    #expect(try fixture.remote("image", "check", "--repair").status == 0)
  }

  @Test func whatCameFromNoRegistryAsksNobody() throws {
    try fixture.importImage("\(server.host)/app:1", changes: "true")
    let layer = try fixture.shell(
      #"basename "$(ls -S "$DIRECTORY/root/blobs/sha256/"* | head -1)""#)
    try damage("sha256:" + layer.output.lines[0])
    let result = try fixture.remote("image", "check", "--repair")
    #expect(result.status == 1 && result.output.contains("from no registry"), "\(result.output)")
    #expect(server.requests() == [])
  }
}
