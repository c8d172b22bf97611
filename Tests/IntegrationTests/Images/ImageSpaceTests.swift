import Glibc
import Linux
import TestSupport
import Testing

/// What images take up: `system df` says what du(1) does, and removing them gives all of it back.
@Suite(.enabled(if: ImageDoors.isAvailable, ImageDoors.requirement))
struct ImageSpaceTests {
  let doors: ImageDoors
  var fixture: MinidockFixture { doors.fixture }

  init() throws { doors = try ImageDoors("space") }

  /// Bytes of all files of images, one with several names counted once: du --apparent-size without its
  /// directories.
  private func usedBytes() throws -> Int64 {
    let result = try fixture.shell(
      #"""
      cd "$MINIDOCK_ROOT" && find blobs layers images ingest ! -type d -printf '%i %s\n' | sort -u |
        awk '{ sum += $2 } END { print sum + 0 }'
      """#)
    return Int64(result.output.trimmingLineFeeds) ?? -1
  }

  /// As docker writes a number of bytes: three digits and a unit.
  private static func decimal(_ bytes: Int64) throws -> String {
    let script = """
      n = float(\(bytes)); i = 0
      while n >= 1000 and i < 4: n /= 1000; i += 1
      print("%.*g%s" % (3 if i else 4, n, ("B", "kB", "MB", "GB", "TB")[i]))
      """
    return try run(["python3", "-c", script]).output.trimmingLineFeeds
  }

  private func imageLine() throws -> [String] {
    let line = try fixture.succeed(
      "system", "df", "--format", "{{.TotalCount}}|{{.Active}}|{{.Size}}|{{.Reclaimable}}")
    return line.lines[0].split(separator: "|").map(String.init)
  }

  private static func noise(_ count: Int) -> [UInt8] {
    (0..<count).map { _ in UInt8.random(in: 0...255) }
  }

  @Test func dfSaysWhatDuDoesAndWhatGoesIsGivenBack() throws {
    let shared = TarBuilder.archive { tar in
      tar.file("shared", Self.noise(123_457))
      tar.hardLink("again", "shared")
      tar.link("link", "shared")
      // Written twice: only the second is there.
      tar.file("twice", Self.noise(54_321))
      tar.file("twice", Self.noise(11))
    }
    let own = TarBuilder.archive { $0.file("own", Self.noise(77_777)) }
    let packed = try doors.compressed(own, "gzip -1")
    expectSuccess(try doors.bring(HostileImage([.init(shared)]), by: .registry))
    let first = try usedBytes()
    #expect(try imageLine() == ["1", "0", Self.decimal(first), "\(Self.decimal(first)) (100%)"])
    let image = HostileImage([.init(shared), .init(packed, of: own, "+gzip")])
    expectSuccess(try doors.bring(image, by: .layout))
    let both = try usedBytes()
    #expect(both > first + Int64(packed.count + 77_777))
    #expect(try imageLine()[2] == Self.decimal(both))

    // What a container is made of is not to be had back.
    try fixture.succeed("create", "--name", "user", "\(doors.server.host)/evil", "true")
    let line = try imageLine()
    let difference = try Self.decimal(both - first)
    #expect(line[1] == "1" && line[3].hasPrefix(difference + " "), "\(line)")
    let all = try fixture.succeed("system", "df", "-v").lines
    let row = try #require(all.first { $0.contains("localhost/evil") })
    #expect(row.contains(try Self.decimal(both - first)), "\(row)")

    let pruned = try fixture.succeed("image", "prune", "-af")
    #expect(try usedBytes() == first)
    #expect(
      pruned.hasSuffix("Total reclaimed space: \(try Self.decimal(both - first))"), "\(pruned)")
    try fixture.succeed("rm", "user")
    let rest = try fixture.succeed("image", "prune", "-af")
    #expect(rest.hasSuffix("Total reclaimed space: \(try Self.decimal(first))"), "\(rest)")
    #expect(try doors.contents() == [])
    #expect(try usedBytes() == 0)
    #expect(try imageLine() == ["0", "0", "0B", "0B"])
  }

  @Test func whatAFailedPullLeftIsCountedAndAPruneGivesItBack() throws {
    try fixture.write("config.toml", "[transfer]\nretries = 0\nstall-seconds = 2\n")
    let image = try doors.server.make(layers: 2, size: 300_000)
    try doors.server.play(#"{"\#(image.layers[1])": {"stall": 123000}}"#)
    #expect(try fixture.remote("pull", "-q", "\(doors.server.host)/app").status == 1)
    try fixture.succeed("ps")
    let used = try Self.decimal(try usedBytes())
    #expect(try imageLine() == ["0", "0", used, "\(used) (100%)"])
    let pruned = try fixture.succeed("image", "prune", "-f")
    #expect(pruned.hasSuffix("Total reclaimed space: \(used)"), "\(pruned) \(used)")
    #expect(try doors.contents() == [] && usedBytes() == 0)
  }

  /// Of many attempts that came to nothing the newest are kept, and none for ever.
  @Test func whatEndedPullsLeaveIsBounded() throws {
    let result = try fixture.shell(
      #"""
      "$MINIDOCK" images > /dev/null; cd "$MINIDOCK_ROOT"
      plant() {
        mkdir ingest/$1; : > ingest/$1/lock; echo beginning > ingest/$1/partial-$(printf %064d 7)
        printf 'blob=%064d\nblob=%064d\nholds=yes\nkept-until=%s\n' 1 $1 $2 > ingest/$1/plan
      }
      now=$(date +%s)
      for n in $(seq 11 22); do plant 10000000000000$n $((now + 600 + n))000000000; done
      plant 1000000000000099 $((now - 1))000000000
      "$MINIDOCK" system df > /dev/null
      ls ingest
      """#)
    let expected = (15...22).map { "10000000000000\($0)" }
    #expect(result.output.lines == expected, "\(result.output)\(result.errors)")
  }

  @Test(arguments: ImageDoors.Door.allCases)
  func rmiGivesEverythingBack(_ door: ImageDoors.Door) throws {
    let lower = TarBuilder.archive { $0.file("lower", Self.noise(50_000)) }
    let uppers = try (0..<2).map { number in
      let tar = TarBuilder.archive { $0.file("upper-\(number)", Self.noise(20_000)) }
      return HostileImage.Layer(try doors.compressed(tar, "gzip -1"), of: tar, "+gzip")
    }
    // Two images of one layer below, which stays as long as one of them does.
    let images = uppers.map { HostileImage([.init(lower), $0]) }
    expectSuccess(try doors.bring(images[0], by: door))
    let one = try usedBytes()
    expectSuccess(try doors.bring(images[1], by: door))
    #expect(try usedBytes() < 2 * one - 50_000)
    try fixture.succeed("rmi", images[1].id)
    #expect(try usedBytes() == one)
    let inside = try fixture.succeed("image", "mount", images[0].id)
    #expect(try Files.list(inside).sorted() == ["lower", "upper-0"])
    try fixture.succeed("image", "unmount", images[0].id)
    try fixture.succeed("tag", images[0].id, "second")
    try fixture.succeed("rmi", "-f", images[0].id)
    #expect(try doors.contents() == [])
  }

  /// Half-made things of processes that are gone go with the next command that looks after
  /// what is there, brings or removes. (`images` only reads.)
  @Test func orphansGoByThemselves() throws {
    let tar = TarBuilder.archive { $0.file("f", Self.noise(400_000)) }
    let image = HostileImage(tar: tar)
    for words in [
      ["ps"], ["system", "df"], ["load", "-q", "-i", fixture.file("in.tar")],
      ["image", "prune", "-f"], ["image", "check"],
    ] {
      try Files.replace(fixture.file("in.tar"), with: image.archive)
      try plantOrphans()
      try fixture.minidock(words)
      try fixture.eventually("\(words) has swept", seconds: 60) {
        try fixture.minidock(words)
        return try Files.list(fixture.root + "/ingest").isEmpty
      }
      try doors.clear()
      #expect(try doors.contents() == [], "\(words)")
    }
  }

  /// What kills leave at the worst moments: a plan whose image was never named, a layer half unpacked, a
  /// temporary file.
  private func plantOrphans() throws {
    let hex = String(repeating: "ab", count: 32)
    let script = #"""
      set -e; "$MINIDOCK" images > /dev/null; cd "$MINIDOCK_ROOT"; mkdir -p ingest/1234567812345678/layer-0/layer/diff/deep layers/$1/diff
      : > ingest/1234567812345678/lock; echo half > ingest/1234567812345678/layer-0/layer/diff/deep/file
      printf 'blob=%s\nchain=%s\nholds=yes\n' $1 $1 > ingest/1234567812345678/plan
      echo orphan > blobs/sha256/$1; echo tmp > ingest/8765432187654321.tmp; : > ingest/$1.lock
      echo orphan > layers/$1/diff/file
      """#
    let made = try fixture.shell(script, hex)
    try #require(made.status == 0, "\(made.errors)")
  }

  @Test func aDiskThatIsFullInTheMiddleLosesNothingAndIsGivenBack() throws {
    let tar = TarBuilder.archive { $0.file("noise", Self.noise(6_000_000)) }
    let image = HostileImage([.init(try doors.compressed(tar, "gzip -1"), of: tar, "+gzip")])
    let kept = HostileImage(tar: TarBuilder.archive { $0.file("kept", Self.noise(300_000)) })
    try Files.replace(fixture.file("big.tar"), with: image.archive)
    try Files.replace(fixture.file("kept.tar"), with: kept.archive)
    try image.serve(by: doors.server, as: "big")
    let result = try fixture.shell(
      #"""
      export MINIDOCK_ROOT="$DIRECTORY/small/root" MINIDOCK_CONFIG="$DIRECTORY/config.toml"
      export DOCKER_CONFIG="$DIRECTORY/docker"; mkdir "$DIRECTORY/small"; cd "$DIRECTORY"
      for size in 1500 3000 5000 7000 9000 11000; do
        mount -t tmpfs -o size=${size}k,mode=0700 none small
        "$MINIDOCK" load -q -i kept.tar > /dev/null || echo "no room for the first at $size"
        before=$(find small -printf '%P %y %s\n' | LC_ALL=C sort; du -s small)
        for words in "load -q -i big.tar" "pull -q $1/big" "import big.tar x"; do
          if "$MINIDOCK" $words > out 2> err; then echo "$size $words: fits"; continue; fi
          [ "$(wc -l < err)" = 1 ] && grep -q 'space\|free' err || echo "$size $words: $(cat err)"
          after=$(find small ! -path small/root/remote -printf '%P %y %s\n' | LC_ALL=C sort; du -s small)
          [ "$before" = "$after" ] || { echo "$size $words:"; diff <(echo "$before") <(echo "$after"); }
          "$MINIDOCK" image check > out 2>&1 || cat out
        done
        umount small
      done
      """#, doors.server.host)
    #expect(result.status == 0 && result.output == "", "\(result.output)\(result.errors)")
    // Control: with room they fit.
    expectSuccess(try doors.bring(image, by: .layout))
  }
}
