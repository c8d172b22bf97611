import Glibc
import Linux
import TestSupport
import Testing

/// Rows 20, 21 and 39 of the security matrix through every way by which a layer gets into the store.
@Suite(.enabled(if: ImageDoors.isAvailable, ImageDoors.requirement))
struct SecurityLayerTests {
  let doors: ImageDoors
  var fixture: MinidockFixture { doors.fixture }

  init() throws { doors = try ImageDoors("layers") }

  // Layers of archives and registries are unpacked in root/ingest/ID/layer-N/layer/diff.
  private static let up = "../../../../../.."

  @Test(arguments: [ImageDoors.Door.docker, .registry])
  func sec20_CVE_2014_9357_noEntryOfALayerLeavesTheTree(_ door: ImageDoors.Door) throws {
    try fixture.write("sentinel/secret", "s3cret\n", mode: 0o600)
    try Files.claimDirectory(fixture.sentinel + "/dir")
    let before = try fixture.sentinelHash()
    var taken = 0
    let corpus = HostileArchive.corpus(sentinel: fixture.sentinel, up: Self.up)
    #expect(corpus.count >= 100)
    for archive in corpus {
      let result = try doors.bring(HostileImage(tar: archive.bytes), by: door)
      let after = try fixture.sentinelHash()
      #expect(after == before, "\(archive.name): \(result)")
      if result.status == 0 {
        taken += 1
        try doors.expectTaken(result, archive.name)
      } else {
        try doors.expectRefusal(result, "", archive.name)
      }
    }
    // What stays inside is taken: an absolute name is one below the image's root.
    #expect(0 < taken && taken < corpus.count)

    // The control, a naive unpacker that loses to each of these archives, is in HostileTests.
  }

  /// The archive around the layers is read in place: its links lead to its own entries alone.
  @Test func sec20_CVE_2026_20613_blobsOfAnArchiveComeFromTheArchiveAlone() throws {
    let layer = TarBuilder.archive { $0.file("f") }
    let image = HostileImage(tar: layer)
    let blob = "blobs/sha256/\(image.layers[0].digest.dropFirst(7))"
    // The host has the very blob that is asked for.
    try Files.replace(fixture.sentinel + "/blob", with: layer)
    let outside = fixture.sentinel + "/blob"
    let places: [(String, (inout TarBuilder) -> Void)] = [
      ("absolute link", { $0.link(blob, outside) }),
      ("link with dots", { $0.link(blob, "../../../../../.." + outside) }),
      ("hard link", { $0.hardLink(blob, outside) }),
      ("hard link with dots", { $0.hardLink(blob, "../.." + outside) }),
      ("link to itself", { $0.link(blob, String(blob.split(separator: "/")[2])) }),
      ("fifo", { $0.add(TarBuilder.Header(blob, "6")) }),
      ("device", { $0.device(blob, "3", 1, 5) }),
      ("directory", { $0.directory(blob) }),
      ("name that leaves the archive", { $0.file("../" + blob, layer) }),
    ]
    for (name, place) in places {
      let archive = TarBuilder.archive { tar in
        for (path, bytes) in image.layout where path != blob { tar.file(path, bytes) }
        place(&tar)
      }
      try Files.replace(fixture.file("in.tar"), with: archive)
      try doors.expectRefusal(
        try fixture.minidock("load", "-i", fixture.file("in.tar")), "is not in the archive", name)
    }
    // Control: links within it are followed, and the last of several entries of a name counts.
    for (name, place) in [
      ("link", { $0.link(blob, "../other") }), ("hard link", { $0.hardLink(blob, "blobs/other") }),
      (
        "again",
        {
          $0.file(blob, "another")
          $0.file("./blobs/../" + blob, layer)
        }
      ),
    ] as [(String, (inout TarBuilder) -> Void)] {
      let archive = TarBuilder.archive { tar in
        for (path, bytes) in image.layout where path != blob { tar.file(path, bytes) }
        tar.file("blobs/other", layer)
        place(&tar)
      }
      try Files.replace(fixture.file("in.tar"), with: archive)
      try doors.expectTaken(try fixture.minidock("load", "-i", fixture.file("in.tar")), name)
    }
  }

  @Test func sec20_CVE_2024_3727_aLayoutsDirectoryIsNotLeftByLinksNorHeldUpByAFifo() throws {
    let layer = TarBuilder.archive { $0.file("f") }
    let image = HostileImage(tar: layer)
    try Files.replace(fixture.sentinel + "/blob", with: layer)
    let script = #"""
      set -e; cd "$DIRECTORY"; rm -rf in; cp -a good in; cd in/blobs/sha256; rm "$1"
      """#
    try image.write(layout: fixture.file("good"))
    for (name, change, told) in [
      ("link to the host", #"ln -s "$DIRECTORY/sentinel/blob" "$1""#, "is not in the archive"),
      ("link with dots", #"ln -s "../../../sentinel/blob" "$1""#, "is not in the archive"),
      ("folder", #"cd ..; rm -r sha256; ln -s "$DIRECTORY/good/blobs/sha256" sha256"#, ""),
      ("magic link", #"exec 3< "$DIRECTORY/sentinel/blob"; ln -s /proc/self/fd/3 "$1""#, ""),
      ("fifo", #"mkfifo "$1""#, ""), ("device", #"mknod "$1" c 1 5"#, ""),
      ("directory", #"mkdir "$1""#, ""),
    ] {
      let hex = String(image.layers[0].digest.dropFirst(7))
      let made = try fixture.shell(script + "\n" + change, hex)
      try #require(made.status == 0, "\(made.errors)")
      let result = try fixture.minidock(
        ["load", "-i", fixture.file("in")], timeoutSeconds: 60)
      try doors.expectRefusal(result, told, name)
      if name.hasPrefix("link") {
        // Control: whoever opens the path finds the blob.
        let seen = try fixture.shell(#"sha256sum < "$DIRECTORY/in/blobs/sha256/$1""#, hex)
        #expect(seen.output.hasPrefix(hex))
      }
    }
    try doors.expectTaken(try fixture.minidock("load", "-i", fixture.file("good")), "control")
  }

  @Test(arguments: ImageDoors.Door.allCases)
  func sec21_whatALayerTellsOverlayfsIsRefusedOrDropped(_ door: ImageDoors.Door) throws {
    let lower = TarBuilder.archive { tar in
      tar.file("hidden")
      tar.file("d/kept")
    }
    func bring(_ build: (inout TarBuilder) -> Void) throws -> CommandResult {
      let upper = TarBuilder.archive(build)
      return try doors.bring(
        HostileImage([HostileImage.Layer(lower), HostileImage.Layer(upper)]), by: door)
    }
    for (name, build) in [
      ("0:0 node", { $0.device("n", "3", 0, 0) }), (".wh...", { $0.file(".wh...", "") }),
      (".wh..", { $0.file(".wh..", "") }), (".wh.", { $0.file("d/.wh.", "") }),
      ("whiteout as directory", { $0.file("a/.wh.d/f", "") }),
      (
        "hard link to a whiteout",
        {
          $0.file(".wh.hidden", "")
          $0.hardLink("n", "hidden")
        }
      ),
    ] as [(String, (inout TarBuilder) -> Void)] {
      try doors.expectRefusal(try bring(build), "", name)
    }
    let result = try bring { tar in
      let names = ["trusted.overlay.redirect", "trusted.overlay.opaque", "user.overlay.opaque"]
      tar.pax(
        names.map { ("SCHILY.xattr." + $0, Array("y".utf8)) }
          + [("SCHILY.xattr.trusted.overlays", Array("y".utf8))])
      tar.directory("d")
      tar.file(".wh.hidden", "")
      tar.file("d/.wh..wh.plnk", "")
    }
    #expect(result.status == 0, "\(result.errors)")
    let seen = try fixture.shell(
      #"""
      cd "$MINIDOCK_ROOT/layers" && getfattr -R -d -m - . | grep =; find . -type c | wc -l
      mount=$("$MINIDOCK" image mount "$("$MINIDOCK" images -q)") && find "$mount" -mindepth 1 -printf '%P '
      "$MINIDOCK" image unmount "$("$MINIDOCK" images -q)" > /dev/null
      """#)
    // The attribute beside the others, which means nothing to overlayfs, shows that they were there.
    #expect(
      seen.output == "trusted.overlays=\"y\"\n1\nd d/kept ", "\(seen.output)\(seen.errors)")
    try doors.expectTaken(result, "control")
  }

  @Test(arguments: ImageDoors.Door.allCases)
  func sec39_CVE_2024_57970_otherFormatsAsALayerAreRefusedByName(_ door: ImageDoors.Door) throws {
    let magics: [(String, [UInt8], Int)] = [
      ("zip", Array("PK\u{3}\u{4}".utf8), 0), ("7z", [0x37, 0x7a, 0xbc, 0xaf, 0x27, 0x1c], 0),
      ("rar", Array("Rar!\u{1a}\u{7}".utf8), 0), ("cpio", Array("070701".utf8), 0),
      ("iso", Array("CD001".utf8), 32769), ("Debian", Array("!<arch>\n".utf8), 0),
      ("lz4", [4, 0x22, 0x4d, 0x18], 0), ("squashfs", Array("hsqs".utf8), 0),
    ]
    for (name, magic, offset) in magics {
      var bytes = [UInt8](repeating: 0x5a, count: 40 << 10)
      bytes.replaceSubrange(offset..<(offset + magic.count), with: magic)
      // docker's archive says nothing about its layers: there it is the detection that refuses.
      let told = door == .docker ? "not a tar" : name
      try doors.expectRefusal(
        try doors.bring(HostileImage(tar: bytes), by: door), told, "\(name) as layer")
      let packed = try doors.compressed(bytes, "gzip -1")
      try doors.expectRefusal(
        try doors.bring(HostileImage([.init(packed, of: bytes, "+gzip")]), by: door), name,
        "\(name) in gzip")
      if door == .layout {
        try Files.replace(fixture.file("in"), with: bytes)
        try doors.expectRefusal(
          try fixture.minidock("load", "-i", fixture.file("in")), name, "\(name) as archive")
      }
    }
    // Control: a tar in the same place.
    let tar = TarBuilder.archive { $0.file("f") }
    try doors.expectTaken(try doors.bring(HostileImage(tar: tar), by: door), "tar")
  }

  /// Deeper than any path can say, by links that shorten the way: it can be unpacked, checked and removed.
  @Test func sec22_directoriesDeeperThanAPathAreRemovedWhole() throws {
    let step = String(repeating: "d/", count: 1500)
    let tar = TarBuilder.archive { tar in
      var prefix = ""
      for level in 0..<4 {
        tar.pax([("path", Array((prefix + step).utf8))])
        tar.directory("x")
        // A link to the deepest directory so far, from which the next ones go on.
        tar.pax([("linkpath", Array((prefix + step).utf8))])
        tar.link("l\(level)", "x")
        prefix = "l\(level)/"
      }
      tar.file("l3/bottom")
    }
    let result = try doors.bring(HostileImage(tar: tar), by: .layout)
    #expect(result.status == 0, "\(result.errors)")
    #expect(try fixture.succeed("image", "check") == "no problems found")
    try doors.expectTaken(result, "deep")
  }
}
