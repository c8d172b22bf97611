import Glibc
import Linux
import TestSupport
import Testing

/// What an image has at a volume's place is copied into the volume when that is empty, and never else.
@Suite(.enabled(if: MinidockFixture.isAvailable, MinidockFixture.requirement), .serialized)
struct VolumeCopyUpTests {
  let fixture: MinidockFixture

  init() throws {
    fixture = try MinidockFixture("copyup")
    try fixture.importBusybox()
  }

  private let content = """
    mkdir -p data/sub; chmod 2750 data; chown 12:34 data; echo one > data/one
    ln data/one data/second; ln -s /etc/passwd data/link; chmod 4711 data/second
    mkfifo -m 640 data/pipe; chown -R 5:6 data/sub; echo deep > data/sub/deep
    touch -d '2001-02-03 04:05:06' data/one data
    """

  @Test func anEmptyVolumeGetsTheImagesContentWithOwnersModesAndLinks() throws {
    try fixture.importImage("full", changes: content)
    let script = """
      cd /data; stat -c '%n %a %u %g %F %h' . *; stat -c '%n %Y' . one; readlink link; cat one sub/deep
      """
    let plain = try fixture.run("full", "sh", "-c", script).output
    #expect(plain.contains("one 4711 0 34 regular file 2"))
    let first = try fixture.run("-v", "data:/data", "full", "sh", "-c", script)
    #expect(first.output == plain, "\(first.errors)")
    // What is in it stays, whatever another image has there.
    _ = try fixture.run("-v", "data:/data", "full", "sh", "-c", "cd /data; rm one; echo mine > own")
    let again = try fixture.run("-v", "data:/data", "full", "sh", "-c", "ls /data; cat /data/own")
    #expect(again.output == "link\nown\npipe\nsecond\nsub\nmine\n", "\(again.errors)")
    let left = try fixture.shell(#"ls -A "$MINIDOCK_ROOT/volumes/data""#).output.lines
    #expect(Set(left) == ["_data", "lock", "volume"])
    try fixture.expectNoLeaks()
  }

  @Test func nocopyAndOtherContainersVolumesStayEmpty() throws {
    try fixture.importImage("full", changes: content)
    for flags in [
      ["-v", "a1:/data:nocopy"], ["--mount", "source=a2,target=/data,volume-nocopy"],
    ] {
      let seen = try fixture.run(flags + ["full", "ls", "-A", "/data"])
      #expect(seen.output == "" && seen.status == 0, "\(seen.errors)")
    }
    try fixture.succeed("create", "--name", "c1", "-v", "b1:/data", "busybox", "true")
    let seen = try fixture.run("--volumes-from", "c1", "full", "ls", "-A", "/data")
    #expect(seen.output == "" && seen.status == 0, "\(seen.errors)")
  }

  @Test func createFillsItsVolumesAndAnEmptiedOneStaysEmptyAtTheNextStart() throws {
    try fixture.importImage("full", changes: content)
    try fixture.succeed(
      "create", "--name", "c1", "-v", "data:/data", "full", "sh", "-c", "ls /data; rm -rf /data/*")
    #expect(Files.text(fixture.root + "/volumes/data/_data/one") == "one")
    #expect(try fixture.succeed("start", "-a", "c1").lines.count == 5)
    #expect(try fixture.succeed("start", "-a", "c1").lines == [])
  }

  @Test func fiftyContainersAtOnceFillOneVolumeOnce() throws {
    try fixture.importImage("full", changes: "mkdir data; cd data; touch $(seq 300)")
    let result = try fixture.shell(
      """
      for number in $(seq 50); do
        "$MINIDOCK" run --rm --network none -v same:/data full sh -c \
          'echo $(ls /data | grep -vc own); touch /data/own$$' 2>&1 &
      done
      wait
      """)
    #expect(result.output.lines == Array(repeating: "300", count: 50))
    let creations = try fixture.succeed(
      "events", "--since", "1h", "--until", "0s", "--filter", "type=volume", "--filter",
      "event=create", "--format", "{{.Actor.ID}}")
    #expect(creations.lines == ["same"])
    try fixture.succeed("volume", "rm", "same")
    try fixture.expectNoLeaks()
  }

  @Test func aRemovalAmongRunsNeverTakesAVolumeInUse() throws {
    let result = try fixture.shell(
      """
      for number in $(seq 40); do
        "$MINIDOCK" run --rm --network none -v same:/data busybox \
          sh -c "echo x > /data/$number && cat /data/$number" &
        "$MINIDOCK" volume rm -f same > /dev/null 2>&1 &
      done
      wait
      """)
    #expect(result.output.lines == Array(repeating: "x", count: 40), "\(result.errors)")
    try fixture.succeed("volume", "rm", "-f", "same")
    try fixture.expectNoLeaks()
  }

  @Test func aKillDuringTheCopyIsMadeGoodByTheNextContainer() throws {
    try fixture.importImage(
      "full",
      changes: """
        mkdir data; cd data
        for i in $(seq 40); do mkdir $i; (cd $i; touch $(seq 50)); done
        for i in $(seq 8); do head -c 1000000 /dev/urandom > big$i; done
        """)
    let whole = "find /data | wc -l; cat /data/big* | wc -c"
    let expected = try fixture.run("full", "sh", "-c", whole).output
    var halves = 0
    for round in 0..<25 {
      let run = try fixture.start([
        "run", "--rm", "--network", "none", "-v", "data\(round):/data", "full", "true",
      ])
      let directory = fixture.root + "/volumes/data\(round)"
      for _ in 0..<4000
      where !Files.exists(directory + "/_copy") && !Files.exists(directory + "/_ready") {
        usleep(200)
      }
      usleep(UInt32.random(in: 0...40_000))
      for pid in fixture.processes() { kill(pid, SIGKILL) }
      _ = try run.wait(timeoutSeconds: 20)
      if Files.exists(directory + "/_copy") || Files.exists(directory + "/_ready") { halves += 1 }
      let seen = try fixture.run("-v", "data\(round):/data", "full", "sh", "-c", whole)
      #expect(seen.output == expected, "round \(round): \(seen.errors)")
      let left = try fixture.shell(#"ls -A "$1""#, directory).output.lines
      #expect(Set(left).isSubset(of: ["_data", "lock", "volume"]), "\(left)")
      try fixture.succeed("volume", "rm", "data\(round)")
    }
    #expect(halves > 0, "the kills missed the copy")
    try fixture.expectNoLeaks(sweeping: true)
    #expect(try fixture.shell(#"ls -A "$MINIDOCK_ROOT/volumes""#).output == "")
  }
}
