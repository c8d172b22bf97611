import Glibc
import Linux
import TestSupport
import Testing

// Images that are made to mislead the set-up of a container's file system.
extension SecurityRows {
  @Test func sec04_CVE_2019_19921_aLinkInPlaceOfProcOrSysIsRefusedByName() throws {
    let replacements = [
      ("/proc", "rm -r proc; ln -s /bad proc"), ("/proc", "rm -r proc; ln -s bad proc"),
      ("/proc", "rm -r proc; ln -s /vol proc"), ("/proc", "rm -r proc; echo text > proc"),
      ("/sys", "rm -r sys; ln -s /bad sys"), ("/sys", "rm -r sys; ln -s vol sys"),
    ]
    let volume = fixture.file("volume")
    try Files.makeDirectories(volume + "/self/attr", mode: 0o755)
    try Files.replace(volume + "/self/attr/exec", with: [], mode: 0o666)
    for (index, (path, changes)) in replacements.enumerated() {
      try fixture.importImage("evil\(index)", changes: "mkdir bad vol; \(changes)")
      for flags in [[], ["-t"], ["--read-only"], ["--privileged"]] {
        let result = try fixture.run(flags + ["-v", "\(volume):/vol", "evil\(index)", "true"])
        expectRefused(result, " \(path): ")
      }
    }
    #expect(try TestSupport.run(["find", volume, "-type", "f", "-size", "+0"]).output == "")

    // A folder that is no procfs has no business there either: what the engine writes below /proc
    // would go to it.
    let bind = try fixture.run("-v", "\(volume):/proc", "busybox", "true")
    expectRefused(bind, "/proc")

    // Control: mounted by path, procfs is where the image's link leads, and the container runs.
    let tree = try fixture.makeTree("tree", changes: "mkdir bad tools; rm -r proc; ln -s bad proc")
    let control = try naive([tree, "grep", "-c", " /bad .* proc ", "/proc/self/mountinfo"])
    #expect(control.output == "1\n", "\(control)")
    try expectNothingLeft()
  }

  @Test func sec08_CVE_2026_41579_nothingIsMadeThroughLinksInTheImagesDev() throws {
    let before = try fixture.sentinelHash()
    let links = [
      "whole": "rm -r dev; ln -s $SENTINEL dev",
      "null": "rm -f dev/null; ln -s $SENTINEL/null dev/null",
      "console": "rm -f dev/console; ln -s $SENTINEL/console dev/console",
      "folders": "rm -rf dev/pts dev/shm dev/mqueue; for n in pts shm mqueue net; do "
        + "ln -s $SENTINEL/folder dev/$n; done",
    ]
    for (name, changes) in links {
      try fixture.importImage(name, changes: changes)
      for flags in [[], ["-t"], ["--read-only"], ["-t", "--read-only"], ["--privileged"]] {
        let result = try fixture.run(
          flags + [
            "--device", "/dev/null:/dev/net/made", "--shm-size", "1m", name, "sh", "-c",
            "echo text > /dev/null && test -c /dev/net/made && test -d /dev/pts",
          ])
        // A link in place of the whole of /dev is refused, one inside never comes into sight.
        if name == "whole" {
          expectRefused(result, " /dev: ")
        } else {
          #expect(result.status == 0, "\(name) \(flags): \(result)")
        }
        #expect(try fixture.sentinelHash() == before, "\(name) \(flags)")
      }
    }

    // Control: nodes that are made by path land on the host.
    let tree = try fixture.makeTree("tree", changes: "mkdir tools; rm -r dev; ln -s $SENTINEL dev")
    let control = try naive(["-d", tree, "true"])
    #expect(control.status == 0, "\(control)")
    #expect(try fixture.sentinelHash() != before)
    try expectNothingLeft()
  }

  @Test func sec15_CVE_2024_9676_accountFilesAreRegularSmallAndInsideTheRoot() throws {
    try fixture.write("sentinel/passwd", "eve:x:4242:4242::/:/bin/sh\n")
    let before = try fixture.sentinelHash()
    let big = fixture.file("big")
    try #require(try TestSupport.run(["truncate", "-s", "1G", big]).status == 0)
    let images = [
      "fifo": "rm etc/passwd; mkfifo etc/passwd", "group": "rm etc/group; mkfifo etc/group",
      "link": "ln -sf $SENTINEL/passwd etc/passwd", "zero": "ln -sf /dev/zero etc/passwd",
      "folder": "rm etc/passwd; mkdir etc/passwd",
      "large": "head -c 9437184 /dev/zero | tr '\\0' x > etc/passwd",
    ]
    for (name, changes) in images { try fixture.importImage(name, changes: changes) }
    let volume = ["-v", "\(big):/etc/passwd:ro", "busybox"]
    for (name, image) in images.keys.map({ ($0, [$0]) }) + [("volume", volume)] {
      let result = try TestSupport.run(
        [
          tools.tool, "measure", MinidockFixture.binary, "run", "--rm", "--network", "none", "-u",
          "eve",
        ] + image + ["id", "-u"], environment: fixture.environment, timeoutSeconds: 10)
      // 124 would be the end of our patience, 0 an account from somewhere else.
      #expect(result.status == 125, "\(name): \(result)")
      #expect(result.errors.split(separator: "\n").count == 1, "\(name): \(result)")
      let peak = result.output.split(separator: " ").last.flatMap { Int($0.dropLast()) }
      #expect((peak ?? .max) < 64 << 10, "\(name): \(result)")
    }
    #expect(try fixture.sentinelHash() == before)

    // Control: opened by path, the fifo blocks, the link leads to the host's file and the line fills
    // the memory.
    func control(_ name: String) throws -> CommandResult {
      let tree = try fixture.makeTree(
        "tree-\(name)", changes: "mkdir tools; chmod 755 .; \(images[name] ?? "rm etc/passwd")")
      if images[name] == nil {
        _ = try TestSupport.run(["truncate", "-s", "128M", tree + "/etc/passwd"])
      }
      return try TestSupport.run(
        ["timeout", "-s", "KILL", name == "fifo" ? "1" : "30"]
          + [tools.tool, "measure", tools.tool, "naive", "-u", "eve", tree]
          + (name == "line" ? ["true"] : ["id", "-u"]))
    }
    let fifo = try control("fifo")
    #expect(fifo.status == 137, "\(fifo)")
    let link = try control("link")
    #expect(link.output.hasPrefix("4242\n"), "\(link)")
    let line = try control("line")
    let peak = line.output.split(separator: " ").last.flatMap { Int($0.dropLast()) }
    #expect((peak ?? 0) > 64 << 10, "\(line)")
    try expectNothingLeft()
  }
}
