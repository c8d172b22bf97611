import Linux
import TestSupport
import Testing

/// Images of several layers out of archives, into archives, and what is wrong with them.
///
/// The archives come from umoci and skopeo: two layers, the second with a deleted directory, a replaced
/// one, and a file in a directory that the archive only implies.
@Suite(
  .enabled(if: MinidockFixture.isAvailable, MinidockFixture.requirement),
  .enabled(if: hasProgram("skopeo") && hasProgram("umoci"), "needs skopeo and umoci"), .serialized)
struct ImageArchiveTests {
  let fixture: MinidockFixture

  init() throws {
    fixture = try MinidockFixture("archive")
    try shell(
      #"""
      umoci init --layout oci && umoci new --image oci:a && umoci unpack --image oci:a work
      mkdir -p work/rootfs/bin work/rootfs/etc work/rootfs/d work/rootfs/gone
      printf one > work/rootfs/etc/f; ln work/rootfs/etc/f work/rootfs/etc/f2
      printf x > work/rootfs/d/x; printf g > work/rootfs/gone/g
      head -c 300000 /dev/urandom > work/rootfs/bin/noise
      umoci repack --image oci:a work; rm -rf work; umoci unpack --image oci:a work
      rm -r work/rootfs/gone work/rootfs/d; mkdir work/rootfs/d; printf y > work/rootfs/d/y
      printf two > work/rootfs/etc/f
      umoci repack --image oci:a work; rm -rf work
      skopeo copy -q oci:oci:a docker-archive:docker.tar:two:1
      skopeo copy -q oci:oci:a oci-archive:oci.tar:localhost/two:1
      """#)
  }

  /// Runs a script in the fixture's directory; the test fails when it does.
  @discardableResult
  private func shell(_ script: String) throws -> String {
    let result = try fixture.shell(
      "set -e; cd '\(fixture.directory)'; exec 3>&1; { \(script)\n} 2>&1", timeoutSeconds: 120)
    try #require(result.status == 0, "\(result.output) \(result.errors)")
    return result.output
  }

  private func load(_ name: String) throws -> CommandResult {
    try fixture.minidock("load", "-i", fixture.file(name))
  }

  private func removeAll() throws {
    for id in Set(try fixture.minidock("images", "-q", "--no-trunc").output.lines) {
      #expect(try fixture.minidock("rmi", "-f", id).status == 0)
    }
  }

  /// Everything that an image consists of is given back.
  private func expectEmptyStore() throws {
    for folder in ["blobs/sha256", "layers", "images", "ingest"] {
      #expect(try Files.list("\(fixture.root)/\(folder)") == [], "\(folder)")
    }
  }

  @Test func whatSkopeoWroteLoadsAndWhatIsSavedSkopeoReads() throws {
    for (source, name) in [("docker.tar", "two:1"), ("oci.tar", "localhost/two:1")] {
      let loaded = try load(source)
      #expect(loaded.output == "Loaded image: \(name)\n", "\(loaded)")
      for (format, transport) in [
        ("docker", "docker-archive"), ("docker-archive", "docker-archive"),
        ("oci-archive", "oci-archive"), ("oci-dir", "oci"),
      ] {
        let saved = try fixture.minidock(
          "save", "--format", format, "-o", fixture.file("saved"), name)
        #expect(saved.status == 0, "\(saved)")
        // skopeo verifies every digest; umoci applies the whiteouts by itself.
        let tree = try shell(
          #"""
          skopeo copy -q \#(transport):saved oci:again:x && umoci unpack --image again:x seen >/dev/null
          (cd seen/rootfs && find . -type f | sort | xargs cat -- | sha256sum; find . | sort)
          rm -rf seen again
          """#)
        #expect(tree.contains("./d/y\n") && !tree.contains("./d/x") && !tree.contains("gone"))
        try removeAll()
        try expectEmptyStore()
        #expect(try load("saved").output == "Loaded image: \(name)\n", "\(format)")
        try shell("rm -rf saved")
      }
      try removeAll()
      try expectEmptyStore()
    }
  }

  @Test func compressedArchivesAndStandardInputLoadToo() throws {
    for filter in ["gzip -c", "zstd -qc", "xz -c", "bzip2 -c", "cat"] {
      let output = try shell("\(filter) < oci.tar | \"$MINIDOCK\" load")
      #expect(output == "Loaded image: localhost/two:1\n", "\(filter)")
      try removeAll()
      try expectEmptyStore()
    }
    #expect(try load("oci").output.hasPrefix("Loaded image ID: sha256:"))
  }

  @Test func anotherManifestOfTheSameImageGivesTheOldOnesBlobsBack() throws {
    // The plain layers' digests are chain ids too, which the image keeps.
    #expect(try load("docker.tar").status == 0)
    #expect(try load("oci.tar").status == 0)
    #expect(try Files.list(fixture.root + "/blobs/sha256").count == 4)
    try removeAll()
    try expectEmptyStore()
  }

  @Test func checkNamesDamageAndRepairMendsTrees() throws {
    #expect(try load("oci.tar").status == 0)
    let clean = try fixture.minidock("image", "check")
    #expect(clean.status == 0 && clean.output == "no problems found\n", "\(clean)")
    try shell("for f in root/layers/*/diff/bin/noise; do printf z >> $f; done")
    let damaged = try fixture.minidock("image", "check")
    #expect(damaged.status == 1 && damaged.output.contains("/bin/noise"), "\(damaged)")
    #expect(try fixture.minidock("image", "check", "--repair").status == 0)
    #expect(try fixture.minidock("image", "check").status == 0)
    // Nothing can bring a blob back here: it is named, and no archive is made of it.
    try shell(
      "f=$(ls -S root/blobs/sha256/* | head -1); printf zzzz | dd of=$f bs=1 seek=9000 conv=notrunc"
    )
    let bad = try fixture.minidock("image", "check", "--repair")
    #expect(bad.status == 1 && bad.output.contains("has the digest"), "\(bad)")
    let saved = try fixture.minidock("save", "-o", fixture.file("bad.tar"), "localhost/two:1")
    #expect(saved.status == 1 && !Files.exists(fixture.file("bad.tar")), "\(saved)")
  }

  @Test func sec23_CVE_2021_20291_aTruncatedArchiveOrAChangedByteLeavesNothing() throws {
    for archive in ["oci.tar", "docker.tar"] {
      let size = try Files.size(fixture.file(archive))
      for length in stride(from: Int64(4096), to: size - 1024, by: 16 * 4096) {
        try shell("head -c \(length) \(archive) > cut.tar")
        let result = try load("cut.tar")
        #expect(result.status == 1 && result.errors.lines.count == 1, "\(length): \(result)")
      }
      try expectEmptyStore()
    }
    // Blobs of a layout, so that the change meets content and not a tar's padding.
    var refused = 0
    for blob in try Files.list(fixture.file("oci") + "/blobs/sha256") {
      try shell(
        #"""
        rm -rf evil; cp -a oci evil; f=evil/blobs/sha256/\#(blob)
        byte=$(od -An -tu1 -j 20 -N 1 $f); printf "\\$(printf %o $((byte ^ 1)))" > byte
        dd if=byte of=$f bs=1 seek=20 conv=notrunc
        """#)
      let result = try load("evil")
      // Blobs of the former steps of the image are in the layout too, and nobody reads them.
      if result.status == 0 {
        // Layers that are in the store are not read again.
        try removeAll()
        continue
      }
      refused += 1
      #expect(result.errors.contains("digest") || result.errors.contains("gzip data"), "\(result)")
    }
    try removeAll()
    try expectEmptyStore()
    // Manifest, configuration and two layers.
    #expect(refused == 4)
    // Control: the same bytes, whole.
    #expect(try load("oci.tar").status == 0)
    #expect(try load("docker.tar").status == 0)
  }

  @Test func sec24_CVE_2021_41190_confusedDocumentsAndDigestsThatArePathsAreRefused() throws {
    let before = try fixture.sentinelHash()
    let changes = [
      // One document as two kinds.
      (#"s/"schemaVersion"/"layers":[],"config":{},"schemaVersion"/"#, "same time"),
      // A digest that is a path.
      (#"s/sha256:[0-9a-f]*/sha256:..\/..\/..\/etc\/passwd/"#, "64 lower-case"),
      (#"s/sha256:/sha512:/"#, "64 lower-case"),
      (#"s/"size":[0-9]*/"size":7/"#, "bytes instead of 7"),
      (#"s/oci.image.manifest.v1/oci.image.index.v1/"#, "contradicts"),
    ]
    for (change, expected) in changes {
      try shell("rm -rf evil; cp -a oci evil; sed -i '\(change)' evil/index.json")
      let result = try load("evil")
      #expect(result.status == 1 && result.errors.contains(expected), "\(change): \(result)")
    }
    for name in ["../../../etc/passwd", "/etc/passwd", "link"] {
      try shell(
        #"""
        rm -rf evil; mkdir evil; ln -s /etc/passwd evil/link
        printf '[{"Config":"%s","RepoTags":["evil:1"],"Layers":[]}]' '\#(name)' > evil/manifest.json
        tar -C evil -cf evil.tar manifest.json link
        """#)
      let result = try load("evil.tar")
      #expect(result.status == 1 && result.errors.contains("is not in it"), "\(name): \(result)")
    }
    try expectEmptyStore()
    #expect(try fixture.sentinelHash() == before)
    // Control: the documents without the change.
    #expect(try load("oci").status == 0)
  }
}
