import Linux
import TestSupport
import Testing

/// `checkpoint` and `restore` with a program in criu's place; the machine of Tests/VM has the real one.
@Suite(.enabled(if: MinidockFixture.isAvailable, MinidockFixture.requirement))
struct OCICheckpointTests {
  /// A program that writes its words down and ends as told; for a restore it starts a process.
  private func criu(_ fixture: OCIFixture, _ script: String = "exit 0") throws -> String {
    let path = fixture.base.file("criu")
    try Files.replace(
      path,
      with: Array("#!/bin/sh\nfor word; do echo \"$word\"; done >\(path).words\n\(script)\n".utf8),
      mode: 0o755)
    return path
  }

  private func words(_ fixture: OCIFixture) throws -> [String] {
    try String(decoding: Files.read(fixture.base.file("criu.words")) ?? [], as: UTF8.self)
      .split(separator: "\n").map(String.init)
  }

  private func running(_ fixture: OCIFixture) throws -> (id: String, bundle: String) {
    let bundle = try fixture.bundle("one", ["sleep", "1000"]) {
      try $0.append(
        "mounts", #"{"destination":"/data","type":"bind","source":"/etc","options":["bind"]}"#)
      try $0.set("linux.maskedPaths", #"["/proc/keys"]"#)
    }
    let id = fixture.id("one")
    #expect(try fixture.oci("run", "--detach", "--bundle", bundle, id).status == 0)
    return (id, bundle)
  }

  @Test func `criu's words at a checkpoint`() throws {
    let fixture = try OCIFixture("criu")
    let (id, _) = try running(fixture)
    let images = fixture.base.file("images")
    let result = try fixture.oci([
      "--criu", try criu(fixture), "checkpoint", "--leave-running", "--tcp-established",
      "--file-locks", "--empty-ns", "network", "--image-path", images, "--parent-path", "../before",
      "--manage-cgroups-mode", "full", id,
    ])
    #expect(result.status == 0, "\(result.errors)")
    let words = try words(fixture)
    #expect(words.first == "dump")
    for pair in [
      ["--images-dir", images], ["--root", fixture.rootfs], ["--external", "mnt[/data]:/data"],
      ["--empty-ns", "net"], ["--prev-images-dir", "../before"],
    ] {
      #expect(
        words.indices.contains { words[$0...].starts(with: pair) }, "\(pair) in \(words)")
    }
    for word in [
      "--tcp-established", "--file-locks", "--leave-running", "--manage-cgroups=full",
    ] { #expect(words.contains(word), "\(word) in \(words)") }
    #expect(try fixture.oci("state", id).output.contains("running"))
    #expect(Files.exists(images + "/descriptors.json"))
  }

  @Test func `a checkpoint ends the container, a pre-dump does not`() throws {
    let fixture = try OCIFixture("criu")
    let (id, _) = try running(fixture)
    let program = try criu(fixture)
    let images = fixture.base.file("images")
    #expect(
      try fixture.oci("--criu", program, "checkpoint", "--pre-dump", "--image-path", images, id)
        .status == 0)
    #expect(try words(fixture).first == "pre-dump")
    #expect(try fixture.oci("state", id).status == 0)
    #expect(
      try fixture.oci("--criu", program, "checkpoint", "--image-path", images, id).status == 0)
    #expect(try fixture.oci("state", id).status == 1)
  }

  @Test func `what criu complains of is told with its log, and the container runs on`() throws {
    let fixture = try OCIFixture("criu")
    let (id, _) = try running(fixture)
    let images = fixture.base.file("images")
    let program = try criu(
      fixture,
      "echo '(00.1) Error (criu/x.c:5): the cause' >\(images)/dump.log;"
        + " echo '(00.2) Error (criu/y.c:6): Dumping FAILED.' >>\(images)/dump.log; exit 1")
    let result = try fixture.oci("--criu", program, "checkpoint", "--image-path", images, id)
    #expect(result.status == 1)
    #expect(result.errors.contains("the cause"), "\(result.errors)")
    #expect(result.errors.contains(images + "/dump.log"), "\(result.errors)")
    #expect(try fixture.oci("state", id).output.contains("running"))
  }

  @Test func `without criu the program and its package are named`() throws {
    let fixture = try OCIFixture("criu")
    let (id, _) = try running(fixture)
    let result = try fixture.oci("--criu", "/nowhere/criu", "checkpoint", id)
    #expect(result.status == 1)
    for word in ["/nowhere/criu", "Debian's package criu", "--criu"] {
      #expect(result.errors.contains(word), "\(result.errors)")
    }
  }

  @Test func `a terminal is refused by its field`() throws {
    let fixture = try OCIFixture("criu")
    let bundle = try fixture.bundle("one", ["true"]) { try $0.set("process.terminal", "true") }
    let result = try fixture.oci(
      "--criu", try criu(fixture), "restore", "--bundle", bundle, fixture.id("one"))
    #expect(result.status == 1)
    #expect(result.errors.contains("process.terminal"), "\(result.errors)")
  }

  @Test func `a restored process is a container like any other`() throws {
    let fixture = try OCIFixture("criu")
    let (id, bundle) = try running(fixture)
    #expect(try fixture.oci("delete", "--force", id).status == 0)
    // A process of its own in the place of the restored one.
    let program = try criu(
      fixture,
      "while [ $# -gt 1 ]; do [ \"$1\" = --pidfile ] && file=$2; shift; done\n"
        + "setsid sleep 1000 </dev/null >/dev/null 2>&1 & printf %s $! >\"$file\"")
    let pidFile = fixture.base.file("pid")
    let result = try fixture.oci([
      "--criu", program, "restore", "--detach", "--bundle", bundle, "--pid-file", pidFile,
      "--image-path", fixture.base.file("images"), id,
    ])
    #expect(result.status == 0, "\(result.errors)")
    let words = try words(fixture)
    #expect(words.first == "restore")
    for pair in [
      ["--external", "mnt[/data]:/etc"], ["--external", "mnt[/proc/keys]:/dev/null"],
      ["--cgroup-root", "/minidock-oci/" + id],
    ] {
      #expect(
        words.indices.contains { words[$0...].starts(with: pair) }, "\(pair) in \(words)")
    }
    #expect(try fixture.oci("state", id).output.contains("running"))
    #expect(Files.text(pidFile).flatMap { Int32($0) } != nil)
    #expect(try fixture.oci("kill", id, "KILL").status == 0)
    #expect(try fixture.oci("delete", "--force", id).status == 0)
  }

  @Test func `nothing is left of a restore that failed`() throws {
    let fixture = try OCIFixture("criu")
    let (id, bundle) = try running(fixture)
    #expect(try fixture.oci("delete", "--force", id).status == 0)
    let result = try fixture.oci(
      "--criu", try criu(fixture, "exit 1"), "restore", "--detach", "--bundle", bundle, id)
    #expect(result.status == 1)
    #expect(result.errors.contains("restore.log"), "\(result.errors)")
    #expect(try fixture.oci("list", "--quiet").output == "")
  }
}
