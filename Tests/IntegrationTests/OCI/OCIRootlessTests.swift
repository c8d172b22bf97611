import Glibc
import Linux
import TestSupport
import Testing

/// `minidock oci` started by somebody who is not root, with a user namespace.
@Suite(.enabled(if: MinidockFixture.isAvailable, MinidockFixture.requirement))
struct OCIRootlessTests {
  let fixture: OCIFixture
  let program: String
  private static let user = 65534

  init() throws {
    fixture = try OCIFixture("rootless")
    // Where the program lies may be closed to others.
    program = fixture.base.file("minidock")
    try #require(
      try fixture.base.shell(
        "install -m 755 \"$MINIDOCK\" \"$1\"; chown -R 65534:65534 \"$2\"; install -d -o 65534 \"$3\"",
        program, fixture.rootfs, fixture.root
      ).status == 0)
  }

  private func config(_ config: inout OCIConfig) throws {
    try config.mapUsers(from: OCIRootlessTests.user, count: 1)
  }

  private func run(_ words: [String]) throws -> CommandResult {
    try fixture.oci(
      words,
      program: [
        "setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups", "--inh-caps=-all",
        program, "oci",
      ])
  }

  private func run(
    _ name: String, _ script: String, _ change: (inout OCIConfig) throws -> Void = { _ in }
  ) throws -> CommandResult {
    let path = try fixture.bundle(name, ["sh", "-c", script]) {
      try config(&$0)
      try change(&$0)
    }
    return try run(["run", "--bundle", path, fixture.id(name)])
  }

  @Test func `one's own id is root inside`() throws {
    let script =
      "id -u; touch /made; stat -c %u /made; echo > /dev/null && hostname; ls /proc/1/exe"
    let result = try run("own", script)
    #expect(result.output == "0\n0\ninside\n/proc/1/exe\n" && result.errors.isEmpty, "\(result)")
    #expect(try FileStatus(fixture.rootfs + "/made").owner == 65534)
  }

  @Test func `a container is created, started, entered and removed`() throws {
    let path = try fixture.bundle("life", ["sleep", "1000"], config)
    let id = fixture.id("life")
    #expect(try run(["create", "--bundle", path, id]).status == 0)
    #expect(try run(["start", id]).status == 0)
    let inside = try run(["exec", id, "sh", "-c", "id -u; id -G; hostname"])
    #expect(inside.output == "0\n0\ninside\n", "\(inside)")
    #expect(try run(["kill", id, "KILL"]).status == 0)
    #expect(try fixture.wait(id, for: "stopped"))
    #expect(try run(["delete", id]).status == 0)
    #expect(fixture.leftovers(id) == [])
  }

  @Test func `the template for users runs`() throws {
    let path = fixture.base.file("template")
    try #require(
      try fixture.base.shell(
        "install -d -o 65534 \"$1\"; ln -s \"$2\" \"$1/rootfs\"", path, fixture.rootfs
      ).status == 0)
    #expect(try run(["spec", "--rootless", "--bundle", path]).status == 0)
    let text = (Files.text(path + "/config.json") ?? "")
      .replacing("\"terminal\": true", with: "\"terminal\": false")
      .replacing("\"sh\"", with: "\"sh\",\"-c\",\"id -u; hostname\"")
    try Files.replace(path + "/config.json", with: Array(text.utf8), mode: 0o644)
    let result = try run(["run", "--bundle", path, fixture.id("template")])
    #expect(result.output == "0\nminidock\n", "\(result)")
  }
}
