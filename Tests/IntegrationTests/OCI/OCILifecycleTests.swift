import Glibc
import Linux
import TestSupport
import Testing

/// `minidock oci` from create to delete, as engines call it: every command is a process of its own.
@Suite(.enabled(if: MinidockFixture.isAvailable, MinidockFixture.requirement))
struct OCILifecycleTests {
  let fixture: OCIFixture

  init() throws { fixture = try OCIFixture("life") }

  @Test func `a container goes through its states across processes`() throws {
    let file = fixture.base.file("pid")
    let id = try fixture.create("one", flags: ["--pid-file", file]) { config in
      try config.set("annotations", #"{"org.example.key":"value"}"#)
    }
    let state = try #require(try fixture.state(id))
    #expect(state["ociVersion"]?.plainText == "1.2.0")
    #expect(state["id"]?.plainText == id)
    #expect(state["status"]?.plainText == "created")
    #expect(state["bundle"]?.plainText == fixture.base.file("bundle-one"))
    #expect(state["annotations"]?["org.example.key"]?.plainText == "value")
    let pid = try fixture.pid(id)
    #expect(Files.text(file) == String(pid))
    fixture.expectFailure(try fixture.oci("delete", "nobody"), "container does not exist")
    try fixture.oci("start", id)
    #expect(try fixture.wait(id, for: "running"))
    #expect(try fixture.pid(id) == pid)
    fixture.expectFailure(try fixture.oci("start", id), "cannot start an already running container")
    fixture.expectFailure(try fixture.oci("delete", id), "that is not stopped: running")
    fixture.expectFailure(
      try fixture.oci("create", "--bundle", fixture.base.file("bundle-one"), id),
      "container with given ID already exists")
    #expect(try fixture.oci("kill", id, "KILL").status == 0)
    #expect(try fixture.wait(id, for: "stopped"))
    fixture.expectFailure(try fixture.oci("kill", id), "container not running")
    fixture.expectFailure(try fixture.oci("exec", id, "true"), "cannot exec in a stopped container")
    fixture.expectFailure(try fixture.oci("pause", id), "container not running")
    #expect(try fixture.oci("delete", id).status == 0)
    fixture.expectFailure(try fixture.oci("state", id), "container does not exist")
    #expect(fixture.leftovers(id) == [])
  }

  @Test func `run passes the command's status and removes the container`() throws {
    let seven = try fixture.run("echo out; echo err >&2; exit 7")
    #expect((seven.status, seven.output, seven.errors) == (7, "out\n", "err\n"))
    #expect(try fixture.run("kill -9 $$").status == 0, "pid 1 cannot be killed from inside")
    let signalled = try fixture.run("kill -9 $$") { config in
      try config.set("linux.namespaces", #"[{"type":"mount"}]"#)
      try config.remove("hostname")
    }
    #expect(signalled.status == 137)
    let path = try fixture.bundle("absent", ["/absent"])
    let result = try fixture.oci("run", "--bundle", path, fixture.id("absent"))
    fixture.expectFailure(result, "/absent: no such file or directory")
    #expect(fixture.leftovers(fixture.id("absent")) == [])
    #expect(try Files.list(fixture.root).filter { !$0.hasPrefix(".") } == [])
  }

  @Test func `delete --force clears a container in every state`() throws {
    let created = try fixture.create("created")
    let running = try fixture.running("running")
    let paused = try fixture.running("paused")
    try fixture.oci("pause", paused)
    let stopped = try fixture.running("stopped", ["true"])
    #expect(try fixture.wait(stopped, for: "stopped"))
    let damaged = try fixture.running("damaged")
    let pid = try fixture.pid(damaged)
    try Files.replace(fixture.root + "/\(damaged)/state", with: Array("id=".utf8), mode: 0o600)
    fixture.expectFailure(try fixture.oci("state", damaged), "delete --force")
    for id in [created, running, paused, stopped, damaged] {
      let result = try fixture.oci("delete", "--force", id)
      #expect(result.status == 0 && result.errors.isEmpty, "\(id): \(result)")
      #expect(fixture.leftovers(id) == [])
    }
    #expect(try fixture.wait { ProcessStat(pid: pid).map { $0.state == "Z" } ?? true })
    #expect(try fixture.oci("delete", "--force", fixture.id("never")).status == 0)
    #expect(try fixture.oci("delete", created).status == 1)
  }

  @Test func `pause, resume and exec in a paused container`() throws {
    let id = try fixture.running("paused")
    #expect(try fixture.oci("pause", id).status == 0)
    #expect(try fixture.status(id) == "paused")
    fixture.expectFailure(try fixture.oci("exec", id, "true"), "cannot exec in a paused container")
    let waiting = try fixture.start(["exec", "--ignore-paused", id, "echo", "awake"])
    usleep(200_000)
    #expect(waiting.output == "")
    #expect(try fixture.oci("resume", id).status == 0)
    #expect(try waiting.wait(timeoutSeconds: 60).output == "awake\n")
    fixture.expectFailure(try fixture.oci("resume", id), "container not paused")
    #expect(try fixture.status(id) == "running")
  }

  @Test func `kill reaches the first process, or all of them`() throws {
    let script = "trap 'exit 3' USR1; echo ready > /data/ready; while :; do sleep 0.1; done"
    let id = try fixture.running("kill", ["sh", "-c", script])
    #expect(try fixture.wait { Files.exists(fixture.rootfs + "/data/ready") })
    let other = try fixture.start(["exec", id, "sleep", "1000"])
    #expect(try fixture.wait { try fixture.oci("ps", id).output.contains("sleep 1000") })
    fixture.expectFailure(try fixture.oci("kill", id, "SIGNONE"), "there is no such signal")
    #expect(try fixture.oci("kill", "--all", id, "WINCH").status == 0)
    #expect(try fixture.status(id) == "running")
    #expect(try fixture.oci("kill", id, "SIGUSR1").status == 0)
    #expect(try other.wait(timeoutSeconds: 60).status == 137)
    #expect(try fixture.wait(id, for: "stopped"))
    let shared = try fixture.running("shared", ["sh", "-c", "sleep 1000 & sleep 1000"]) { config in
      try config.set("linux.namespaces", #"[{"type":"mount"}]"#)
      try config.remove("hostname")
    }
    #expect(try fixture.oci("kill", "--all", shared, "KILL").status == 0)
    #expect(try fixture.wait(shared, for: "stopped"))
    #expect(try fixture.oci("delete", shared).status == 0)
  }
}
