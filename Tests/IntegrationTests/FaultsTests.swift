import Linux
import TestSupport
import Testing

/// A full disk, no rights, broken archives, missing images: one clear line, and nothing left.
@Suite(.enabled(if: MinidockFixture.isAvailable, MinidockFixture.requirement))
struct FaultsTests {
  let fixture: MinidockFixture

  init() throws { fixture = try MinidockFixture("faults") }

  /// Runs a script in a mount namespace of its own in which the installation's root is a small tmpfs.
  private func onSmallDisk(_ size: String, _ script: String) throws -> CommandResult {
    try fixture.shell(
      #"""
      mkdir "$MINIDOCK_ROOT" && exec unshare -m bash -c '
      mount --make-rprivate /
      mount -t tmpfs -o size='"$1"',mode=700 none "$MINIDOCK_ROOT"
      '"$2"
      """#, size, script)
  }

  @Test func importOnAFullDiskSaysSoAndLeavesTheStoreAsItWas() throws {
    let result = try onSmallDisk(
      "8m",
      #"""
      "$MINIDOCK" images > /dev/null
      mkdir "$DIRECTORY/tree"; head -c 30000000 /dev/urandom > "$DIRECTORY/tree/big"
      tar -C "$DIRECTORY/tree" -cf "$DIRECTORY/big.tar" .
      find "$MINIDOCK_ROOT" -type f ! -name lock | sort > "$DIRECTORY/before"
      "$MINIDOCK" import "$DIRECTORY/big.tar" big; echo "status $?"
      find "$MINIDOCK_ROOT" -type f ! -name lock | sort | diff "$DIRECTORY/before" - && echo nothing left
      "$MINIDOCK" images -q
      du -k "$MINIDOCK_ROOT" | tail -n 1 | { read size rest; [ $size -lt 100 ] && echo small; }
      """#)
    #expect(result.output == "status 1\nnothing left\nsmall\n", "\(result.errors)")
    #expect(result.errors.lines.count == 1, "\(result.errors)")
    #expect(result.errors.hasPrefix("minidock: "))
    #expect(result.errors.contains("no space left on device"))
    #expect(result.errors.contains(";"), "there is a remedy")
  }

  @Test func runOnAFullDiskSaysSoAndLeavesNoContainer() throws {
    let result = try onSmallDisk(
      "8m",
      #"""
      "$MINIDOCK" run --rm --network none busybox true 2> /dev/null; echo "status $?"
      dd if=/dev/zero of="$MINIDOCK_ROOT/fill" bs=4k 2> /dev/null
      "$MINIDOCK" run --rm --network none busybox true; echo "status $?"
      ls "$MINIDOCK_ROOT/containers"
      rm "$MINIDOCK_ROOT/fill"
      "$MINIDOCK" ps -aq
      "$MINIDOCK" run --rm --network none busybox echo works again
      """#)
    #expect(result.output == "status 0\nstatus 125\nworks again\n", "\(result.errors)")
    #expect(result.errors.lines.count == 1, "\(result.errors)")
    #expect(result.errors.contains("no space left on device"))
    try fixture.expectNoLeaks()
  }

  @Test func aDiskThatTheBundledImageDoesNotFitOnIsNamed() throws {
    let result = try onSmallDisk(
      "1m", #""$MINIDOCK" run --rm --network none busybox true; echo "status $?""#)
    #expect(result.output == "status 125\n")
    #expect(result.errors.contains("no space left on device"), "\(result.errors)")
    try fixture.expectNoLeaks()
  }

  @Test func withoutRootOneLineSaysWhatToDo() throws {
    for words in [["run", "--rm", "busybox", "true"], ["ps"], ["images"], ["import", "-", "x"]] {
      let result = try TestSupport.run(
        ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", MinidockFixture.binary]
          + words,
        environment: fixture.environment)
      #expect(result.status == (words[0] == "run" ? 125 : 1))
      #expect(result.output == "")
      #expect(result.errors.lines.count == 1)
      #expect(result.errors.contains("it needs root") && result.errors.contains("sudo"))
    }
    // What needs no rights works without them.
    let version = try TestSupport.run([
      "setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", MinidockFixture.binary,
      "--version",
    ])
    #expect(version.status == 0)
  }

  @Test func aMissingImageNamesTheWayToGetOne() throws {
    let line = try fixture.refuse(
      ["run", "--rm", "--pull", "never", "absent:1", "true"], status: 125)
    #expect(line.contains("absent:1") && line.contains("minidock import"))
    try fixture.expectNoLeaks()
  }

  @Test func brokenArchivesLeaveNothing() throws {
    _ = try fixture.shell(
      #"""
      cd "$DIRECTORY"
      head -c 700000 "$MINIDOCK_IMAGES/busybox.tar" > cut.tar
      gzip -c "$MINIDOCK_IMAGES/busybox.tar" | head -c 400000 > cut.tar.gz
      head -c 100000 /dev/urandom > noise
      : > empty
      gzip -c noise > noise.gz
      """#)
    try fixture.succeed("images")
    for name in ["cut.tar", "cut.tar.gz", "noise", "empty", "noise.gz"] {
      try fixture.refuse(["import", fixture.file(name), "broken"], status: 1)
    }
    #expect(try fixture.succeed("images", "-q") == "")
    let left = try fixture.shell(
      #"cd "$MINIDOCK_ROOT"; find blobs layers ingest -type f 2>/dev/null"#)
    #expect(left.output == "")
    try fixture.expectNoLeaks()
  }

  @Test func archivesOfOtherKindsAreRefusedByName() throws {
    _ = try fixture.shell(
      #"""
      cd "$DIRECTORY"
      mkdir tree; echo x > tree/file
      (cd tree; find . | cpio -o -H newc > ../a.cpio 2>/dev/null
      bsdtar -a -cf ../a.zip .; bsdtar -cf ../a.7z --format 7zip .; bsdtar -cf ../a.iso --format iso9660 .)
      [ -s a.cpio ] || rm -f a.cpio
      """#)
    var tried = 0
    for (file, word) in [("a.cpio", "cpio"), ("a.zip", "zip"), ("a.7z", "7"), ("a.iso", "iso")] {
      guard Files.exists(fixture.file(file)) else { continue }
      tried += 1
      let line = try fixture.refuse(["import", fixture.file(file), "x"], status: 1)
      #expect(line.lowercased().contains(word), "\(line)")
    }
    #expect(tried > 0 || !hasProgram("cpio"))
    #expect(try fixture.succeed("images", "-q") == "")
  }

  @Test func aCutOffPipeIsNoImage() throws {
    let result = try fixture.shell(
      #"head -c 1000000 "$MINIDOCK_IMAGES/busybox.tar" | "$MINIDOCK" import - cut; echo $?"#)
    #expect(result.output == "1\n")
    #expect(result.errors.lines.count == 1)
    #expect(try fixture.succeed("images", "-q") == "")
  }
}
