import Glibc
import Linux
import TestSupport
import Testing

/// A container that is being created, as other processes find it.
@Suite(.enabled(if: MinidockFixture.isAvailable, MinidockFixture.requirement))
struct OCICreatingTests {
  let fixture: OCIFixture

  init() throws { fixture = try OCIFixture("creating") }

  /// Starts `create` of a container with a hook that waits for the file "go", and waits for the hook.
  private func creating(
    _ name: String, hook point: String = "createRuntime", flags: [String] = []
  ) throws -> BackgroundProcess {
    let reached = fixture.base.file(name + "-reached")
    let script =
      "touch \(reached); while [ -e \(reached) ] && [ ! -e \(go(name)) ]; do sleep 0.1; done"
    let path = try fixture.bundle(name, ["sleep", "1000"]) {
      try $0.set(
        "hooks.\(point)",
        #"[{"path":"/bin/sh","args":["sh","-c",\#(JSONValue.string(script).compact)]}]"#)
    }
    let words = ["create", "--bundle", path] + flags + [fixture.id(name)]
    // The container's streams are nobody's to wait for.
    let process = try BackgroundProcess(
      [
        "sh", "-c", "exec \"$@\" < /dev/null > /dev/null", "sh", MinidockFixture.runtime,
        "--root", fixture.root,
      ] + words)
    try #require(try fixture.wait { Files.exists(reached) })
    return process
  }

  private func go(_ name: String) -> String { fixture.base.file(name + "-go") }

  @Test func `its status is creating until the hooks have ended and the mounts are done`() throws {
    for point in ["prestart", "createRuntime", "createContainer"] {
      let id = fixture.id(point)
      let pidFile = fixture.base.file(point + "-pid")
      let create = try creating(point, hook: point, flags: ["--pid-file", pidFile])
      #expect(try fixture.status(id) == "creating", "\(point)")
      #expect(try fixture.oci("list").output.contains(" creating "))
      #expect(!Files.exists(pidFile))
      try fixture.base.write(point + "-go", "")
      #expect(try create.wait(timeoutSeconds: 120).status == 0)
      #expect(try fixture.status(id) == "created")
      #expect(Files.text(pidFile) == String(try fixture.pid(id)))
      #expect(try fixture.oci("start", id).status == 0)
      #expect(try fixture.status(id) == "running")
    }
  }

  @Test func `it is neither started, killed, paused, entered nor deleted, but by force`() throws {
    let id = fixture.id("busy")
    let create = try creating("busy")
    for (words, reason) in [
      (["start", id], "cannot start a container that is creating"),
      (["kill", id, "KILL"], "container not running"),
      (["pause", id], "container not running: it is creating"),
      (["exec", id, "true"], "cannot exec in a creating container"),
      (["delete", id], "that is not stopped: creating"),
      (["create", "--bundle", fixture.base.file("bundle-busy"), id], "already exists"),
    ] {
      fixture.expectFailure(try fixture.oci(words), reason)
    }
    #expect(try fixture.status(id) == "creating")
    #expect(try fixture.oci("delete", "--force", id).status == 0)
    #expect(fixture.leftovers(id) == [])
    try fixture.base.write("busy-go", "")
    #expect(try create.wait(timeoutSeconds: 120).status == 1)
    #expect(fixture.leftovers(id) == [])
  }

  @Test func `a hook may ask for the state, and a start of its own is an error`() throws {
    let log = fixture.base.file("log")
    let oci = "\(MinidockFixture.runtime) --root \(fixture.root)"
    let id = fixture.id("asking")
    let script = "(\(oci) state \(id); \(oci) start \(id)) >> \(log) 2>&1; true"
    try fixture.create("asking") {
      try $0.set(
        "hooks.createRuntime",
        #"[{"path":"/bin/sh","args":["sh","-c",\#(JSONValue.string(script).compact)],"timeout":60}]"#
      )
    }
    let text = Files.text(log) ?? ""
    #expect(text.contains("\"status\": \"creating\""), "\(text)")
    #expect(text.contains("cannot start a container that is creating"), "\(text)")
    #expect(try fixture.status(id) == "created")
  }

  @Test func `a create that is killed leaves what delete --force clears`() throws {
    let id = fixture.id("killed")
    let create = try creating("killed")
    create.signal(SIGKILL)
    _ = try create.wait(timeoutSeconds: 120)
    try fixture.base.write("killed-go", "")
    #expect(["creating", "stopped"].contains(try fixture.status(id)))
    #expect(try fixture.oci("delete", "--force", id).status == 0)
    #expect(fixture.leftovers(id) == [])
  }
}
