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

  /// Runs as the user, whom private /etc/subuid and /etc/subgid give the thousand ids from 200000 on.
  private func runWithRanges(_ words: [String]) throws -> CommandResult {
    let ranges = try fixture.base.write("ranges", "nobody:200000:1000\n")
    return try fixture.oci(
      words,
      program: [
        "unshare", "--mount", "sh", "-c",
        "mount --bind \"$1\" /etc/subuid && mount --bind \"$1\" /etc/subgid && shift && exec \"$@\"",
        "sh", ranges, "setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups",
        "--inh-caps=-all", program, "oci",
      ])
  }

  private func map(_ config: inout OCIConfig, count: Int) throws {
    let ranges = """
      [{"containerID":0,"hostID":65534,"size":1},{"containerID":1,"hostID":200000,"size":\(count)}]
      """
    try config.append("linux.namespaces", #"{"type":"user"}"#)
    try config.set("linux.uidMappings", ranges)
    try config.set("linux.gidMappings", ranges)
    try config.set("process.user", #"{"uid":5,"gid":6,"additionalGids":[7]}"#)
    try config.append(
      "mounts", #"{"destination":"/data","type":"tmpfs","source":"t","options":["mode=777"]}"#)
  }

  private static let hasHelpers = hasProgram("newuidmap") && Files.exists("/etc/subuid")

  @Test(.enabled(if: OCIRootlessTests.hasHelpers, "needs newuidmap and /etc/subuid"))
  func `ranges of ids that the host gives a user are mapped`() throws {
    let script = "id -u; id -g; id -G; touch /data/f; stat -c %u:%g /data/f; cat /proc/self/uid_map"
    let path = try fixture.bundle("ranges", ["sh", "-c", script]) { try map(&$0, count: 1000) }
    let result = try runWithRanges(["run", "--bundle", path, fixture.id("ranges")])
    let lines = result.output.split(separator: "\n").map {
      $0.split(separator: " ").joined(separator: " ")
    }
    #expect(lines == ["5", "6", "6 7", "5:6", "0 65534 1", "1 200000 1000"], "\(result)")
    let sleeping = try fixture.bundle("life2", ["sleep", "1000"]) { try map(&$0, count: 1000) }
    let id = fixture.id("life2")
    #expect(try runWithRanges(["create", "--bundle", sleeping, id]).status == 0)
    #expect(try runWithRanges(["start", id]).status == 0)
    // Outside it is somebody of the user's range.
    let pid = try #require(Int32(try json(runWithRanges(["state", id]))["pid"]?.compact ?? ""))
    #expect(try FileStatus("/proc/\(pid)").owner == 200_004)
    let inside = try runWithRanges(["exec", "--user", "9:8", id, "id"])
    #expect(inside.output.hasPrefix("uid=9") && inside.output.contains("gid=8"), "\(inside)")
    #expect(try runWithRanges(["delete", "--force", id]).status == 0)
    #expect(fixture.leftovers(id) == [])
  }

  private func json(_ result: CommandResult) throws -> JSONValue {
    try JSONValue(parsing: Array(result.output.utf8))
  }

  @Test(.enabled(if: OCIRootlessTests.hasHelpers, "needs newuidmap and /etc/subuid"))
  func `ids that the host gives nobody are refused`() throws {
    let path = try fixture.bundle("beyond", ["true"]) { try map(&$0, count: 1001) }
    let id = fixture.id("beyond")
    let result = try runWithRanges(["create", "--bundle", path, id])
    fixture.expectFailure(result, "use linux.uidMappings: newuidmap refuses these ranges")
    #expect(fixture.leftovers(id) == [])
  }
}
