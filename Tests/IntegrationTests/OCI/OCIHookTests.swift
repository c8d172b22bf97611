import Glibc
import Linux
import TestSupport
import Testing

/// The programs of each point of a container's life.
@Suite(.enabled(if: MinidockFixture.isAvailable, MinidockFixture.requirement))
struct OCIHookTests {
  let fixture: OCIFixture

  init() throws { fixture = try OCIFixture("hooks") }

  // Writes its name, what it reads and in which mount namespace it runs.
  private func hook(_ name: String, to log: String, more: String = "") -> String {
    let script = "echo \(name) $(cat) $(readlink /proc/self/ns/mnt) $PWD $A >> \(log)\(more)"
    return #"{"path":"/bin/sh","args":["sh","-c",\#(JSONValue.string(script).compact)],"#
      + #""env":["PATH=/bin:/usr/bin","A=b"],"timeout":60}"#
  }

  @Test func `hooks run in order, each where it belongs, with the state to read`() throws {
    let log = fixture.base.file("log")
    let id = fixture.id("order")
    // createContainer runs in the container's namespaces, but with the host's files.
    let path = try fixture.bundle("order", ["sh", "-c", "cat /log"]) { config in
      for name in ["prestart", "createRuntime", "createContainer", "poststart", "poststop"] {
        try config.set("hooks.\(name)", "[\(hook(name, to: log)),\(hook(name + "2", to: log))]")
      }
      try config.set("hooks.startContainer", "[\(hook("startContainer", to: "/log"))]")
    }
    let output = fixture.base.file("output")
    let created = try fixture.base.shell(
      "\"$MINIDOCK-oci\" --root \"$1\" create --bundle \"$2\" \"$3\" > \"$4\" 2>&1",
      fixture.root, path, id, output)
    #expect(created.status == 0, "\(Files.text(output) ?? "")")
    func lines() -> [[Substring]] {
      (Files.text(log) ?? "").split(separator: "\n").map { $0.split(separator: " ") }
    }
    #expect(
      lines().map { $0[0] } == [
        "prestart", "prestart2", "createRuntime", "createRuntime2", "createContainer",
        "createContainer2",
      ])
    let pid = try fixture.pid(id)
    #expect(try fixture.oci("start", id).status == 0)
    #expect(try fixture.wait(id, for: "stopped"))
    #expect(lines().suffix(2).map { $0[0] } == ["poststart", "poststart2"])
    #expect(try fixture.oci("delete", id).status == 0)
    let all = lines()
    #expect(all.suffix(2).map { $0[0] } == ["poststop", "poststop2"])
    let inside = (Files.text(output) ?? "").split(separator: " ")
    #expect(inside.first == "startContainer", "\(inside)")
    let statuses = try (all + [inside]).map { line -> String in
      let state = try JSONValue(parsing: Array(line[1].utf8))
      #expect(state["id"]?.plainText == id && state["bundle"]?.plainText == path)
      if case .number(let number) = state["pid"] {
        // As the namespaces that the hook runs in number it.
        let isInside = line[0].hasPrefix("createContainer") || line[0] == "startContainer"
        #expect(number == (line[0].hasPrefix("poststop") ? 0 : isInside ? 1 : Int64(pid)))
      }
      return state["status"]?.plainText ?? ""
    }
    #expect(
      statuses == [
        "creating", "creating", "creating", "creating", "creating", "creating", "running",
        "running", "stopped", "stopped", "created",
      ])
    let host = try TestSupport.run(["readlink", "/proc/self/ns/mnt"]).output.dropLast()
    for line in all {
      #expect((line[2] == host) == !line[0].hasPrefix("createContainer"), "\(line)")
      #expect(line.last == "b")
    }
    #expect(inside[2] != host && inside[2] == all[4][2])
  }

  @Test func `a hook that fails ends the creation and nothing is left`() throws {
    for (point, reason) in [
      ("prestart", "status 1"), ("createRuntime", "status 1"), ("createContainer", "status 1"),
    ] {
      try fixture.expectRefused("hooks.\(point)[0]: run /bin/false: it ended with \(reason)") {
        try $0.set("hooks.\(point)", #"[{"path":"/bin/false"}]"#)
      }
    }
    try fixture.expectRefused("hooks.createRuntime[1]: execute /absent: no such file") {
      try $0.set("hooks.createRuntime", #"[{"path":"/bin/true"},{"path":"/absent"}]"#)
    }
    try fixture.expectRefused("hooks.createRuntime[0]: wait for /bin/sleep: it took longer") {
      try $0.set(
        "hooks.createRuntime", #"[{"path":"/bin/sleep","args":["sleep","99"],"timeout":1}]"#)
    }
  }

  @Test func `a failed startContainer or poststart stops the container`() throws {
    for point in ["startContainer", "poststart"] {
      let id = try fixture.create(point) {
        try $0.set("hooks.\(point)", #"[{"path":"/bin/false"}]"#)
      }
      fixture.expectFailure(try fixture.oci("start", id), "hooks.\(point)[0]")
      #expect(try fixture.wait(id, for: "stopped"))
      #expect(try fixture.oci("delete", id).status == 0)
      #expect(fixture.leftovers(id) == [])
    }
  }

  @Test func `a failed poststop is a warning and the others run`() throws {
    let log = fixture.base.file("log")
    let result = try fixture.run("echo ran") { config in
      try config.set("hooks.poststop", #"[{"path":"/bin/false"},\#(hook("last", to: log))]"#)
    }
    #expect((result.status, result.output) == (0, "ran\n"))
    #expect(result.errors.contains("warning") && result.errors.contains("hooks.poststop"))
    #expect((Files.text(log) ?? "").hasPrefix("last "))
  }

  @Test func `delete --force of a running container runs poststop`() throws {
    let log = fixture.base.file("log")
    let id = try fixture.running("force") {
      try $0.set("hooks.poststop", "[\(hook("gone", to: log))]")
    }
    #expect(try fixture.oci("delete", "--force", id).status == 0)
    #expect((Files.text(log) ?? "").contains("\"status\":\"stopped\""))
  }
}
