import Linux
import TestSupport
import Testing

/// What takes up space, and the commands that take it back.
@Suite(.enabled(if: MinidockFixture.isAvailable, MinidockFixture.requirement))
struct PruneTests {
  let fixture: MinidockFixture

  init() throws {
    fixture = try MinidockFixture("prune")
    try fixture.importBusybox()
  }

  private func make(_ name: String, _ flags: [String] = [], writing bytes: Int = 0) throws {
    let result = try fixture.minidock(
      ["run", "--network", "none", "--name", name] + flags
        + ["busybox", "sh", "-c", "head -c \(bytes) /dev/zero > /file; ln /file /second"])
    #expect(result.status == 0, "\(result)")
  }

  private func names() throws -> [String] {
    try fixture.succeed("ps", "-a", "--format", "{{.Names}}").lines.sorted()
  }

  @Test func dfCountsEachFileOnceAndWhatIsInUse() throws {
    try make("stopped", writing: 5000)
    try fixture.succeed(
      "run", "-d", "--network", "none", "--name", "running", "-v", "data:/data", "busybox", "sh",
      "-c", "head -c 3000 /dev/zero > /data/a; ln /data/a /data/b; echo 12345 > /x; sleep 60")
    let free = try fixture.succeed("volume", "create")
    try fixture.importImage("unused", changes: "head -c 1000000 /dev/urandom > big")
    for _ in 0..<200 {
      if Files.exists(fixture.root + "/volumes/data/_data/b") { break }
      _ = try fixture.shell("sleep 0.02")
    }
    let format = "{{.Type}}|{{.TotalCount}}|{{.Active}}|{{.Size}}|{{.Reclaimable}}"
    let lines = try fixture.succeed("system", "df", "--format", format).lines
    #expect(lines[0].hasPrefix("Images|2|1|"), "\(lines)")
    #expect(lines[1] == "Containers|2|1|5.01kB|5kB (99%)", "\(lines)")
    #expect(lines[2] == "Local Volumes|2|1|3kB|0B (0%)", "\(lines)")
    let table = try fixture.succeed("system", "df").lines
    #expect(table[0].hasPrefix("TYPE            TOTAL   ACTIVE   SIZE"))
    #expect(try fixture.minidock("system", "df", "--format", "{{.Nonsense").status == 1)
    let all = try fixture.succeed("system", "df", "-v")
    for word in ["running", "stopped", "data", free, "unused", "UNIQUE SIZE"] {
      #expect(all.contains(word), "\(word)")
    }
    try fixture.succeed("rm", "-f", "running")
  }

  @Test func containerPruneTakesWhatDoesNotRun() throws {
    try make("old", ["-l", "keep=yes"], writing: 3000)
    try make("plain", writing: 2000)
    try fixture.succeed("create", "--name", "created", "busybox", "true")
    try fixture.succeed(
      "run", "-d", "--network", "none", "--name", "running", "busybox", "sleep", "60")
    let refused = try fixture.minidock(["container", "prune"], input: Array("n\n".utf8))
    #expect(refused.status == 1)
    #expect(refused.output.hasPrefix("WARNING! This will remove all stopped containers.\nAre you"))
    #expect(try fixture.minidock("container", "prune").status == 1)
    #expect(try names() == ["created", "old", "plain", "running"])
    let none = try fixture.succeed("container", "prune", "-f", "--filter", "until=1h").lines
    #expect(none == ["Total reclaimed space: 0B"])
    let some = try fixture.succeed("container", "prune", "-f", "--filter", "label!=keep").lines
    #expect(some.first == "Deleted Containers:" && some.last == "Total reclaimed space: 2kB")
    #expect(some.count == 4, "\(some)")
    #expect(try names() == ["old", "running"])
    let rest = try fixture.minidock(["container", "prune"], input: Array("y\n".utf8))
    #expect(rest.status == 0 && rest.output.contains("Total reclaimed space: 3kB"), "\(rest)")
    #expect(try names() == ["running"])
    for wrong in ["colour=red", "until=never", "all=1"] {
      try fixture.refuse(["container", "prune", "-f", "--filter", wrong], status: 1)
    }
    try fixture.succeed("rm", "-f", "running")
    try fixture.expectNoLeaks()
  }

  @Test func volumePruneTakesAnonymousOnesUnlessAll() throws {
    try fixture.succeed("volume", "create", "-l", "keep", "named")
    try fixture.succeed("volume", "create", "other")
    let anonymous = try fixture.succeed("volume", "create")
    try make("user", ["-v", "used:/data"])
    let path = fixture.root + "/volumes/other/_data/file"
    try Files.replace(path, with: [UInt8](repeating: 1, count: 4000))
    let first = try fixture.succeed("volume", "prune", "-f").lines
    #expect(first == ["Deleted Volumes:", anonymous, "Total reclaimed space: 0B"])
    let second = try fixture.succeed("volume", "prune", "-af", "--filter", "label!=keep").lines
    #expect(second == ["Deleted Volumes:", "other", "Total reclaimed space: 4kB"])
    #expect(
      try fixture.succeed("volume", "prune", "-f", "--filter", "all=true").lines[1] == "named")
    #expect(try fixture.succeed("volume", "ls", "-q") == "used")
    try fixture.refuse(["volume", "prune", "-f", "--filter", "until=1h"], status: 1)
  }

  @Test func systemPruneTakesContainersImagesAndVolumes() throws {
    try fixture.importImage("extra", changes: "head -c 300000 /dev/urandom > big")
    try make("stopped", ["-v", "/anonymous"], writing: 1000)
    let first = try fixture.succeed("system", "prune", "-f")
    #expect(first.contains("Deleted Containers:") && first.hasSuffix("reclaimed space: 1kB"))
    #expect(try fixture.succeed("images", "-q").lines.count == 2)
    #expect(try fixture.succeed("volume", "ls", "-q").lines.count == 1)
    let second = try fixture.succeed("system", "prune", "-af", "--volumes")
    for text in [
      "Deleted Volumes:", "Deleted Images:", "untagged: extra:latest", "deleted: sha256:",
    ] {
      #expect(second.contains(text), "\(text)")
    }
    #expect(try fixture.succeed("images", "-q") == "")
    #expect(try fixture.succeed("volume", "ls", "-q") == "")
    #expect(
      try fixture.succeed("system", "prune", "-af", "--volumes") == "Total reclaimed space: 0B")
    try fixture.expectNoLeaks()
  }

  @Test func imagePruneLeavesWhatContainersAreMadeOf() throws {
    try fixture.importImage("one", changes: "echo 1 > one")
    try fixture.importImage("one", changes: "echo 2 > one")
    #expect(try fixture.succeed("images", "-q", "--filter", "dangling=true").lines.count == 1)
    let first = try fixture.succeed("image", "prune", "-f").lines
    #expect(first.first == "Deleted Images:" && first.count > 2, "\(first)")
    #expect(try fixture.succeed("images", "-q").lines.count == 2)
    try fixture.succeed("create", "--name", "c1", "one", "true")
    try fixture.succeed("image", "prune", "-af")
    #expect(try fixture.succeed("images", "--format", "{{.Repository}}") == "one")
    try fixture.succeed("rm", "c1")
  }
}
