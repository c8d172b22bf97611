import Glibc
import Linux
import TestSupport
import Testing

/// The words of `minidock oci`: names of the program, options before the command, where failures go.
@Suite(.enabled(if: MinidockFixture.isAvailable, MinidockFixture.requirement))
struct OCICommandTests {
  let fixture: OCIFixture

  init() throws { fixture = try OCIFixture("words") }

  @Test func `minidock is a runtime by its command and by its name`() throws {
    let path = try fixture.bundle("command", ["echo", "by", "command"])
    let result = try fixture.oci(
      ["run", "-b", path, fixture.id("command")], program: [MinidockFixture.binary, "oci"])
    #expect(result.output == "by command\n", "\(result)")
    for name in ["runc", "minidock-oci"] {
      let link = fixture.base.file(name)
      #expect(symlink(MinidockFixture.binary, link) == 0)
      let path = try fixture.bundle(name, ["echo", "by", name])
      let result = try fixture.oci(["run", "-b", path, fixture.id(name)], program: [link])
      #expect(result.output == "by \(name)\n", "\(result)")
      #expect(try TestSupport.run([link, "--version"]).output.contains("spec: 1.2"))
    }
  }

  @Test func `a failure goes to the log as one JSON line and to standard error`() throws {
    let log = fixture.base.file("log")
    for format in ["json", "text"] {
      let result = try fixture.oci(
        "--log", log, "--log-format", format, "--debug", "--rootless", "false", "state", "nobody")
      fixture.expectFailure(result, "container does not exist")
    }
    let lines = (Files.text(log) ?? "").split(separator: "\n")
    try #require(lines.count == 2)
    let line = try JSONValue(parsing: Array(lines[0].utf8))
    #expect(line["level"]?.plainText == "error")
    #expect(line["msg"]?.plainText == "look up container nobody: container does not exist")
    #expect(line["time"]?.plainText?.hasSuffix("Z") == true)
    #expect(lines[1].contains("level=error msg=\"look up container"))
    // Nothing is written about what went well.
    #expect(try fixture.oci("--log", log, "--log-format", "json", "list").status == 0)
    #expect((Files.text(log) ?? "").split(separator: "\n").count == 2)
  }

  @Test(arguments: [
    (["--log-format", "xml", "list"], "a format is text or json"),
    (["--rootless", "maybe", "list"], "it is auto, true or false"),
    (["--nonsense", "list"], "no such option"), (["nonsense"], "there is no such command"),
    (["checkpoint", "x"], "container does not exist"), (["state"], "a container's id is missing"),
    (["state", "a", "b"], "\"b\" is one too many"), (["create", "../x"], "invalid container ID"),
    (["delete", "--force", ".."], "invalid container ID"),
    (["create", "--preserve-fds", "many", "x"], "it is no number"),
  ])
  func `wrong words are refused`(words: [String], reason: String) throws {
    fixture.expectFailure(try fixture.oci(words), reason)
  }

  @Test func `spec writes a bundle that runs, and does not overwrite one`() throws {
    let path = fixture.base.file("template")
    try Files.claimDirectory(path, mode: 0o755)
    #expect(symlink(fixture.rootfs, path + "/rootfs") == 0)
    #expect(try fixture.oci("spec", "--bundle", path).status == 0)
    fixture.expectFailure(try fixture.oci("spec", "--bundle", path), "config.json exists")
    let text = Files.text(path + "/config.json") ?? ""
    let plain = text.split(separator: "\n").map {
      $0.contains("\"terminal\"") ? "\"terminal\": false," : String($0)
    }.joined(separator: "\n").replacing("\"sh\"", with: "\"hostname\"")
    try Files.replace(path + "/config.json", with: Array(plain.utf8), mode: 0o644)
    let result = try fixture.oci("run", "--bundle", path, fixture.id("template"))
    #expect(result.output == "minidock\n", "\(result)")
  }

  @Test func `a pidfd of the first process and of another one is sent`() throws {
    let first = fixture.base.file("first")
    let receiver = try fixture.receiver("pidfd", first)
    let id = try fixture.create("pidfd", flags: ["--pidfd-socket", first])
    let told = try receiver.wait(timeoutSeconds: 60)
    #expect(told.output == "ready\nstandard 1\nPid:\t\(try fixture.pid(id))\n", "\(told)")
    try fixture.oci("start", id)
    let second = fixture.base.file("second")
    let other = try fixture.receiver("pidfd", second)
    let file = fixture.base.file("pid")
    let result = try fixture.oci(
      "exec", "--pid-file", file, "--pidfd-socket", second, id, "sleep", "1")
    #expect(result.status == 0, "\(result)")
    #expect(
      try other.wait(timeoutSeconds: 60).output
        == "ready\nsetns 1\nPid:\t\(Files.text(file) ?? "")\n"
    )
    fixture.expectFailure(
      try fixture.oci("exec", "--pidfd-socket", fixture.base.file("absent"), id, "true"), "connect")
  }
}
