import Linux
import TestSupport
import Testing

/// umoci and skopeo beside minidock: the same tree of an image in every respect, both ways. One image has
/// three layers with more than 10,000 files of all kinds, some of them this machine's own /etc; the other is
/// Debian's own files, from its packages.
@Suite(
  .enabled(if: MinidockFixture.isAvailable, MinidockFixture.requirement),
  .enabled(
    if: hasProgram("umoci") && hasProgram("skopeo") && hasProgram("python3"),
    "needs umoci, skopeo and python3"), .serialized)
struct ImageOracleTests {
  let oracle: ImageOracle
  var fixture: MinidockFixture { oracle.fixture }

  init() throws { oracle = try ImageOracle("oracle") }

  @Test func theTreeIsWhatUmociUnpacksOfTheSameLayers() throws {
    let image = try oracle.makeLayout(holes: true)
    #expect(
      try fixture.succeed("load", "-q", "-i", fixture.file("layout"))
        == "Loaded image: localhost/evil:1")
    let own = try oracle.lookInside("localhost/evil:1")
    let files = own.split(separator: "\n").count { $0.contains("|f|") }
    #expect(files > 10_000)
    try oracle.shell("umoci unpack --image layout:1 bundle > /dev/null")
    oracle.expectSame(try oracle.look(fixture.file("bundle/rootfs")), own, "umoci <> minidock")
    // Holes stay holes.
    let blocks = try oracle.shell(#"stat -c %b root/layers/*/diff/sparse"#).trimmingLineFeeds
    #expect(Int(blocks) ?? .max < 200, "\(blocks)")

    // And back: what is saved has the same digests, and the same tree for umoci and skopeo.
    try fixture.succeed(
      "save", "--format", "oci-dir", "-o", fixture.file("saved"), "localhost/evil:1")
    let index = try Files.read(fixture.file("saved/index.json")) ?? []
    #expect(String(decoding: index, as: UTF8.self).contains(image.digest))
    try oracle.shell("skopeo copy -q oci:saved oci:copied:1; rm -rf bundle")
    try oracle.shell("umoci unpack --image copied:1 bundle > /dev/null")
    oracle.expectSame(try oracle.look(fixture.file("bundle/rootfs")), own, "umoci <> saved")

    // An archive that skopeo made of it is the same image again.
    try oracle.shell("skopeo copy -q oci:layout:1 docker-archive:skopeo.tar:again:1")
    #expect(
      try fixture.succeed("load", "-q", "-i", fixture.file("skopeo.tar")) == "Loaded image: again:1"
    )
    oracle.expectSame(try oracle.lookInside("again:1"), own, "skopeo <> minidock")
    #expect(try fixture.succeed("image", "check") == "no problems found")
  }

  /// What umoci made of packages goes through minidock and back to umoci.
  @Test(.enabled(if: DebianPackages.areHere, DebianPackages.requirement))
  func aDebianOfTenThousandFilesIsTheSameForUmociBothWays() throws {
    try DebianPackages.unpack(into: fixture.file("debian"))
    try oracle.shell(
      #"""
      tar --format=pax --xattrs --xattrs-include='*' --numeric-owner -cf debian.tar -C debian .
      rm -rf debian
      umoci init --layout made; umoci new --image made:1
      umoci raw add-layer --image made:1 debian.tar; umoci unpack --image made:1 theirs
      """#)
    let theirs = try oracle.look(fixture.file("theirs/rootfs"))
    let files = theirs.split(separator: "\n").count { $0.contains("|f|") }
    #expect(files >= 10_000)
    // Modes, groups, links and attributes are there to be lost.
    for part in ["|4755|0|0|", "|2755|0|42|", "|l|777|", "\nsame usr/", "security.capability="] {
      // Told in short: what it is looked for in has 35,000 lines.
      let isThere = theirs.contains(part)
      #expect(isThere, "\(part)")
    }
    try fixture.succeed("load", "-q", "-i", fixture.file("made"))
    let id = try fixture.succeed("images", "-q", "--no-trunc")
    oracle.expectSame(theirs, try oracle.lookInside(id), "umoci <> minidock")
    try fixture.succeed("tag", id, "debian:oracle")
    for format in ["oci-dir", "docker-archive"] {
      let saved = fixture.file("saved")
      try fixture.succeed("save", "--format", format, "-o", saved, "debian:oracle")
      try oracle.shell(
        #"""
        rm -rf theirs copied; from=$([ -d saved ] && echo oci || echo docker-archive)
        skopeo copy -q $from:saved oci:copied:1; umoci unpack --image copied:1 theirs; rm -rf saved
        """#)
      oracle.expectSame(
        try oracle.look(fixture.file("theirs/rootfs")), theirs, "umoci <> \(format)")
    }
  }
}
