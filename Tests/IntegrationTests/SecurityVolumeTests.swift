import Glibc
import Linux
import TestSupport
import Testing

// Volumes that are made to lead out of themselves, and images whose volumes lead to the host.
extension SecurityRows {
  private func imported(_ name: String, conf: String, changes: String) throws -> CommandResult {
    let folder = fixture.file("bundles")
    try Files.makeDirectories(folder, mode: 0o755)
    let tree = try fixture.makeTree("tree-\(name)", changes: changes)
    let packed = try TestSupport.run(["tar", "-C", tree, "-cf", "\(folder)/\(name).tar", "."])
    try #require(packed.status == 0, "\(packed)")
    try Files.replace("\(folder)/\(name).conf", with: Array(conf.utf8), mode: 0o644)
    // A bundled image's configuration is taken as it stands; import would refuse these words.
    return try fixture.minidock(
      ["run", "--rm", "--network", "none", name, "true"],
      environment: ["MINIDOCK_IMAGES=\(folder)"])
  }

  @Test func sec18_CVE_2023_0778_linksInAVolumeAreNotFollowedByCountingPruningOrCopying() throws {
    let before = try fixture.sentinelHash()
    let plant = """
      cd /data; ln -s \(fixture.sentinel)/file key; ln -s \(fixture.sentinel)/folder dir
      ln -s \(fixture.sentinel) whole; ln -s ../../../../../../../../../../etc up; ln key second
      """
    for name in ["first", "second"] {
      let made = try fixture.run("-v", "\(name):/data", "busybox", "sh", "-c", plant)
      #expect(made.status == 0, "\(made)")
    }
    let planted = fixture.root + "/volumes/first/_data"
    try #require(Files.exists(planted + "/dir/inside"))
    let usage = try fixture.minidock("system", "df", "-v", "--format", "json")
    #expect(usage.status == 0 && usage.output.contains("\"second\""), "\(usage)")
    // Only the links' own lengths are counted: the sentinel's file of a megabyte is not.
    try Files.replace(
      fixture.sentinel + "/folder/large", with: [UInt8](repeating: 1, count: 1 << 20), mode: 0o644)
    let large = try fixture.sentinelHash()
    let volumes = try fixture.minidock("system", "df", "--format", "{{.Type}} {{.Size}}")
    let size = volumes.output.split(separator: "\n").last ?? ""
    #expect(size.hasPrefix("Local Volumes ") && size.hasSuffix("B"), "\(volumes)")
    #expect(!size.hasSuffix("MB"), "\(volumes)")
    // The links are an image's content now, copied as links.
    try fixture.importImage(
      "links", changes: "mkdir data; ln -s $SENTINEL/folder data/dir; ln -s $SENTINEL/file data/key"
    )
    let copied = try fixture.run(
      "-v", "copied:/data", "links", "ls", "-l", "/data")
    #expect(copied.status == 0, "\(copied)")
    let kinds = try TestSupport.run(
      ["find", fixture.root + "/volumes/copied/_data", "-mindepth", "1", "-printf", "%y"])
    #expect(kinds.output == "ll", "\(kinds)")
    #expect(try fixture.minidock("volume", "rm", "second").status == 0)
    let pruned = try fixture.minidock("volume", "prune", "-af")
    #expect(pruned.output.contains("first\n"), "\(pruned)")
    #expect(try fixture.sentinelHash() == large)
    #expect(large != before)

    // Control: what follows links counts the host's file, and removes it.
    let control = fixture.file("control")
    try Files.makeDirectories(control, mode: 0o755)
    symlink(fixture.sentinel + "/folder", control + "/dir")
    let count = try TestSupport.run(["du", "-sbL", control])
    #expect((Int(count.output.prefix { $0.isNumber }) ?? 0) > 1 << 20, "\(count)")
    _ = try TestSupport.run(["find", "-L", control, "-type", "f", "-delete"])
    #expect(try fixture.sentinelHash() != large)
    try expectNothingLeft()
  }

  @Test func sec18_CVE_2020_1726_aFilledVolumeIsNeverOverwritten() throws {
    try fixture.importImage(
      "evil", changes: "mkdir data; echo evil > data/key; echo evil > data/new")
    let seen = fixture.root + "/volumes/data/_data"
    // A volume with one entry of any kind is filled, a hidden one and a dead link too.
    for plant in ["echo mine > key", "ln -s /nowhere key", "touch .hidden", "mkdir key"] {
      let made = try fixture.run("-v", "data:/data", "busybox", "sh", "-c", "cd /data; \(plant)")
      #expect(made.status == 0, "\(made)")
      let hash = try treeHash(seen)
      for flags in [["-v", "data:/data"], ["--mount", "source=data,target=/data"]] {
        #expect(try fixture.run(flags + ["evil", "true"]).status == 0)
      }
      #expect(
        try fixture.minidock("create", "--name", "c1", "-v", "data:/data", "evil", "true").status
          == 0)
      #expect(try treeHash(seen) == hash, "\(plant)")
      #expect(try fixture.minidock("rm", "c1").status == 0)
      #expect(try fixture.minidock("volume", "rm", "data").status == 0)
    }
    // Filled between the copy and the move, by a container that had it while it was empty: what is there
    // stays. `_ready` is where a killed copy was left.
    #expect(
      try fixture.run("-v", "data:/data", "busybox", "sh", "-c", "echo mine > /data/key").status
        == 0)
    let ready = fixture.root + "/volumes/data/_ready"
    try Files.makeDirectories(ready, mode: 0o755)
    try Files.replace(ready + "/key", with: Array("evil\n".utf8), mode: 0o644)
    try Files.replace(ready + "/new", with: Array("evil\n".utf8), mode: 0o644)
    let result = try fixture.run("-v", "data:/data", "evil", "cat", "/data/key", "/data/new")
    #expect(result.output == "mine\nevil\n", "\(result)")

    // Control: an engine that copies without looking overwrites.
    let tree = try fixture.makeTree("tree", changes: "mkdir data; echo evil > data/key")
    _ = try TestSupport.run(["cp", "-a", tree + "/data/.", seen])
    #expect(Files.text(seen + "/key") == "evil")
    #expect(try fixture.minidock("volume", "rm", "data").status == 0)
    try expectNothingLeft()
  }

  @Test func sec19_CVE_2022_23648_anImagesVolumesAndDirectoryAreTakenFromItsRoot() throws {
    let before = try fixture.sentinelHash()
    let up = String(repeating: "/..", count: 20)
    let inside = String(fixture.sentinel.dropFirst())
    let first = try imported(
      "evil",
      conf: """
        cmd=true
        workdir=..\(up)/\(inside)
        volume=\(up)/\(inside)
        volume=..\(up)/\(inside)/folder
        volume=data
        volume=/linked
        volume=/deep/../..\(up)/etc

        """,
      changes:
        "mkdir data; echo own > data/file; ln -s \(up)/etc/default linked; mkdir -p etc/default \(inside); "
        + "echo own > \(inside)/mine; echo own > etc/default/mine")
    #expect(first.status == 0, "\(first)")
    let script = """
      pwd; find \(fixture.sentinel) /linked/ -type f 2>/dev/null; cat /data/file; cat /etc/group | head -n 1
      echo changed > file; echo changed > \(fixture.sentinel)/folder/inside; ls /etc/shadow- 2>/dev/null
      """
    let seen = try fixture.run("evil", "sh", "-c", script)
    let lines = seen.output.split(separator: "\n").map(String.init)
    #expect(
      lines == [
        fixture.sentinel, fixture.sentinel + "/mine", "/linked/mine", "own", "root:x:0:",
      ], "\(seen)")
    #expect(try fixture.sentinelHash() == before)
    let mounts = try fixture.minidock("create", "--name", "c1", "evil")
    #expect(mounts.status == 0, "\(mounts)")
    let targets = try fixture.minidock(
      "inspect", "-f", "{{range .Mounts}}{{.Destination}} {{end}}", "c1")
    #expect(
      Set(targets.output.split(separator: " ").map { $0.split(separator: "\n").joined() })
        .subtracting([""])
        == [fixture.sentinel, fixture.sentinel + "/folder", "/data", "/linked", "/etc"],
      "\(targets)")
    #expect(try fixture.minidock("rm", "-v", "c1").status == 0)

    // Control: joined to the root as text, the same paths lead to the host's files.
    let tree = fixture.file("tree-evil")
    let hosts = try #require(try Files.list("/etc/default").first)
    for (path, file) in [("\(up)/\(inside)/.", "folder/inside"), ("/linked/.", hosts)] {
      let copy = fixture.file("copy-" + randomHex(bytes: 3))
      let control = try TestSupport.run(["cp", "-aL", tree + path, copy])
      #expect(control.status == 0 && Files.exists(copy + "/" + file), "\(control)")
    }
    #expect(try fixture.minidock("volume", "ls", "-q").output == "")
    try expectNothingLeft()
  }
}
