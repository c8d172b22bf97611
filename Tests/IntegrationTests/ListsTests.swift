import Linux
import TestSupport
import Testing

/// `images`, `ps`, `inspect`, `info` and `version`: columns, filters, formats and errors as docker's.
@Suite(.enabled(if: MinidockFixture.isAvailable, MinidockFixture.requirement))
struct ListsTests {
  let fixture: MinidockFixture

  init() throws {
    fixture = try MinidockFixture("lists")
    try fixture.importBusybox()
  }

  private func makeContainers() throws {
    try fixture.succeed(
      "run", "--network", "none", "--name", "old", "-l", "tier=web", "busybox", "true")
    #expect(
      try fixture.minidock(
        "run", "--network", "none", "--name", "young", "-l", "tier=db", "busybox", "sh", "-c",
        "exit 3; echo a long command that is cut off"
      ).status == 3)
  }

  @Test func containersHaveDockersColumns() throws {
    let empty = "CONTAINER ID   IMAGE   COMMAND   CREATED   STATUS   PORTS   NAMES"
    #expect(
      try fixture.succeed("ps").split(separator: " ").joined(separator: " ")
        == empty.split(separator: " ").joined(separator: " "))
    try makeContainers()
    let lines = try fixture.succeed("ps", "-a").lines
    #expect(lines.count == 3)
    #expect(lines[1].contains("young") && lines[1].contains("Exited (3)"))
    #expect(lines[1].contains("\"sh -c exit 3; echo …\""))
    #expect(lines[2].contains("old") && lines[2].contains("Exited (0)"))
    // Each cell begins below its heading.
    let names = lines[0].distance(
      from: lines[0].startIndex, to: lines[0].firstIndex(ofWord: "NAMES"))
    #expect(lines[2].dropFirst(names) == "old")
    #expect(try fixture.succeed("ps").lines.count == 1)
  }

  @Test func containersAreSelected() throws {
    try makeContainers()
    let names = ["ps", "-a", "--format", "{{.Names}}"]
    func named(_ flags: String...) throws -> [String] {
      let result = try fixture.minidock(names + flags)
      #expect(result.status == 0, "\(flags): \(result.errors)")
      return result.output.lines
    }
    #expect(try named() == ["young", "old"])
    #expect(try named("-n", "1") == ["young"])
    #expect(try named("-l") == ["young"])
    #expect(try named("--filter", "name=ol") == ["old"])
    #expect(try named("--filter", "label=tier=web") == ["old"])
    #expect(try named("--filter", "label=tier") == ["young", "old"])
    #expect(try named("--filter", "exited=3") == ["young"])
    #expect(try named("--filter", "status=exited", "--filter", "label=tier=db") == ["young"])
    #expect(try named("--filter", "status=running") == [])
    #expect(try named("--filter", "ancestor=busybox") == ["young", "old"])
    #expect(try named("--filter", "before=young") == ["old"])
    #expect(try named("--filter", "since=old") == ["young"])
    #expect(try named("--filter", "network=none") == ["young", "old"])
    let id = try fixture.succeed("inspect", "-f", "{{.Id}}", "old")
    #expect(id.count == 64)
    #expect(try named("--filter", "id=\(id.prefix(8))") == ["old"])
    #expect(try fixture.succeed("ps", "-aq", "--filter", "name=old") == id.prefix(12))
    #expect(try fixture.succeed("ps", "-aq", "--no-trunc", "--filter", "name=old") == id)
    try fixture.refuse(["ps", "--filter", "nonsense=1"], status: 1)
    try fixture.refuse(["ps", "--filter", "nonsense"], status: 1)
  }

  @Test func valuesOfFiltersThatMakeNoSenseAreRefused() throws {
    for words in [
      ["ps", "-a", "--filter", "status=bogus"], ["ps", "-a", "--filter", "exited=x"],
      ["ps", "-a", "--filter", "before=absent"], ["images", "--filter", "dangling=maybe"],
      ["images", "--filter", "since=absent"],
    ] {
      try fixture.refuse(words, status: 1)
    }
  }

  @Test func formatsAreDockers() throws {
    try makeContainers()
    #expect(
      try fixture.succeed("ps", "-a", "--format", "table {{.Names}}\\t{{.State}}").lines.map {
        $0.split(separator: " ").joined(separator: " ")
      } == ["NAMES STATE", "young exited", "old exited"])
    let json = try fixture.succeed("ps", "-a", "--format", "json").lines
    #expect(json.count == 2)
    #expect(json[0].hasPrefix("{") && json[0].contains(#""Names":"young""#))
    #expect(
      try fixture.succeed("ps", "-a", "--format", "{{upper .Names}} {{json .Labels}}").lines.first
        == #"YOUNG "tier=db""#)
    if hasProgram("python3") {
      let parsed = try fixture.shell(
        """
        "$MINIDOCK" ps -a --format json | python3 -c '
        import json, sys
        for line in sys.stdin: print(json.loads(line)["Names"])'
        "$MINIDOCK" inspect old young busybox | python3 -c '
        import json, sys
        print(len(json.load(sys.stdin)))'
        """)
      #expect(parsed.output == "young\nold\n3\n")
    }
    for wrong in ["{{.Nonsense}}", "{{", "{{if .Names}}", "{{nonsense .Names}}"] {
      try fixture.refuse(["ps", "-a", "--format", wrong], status: 1)
    }
  }

  @Test func imagesHaveDockersColumnsAndAreSelected() throws {
    let lines = try fixture.succeed("images").lines
    #expect(
      lines[0].split(separator: " ").joined(separator: " ")
        == "REPOSITORY TAG IMAGE ID CREATED SIZE")
    #expect(lines[1].hasPrefix("busybox      latest   "))
    try fixture.importImage("other:1.0", changes: "touch here")
    let format = ["--format", "{{.Repository}}:{{.Tag}}"]
    func named(_ flags: String...) throws -> [String] {
      let result = try fixture.minidock(["images"] + flags + format)
      #expect(result.status == 0, "\(flags): \(result.errors)")
      return result.output.lines
    }
    #expect(try named("-a") == ["other:1.0", "busybox:latest"])
    #expect(try named("busybox") == ["busybox:latest"])
    #expect(try named("other:2.0") == [])
    #expect(try named("--filter", "reference=oth*") == ["other:1.0"])
    #expect(try named("--filter", "before=other:1.0") == ["busybox:latest"])
    #expect(try named("--filter", "dangling=true") == [])
    let long = try fixture.succeed("images", "-q", "--no-trunc", "other")
    #expect(long.hasPrefix("sha256:") && long.count == 71)
    #expect(try fixture.succeed("images", "-q", "other") == long.dropFirst(7).prefix(12))
    #expect(
      try fixture.succeed("images", "--format", "json", "other").contains(#""Repository":"other""#))
    #expect(try fixture.succeed("images", "--digests").lines[0].contains("DIGEST"))
    try fixture.refuse(["images", "--filter", "nonsense=1"], status: 1)
    try fixture.refuse(["images", "Not/Valid"], status: 1)
  }

  @Test func inspectFindsByNameIDAndPrefixAndCountsItsMisses() throws {
    try makeContainers()
    let id = try fixture.succeed("inspect", "-f", "{{.Id}}", "old")
    for key in [id, String(id.prefix(12)), "/old"] {
      #expect(try fixture.succeed("inspect", "-f", "{{.State.ExitCode}}", key) == "0")
    }
    #expect(
      try fixture.succeed(
        "inspect", "--type", "container", "-f", "{{.Path}} {{.Args}} {{.State.Status}}", "young")
        == "sh [-c exit 3; echo a long command that is cut off] exited")
    #expect(
      try fixture.succeed("inspect", "--type", "image", "-f", "{{.Os}} {{.RepoTags}}", "busybox")
        == "linux [busybox:latest]")
    let mixed = try fixture.minidock("inspect", "old", "absent")
    #expect(mixed.status == 1)
    #expect(mixed.output.contains(id))
    #expect(mixed.errors.lines.count == 1)
    #expect(mixed.errors.contains("absent"))
    #expect(try fixture.minidock("inspect", "--type", "image", "old").status == 1)
  }

  @Test func informationAndVersion() throws {
    #expect(
      try fixture.succeed("info", "-f", "{{.Images}} {{.Containers}} {{.MinidockRootDir}}")
        == "1 0 \(fixture.root)")
    #expect(try fixture.succeed("info").contains("CgroupVersion: "))
    let version = try fixture.succeed("version", "--format", "{{.Version}}")
    #expect(try fixture.succeed("--version") == "minidock version \(version)")
    #expect(try fixture.succeed("version", "--format", "json").contains("\"\(version)\""))
  }

  @Test func rmAndRmiRemoveAndSayWhatTheyCannot() throws {
    try makeContainers()
    #expect(try fixture.refuse(["rmi", "busybox"], status: 1).contains("busybox"))
    let some = try fixture.minidock("rm", "old", "absent", "young")
    #expect(some.status == 1)
    #expect(some.output == "old\nyoung\n")
    #expect(some.errors.lines.count == 1)
    #expect(try fixture.minidock("rm", "-f", "absent").status == 0)
    #expect(try fixture.succeed("rmi", "busybox").contains("Untagged: busybox:latest"))
    #expect(try fixture.succeed("images", "-q") == "")
    try fixture.refuse(["rmi", "busybox"], status: 1)
    try fixture.expectNoLeaks()
  }

  @Test func importNamesWhatItMakes() throws {
    let tree = try fixture.makeTree("tree", changes: "echo imported > etc/mark")
    let made = try fixture.shell(
      """
      set -e
      for program in cat gzip "zstd -q" xz bzip2; do
        command -v ${program%% *} > /dev/null || continue
        tar -C "$1" -c . | $program | "$MINIDOCK" import - "made:${program%% *}"
        "$MINIDOCK" run --rm --network none "made:${program%% *}" cat /etc/mark
      done
      """, tree)
    #expect(made.status == 0, "\(made.errors)")
    let ids = made.output.lines.filter { $0.hasPrefix("sha256:") }
    #expect(ids.count >= 2 && ids.count * 2 == made.output.lines.count)
    #expect(made.output.lines.filter { $0 == "imported" }.count == ids.count)
    _ = try fixture.shell(#"tar -C "$1" -cf "$DIRECTORY/t.tar" ."#, tree)
    try fixture.succeed(
      "import", "-c", "CMD [\"cat\", \"/etc/mark\"]", "-c", "ENV A=b", "-c", "LABEL made=here",
      "-m",
      "why", fixture.file("t.tar"), "configured")
    #expect(try fixture.run("configured").output == "imported\n")
    #expect(
      try fixture.succeed("inspect", "-f", "{{json .Config.Labels}}", "configured")
        == #"{"made":"here"}"#)
  }
}

extension String {
  fileprivate func firstIndex(ofWord word: String) -> Index {
    var start = startIndex
    while start < endIndex && !self[start...].hasPrefix(word) { start = index(after: start) }
    return start
  }
}
