import Glibc
import Linux
import TestSupport
import Testing

/// Named and anonymous volumes: -v, --mount, an image's VOLUME, --volumes-from, and who removes them.
@Suite(.enabled(if: MinidockFixture.isAvailable, MinidockFixture.requirement))
struct VolumeTests {
  let fixture: MinidockFixture

  init() throws {
    fixture = try MinidockFixture("volumes")
    try fixture.importBusybox()
  }

  private var volumes: [String] { get throws { try fixture.succeed("volume", "ls", "-q").lines } }

  /// The bundled image with volumes at these places.
  private func importVolumes(_ name: String, _ instructions: String...) throws {
    let flags = instructions.map { "-c '\($0)'" }.joined(separator: " ")
    let result = try fixture.shell(
      #""$MINIDOCK" import -c 'CMD ["sh"]' \#(flags) "$MINIDOCK_IMAGES/busybox.tar" \#(name)"#)
    try #require(result.status == 0, "\(result.errors)")
  }

  @Test func aNamedVolumeKeepsFilesAndIsSharedByContainers() throws {
    _ = try fixture.inside(["-v", "data:/data"], "echo kept > /data/file")
    #expect(try fixture.inside(["-v", "data:/other:ro"], "cat /other/file") == "kept")
    #expect(
      try fixture.inside(["--mount", "source=data,target=/x,readonly"], "touch /x/y 2>&1; true")
        .contains("Read-only"))
    #expect(try volumes == ["data"])
    #expect(Files.text(fixture.root + "/volumes/data/_data/file") == "kept")
    #expect(try fixture.succeed("volume", "rm", "data") == "data")
    #expect(!Files.exists(fixture.root + "/volumes/data"))
    try fixture.expectNoLeaks()
  }

  @Test func volumeCreateListInspectAndRemoveAreDockers() throws {
    #expect(try fixture.succeed("volume", "create", "-l", "a=b", "-l", "c", "first") == "first")
    #expect(try fixture.succeed("volume", "create", "first") == "first")
    let anonymous = try fixture.succeed("volume", "create")
    #expect(anonymous.utf8.count == 64)
    let list = try fixture.succeed("volume", "ls").lines
    #expect(list[0] == "DRIVER   VOLUME NAME")
    #expect(Set(list.dropFirst()) == ["local    first", "local    \(anonymous)"])
    for (filter, names) in [
      ("name=irs", ["first"]), ("label=a=b", ["first"]), ("label=c", ["first"]), ("label=b", []),
      ("label=com.docker.volume.anonymous", [anonymous]), ("driver=nfs", []),
      ("dangling=false", []),
    ] {
      #expect(try fixture.succeed("volume", "ls", "-q", "--filter", filter).lines == names)
    }
    #expect(try fixture.succeed("volume", "ls", "--filter", "dangling=true", "-q").lines.count == 2)
    #expect(
      try fixture.succeed(
        "volume", "ls", "--format", "{{.Name}}|{{.Scope}}|{{.Labels}}", "-f", "name=first")
        == "first|local|a=b,c=")
    let format = "{{.Driver}} {{.Name}} {{.Scope}} {{.Labels.a}} {{.Mountpoint}}"
    #expect(
      try fixture.succeed("volume", "inspect", "-f", format, "first")
        == "local first local b \(fixture.root)/volumes/first/_data")
    #expect(try fixture.succeed("volume", "inspect", "first").contains("\"CreatedAt\""))
    let mode = try fixture.shell(#"stat -c '%a %u' "$MINIDOCK_ROOT/volumes/first/_data""#)
    #expect(mode.output == "755 0\n")
    for wrong in [
      ["volume", "create", "x"], ["volume", "create", "../x"],
      ["volume", "create", "-d", "nfs", "n1"],
      ["volume", "create", "-o", "type=tmpfs", "n1"], ["volume", "rm", "nothing"],
      ["volume", "ls", "--filter", "colour=red"],
    ] { try fixture.refuse(wrong, status: 1) }
    #expect(try fixture.minidock("volume", "inspect", "nothing").status == 1)
    #expect(try fixture.succeed("volume", "rm", "-f", "nothing") == "nothing")
    #expect(try fixture.succeed("volume", "rm", "first", anonymous).lines == ["first", anonymous])
    #expect(try volumes == [])
  }

  @Test func aVolumeOfAContainerIsNotRemoved() throws {
    try fixture.succeed("create", "--name", "holder", "-v", "data:/data", "busybox", "true")
    let line = try fixture.refuse(["volume", "rm", "data"], status: 1)
    #expect(line.contains("holder") && line.contains("data"))
    try fixture.refuse(["volume", "rm", "-f", "data"], status: 1)
    #expect(try fixture.succeed("volume", "ls", "-q", "-f", "dangling=false") == "data")
    #expect(
      try fixture.succeed("volume", "prune", "-af").lines == ["Total reclaimed space: 0B"])
    #expect(try fixture.succeed("rm", "-v", "holder") == "holder")
    #expect(try volumes == ["data"])
    try fixture.succeed("volume", "rm", "data")
  }

  @Test func anonymousVolumesGoWithRmAndDashVOnly() throws {
    try importVolumes("with", "VOLUME /one /two")
    _ = try fixture.succeed("run", "--rm", "--network", "none", "-v", "/three", "with", "true")
    #expect(try volumes == [])
    for name in ["c1", "c2"] {
      try fixture.succeed(
        "run", "--network", "none", "--name", name, "-v", "/three", "with", "touch", "/one/file")
    }
    let all = try volumes
    #expect(all.count == 6)
    let format = "{{range .Mounts}}{{.Type}} {{.Destination}} {{.RW}} {{.Driver}};{{end}}"
    let seen = try fixture.succeed("inspect", "-f", format, "c1")
    #expect(
      Set(seen.split(separator: ";").map(String.init)) == [
        "volume /one true local", "volume /two true local", "volume /three true local",
      ])
    try fixture.succeed("rm", "-v", "c1")
    #expect(try volumes.count == 3)
    try fixture.succeed("rm", "c2")
    #expect(try volumes.count == 3)
    let pruned = try fixture.succeed("volume", "prune", "-f").lines
    #expect(pruned.first == "Deleted Volumes:" && pruned.count == 5)
    #expect(try volumes == [])
    try fixture.expectNoLeaks()
  }

  @Test func anonymousVolumesOfAKilledRunGoWithTheContainer() throws {
    for _ in 0..<10 {
      let run = try fixture.start([
        "run", "--rm", "--network", "none", "-v", "/data", "-v", "named:/named", "busybox", "sh",
        "-c",
        "echo x > /data/file; echo ready; exec sleep 60",
      ])
      #expect(try run.wait(untilOutput: { $0.contains("ready") }))
      #expect(try volumes.count == 2)
      for pid in fixture.processes() { kill(pid, SIGKILL) }
      _ = try run.wait(timeoutSeconds: 20)
      try fixture.expectNoLeaks(sweeping: true)
      #expect(try volumes == ["named"])
    }
    // Killed between a removal's first step and the volumes': the next sweep goes on with it.
    try fixture.succeed("create", "--name", "c1", "-v", "/data", "busybox", "true")
    let half = try fixture.shell(
      """
      cd "$MINIDOCK_ROOT"; id=$(ls containers); rm names/c1; mkdir -p trash
      mv "containers/$id" "trash/$id.volumes"; "$MINIDOCK" ps -a > /dev/null; ls trash
      """)
    #expect(half.status == 0 && half.output == "", "\(half)")
    #expect(try volumes == ["named"])
  }

  @Test func aContainerKeepsItsVolumesFromStartToStart() throws {
    try importVolumes("with", "VOLUME /one")
    try fixture.succeed(
      "run", "--network", "none", "--name", "c1", "-v", "data:/data", "with", "sh", "-c",
      "echo x >> /one/lines; echo x >> /data/lines")
    try fixture.succeed("start", "-a", "c1")
    #expect(
      try fixture.inside(["--volumes-from", "c1:ro"], "cat /one/lines /data/lines | tr -d '\\n'")
        == "xxxx")
    #expect(
      try fixture.inside(["--volumes-from", "c1:ro"], "touch /one/y 2>/dev/null || echo refused")
        == "refused")
    _ = try fixture.inside(["--volumes-from", "c1"], "touch /one/y")
    // Somebody else's --rm does not take them.
    #expect(try volumes.count == 2)
    try fixture.succeed(
      "create", "--name", "c2", "--volumes-from", "c1", "busybox", "ls", "/one")
    try fixture.succeed("rm", "-v", "c1")
    #expect(try fixture.succeed("start", "-a", "c2").lines == ["lines", "y"])
    try fixture.succeed("rm", "-v", "c2")
    #expect(try volumes == ["data"])
    try fixture.refuse(
      ["run", "--rm", "--volumes-from", "nobody", "busybox", "true"], status: 125)
  }

  @Test func inspectAndEventsTellOfVolumes() throws {
    try fixture.succeed("volume", "create", "data")
    try fixture.succeed(
      "run", "--network", "none", "--name", "c1", "-v", "data:/d:ro", "busybox", "true")
    let format =
      "{{range .Mounts}}{{.Type}} {{.Name}} {{.Source}} {{.Destination}} {{.Mode}} {{.RW}}{{end}}"
    #expect(
      try fixture.succeed("inspect", "-f", format, "c1")
        == "volume data \(fixture.root)/volumes/data/_data /d ro false")
    try fixture.succeed("rm", "c1")
    try fixture.succeed("volume", "rm", "data")
    let events = try fixture.succeed(
      "events", "--since", "1h", "--until", "0s", "--filter", "type=volume", "--format",
      "{{.Action}} {{.Actor.ID}}")
    #expect(events.lines == ["create data", "mount data", "destroy data"])
  }

  @Test func groupsOfCommandsAreDockersLongerNames() throws {
    #expect(
      try fixture.succeed(
        "container", "run", "--network", "none", "--name", "c1", "busybox", "echo", "fine")
        == "fine")
    #expect(
      try fixture.succeed("container", "ls", "-a", "--format", "{{.Names}}") == "c1")
    #expect(try fixture.succeed("container", "inspect", "-f", "{{.State.ExitCode}}", "c1") == "0")
    #expect(try fixture.succeed("image", "ls", "--format", "{{.Repository}}") == "busybox")
    #expect(try fixture.minidock("image", "inspect", "busybox").status == 0)
    #expect(try fixture.minidock("image", "inspect", "c1").status == 1)
    #expect(try fixture.succeed("system", "info", "-f", "{{.Containers}}") == "1")
    #expect(try fixture.succeed("container", "rm", "c1") == "c1")
    #expect(try fixture.minidock("image", "rm", "busybox").status == 0)
    try fixture.refuse(["volume", "nonsense"], status: 125)
    try fixture.refuse(["volume", "ls", "--nonsense"], status: 125)
  }
}
