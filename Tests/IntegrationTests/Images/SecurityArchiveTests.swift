import Glibc
import Linux
import TestSupport
import Testing

/// Rows 22 to 25 of the security matrix where an archive is the attacker; those of registries are in
/// SecurityRegistryTests.
@Suite(.enabled(if: ImageDoors.isAvailable, ImageDoors.requirement))
struct SecurityArchiveTests {
  let doors: ImageDoors
  var fixture: MinidockFixture { doors.fixture }

  init() throws { doors = try ImageDoors("archives") }

  private func load(_ bytes: [UInt8]) throws -> CommandResult {
    try Files.replace(fixture.file("in.tar"), with: bytes)
    return try fixture.minidock("load", "-q", "-i", fixture.file("in.tar"))
  }

  static let small = TarBuilder.archive { $0.file("f", String(repeating: "content ", count: 600)) }

  // MARK: - Row 22

  @Test(arguments: [ImageDoors.Door.layout, .docker, .registry])
  func sec22_CVE_2017_14992_aLayerThatIsABombIsRefused(_ door: ImageDoors.Door) throws {
    let tools = try SecurityTools.shared()
    var header = TarBuilder.Header("zeros")
    header.size = 160 << 20
    try Files.replace(fixture.file("start"), with: TarBuilder.block(header))
    for (command, kind) in [("gzip", "+gzip"), ("zstd -q", "+zstd")] {
      let made = try fixture.shell(
        """
        { cat "$DIRECTORY/start"; head -c 160M /dev/zero; head -c 1024 /dev/zero; } |
          \(command) -c > "$DIRECTORY/bomb"
        """)
      try #require(made.status == 0, "\(made.errors)")
      let blob = try Files.read(fixture.file("bomb"), limit: 1 << 30) ?? []
      // The diff id would only be wrong after all of it was unpacked.
      let image = HostileImage([.init(blob, of: Self.small, kind)])
      let result = try doors.bring(image, by: door, measuring: tools.tool)
      let peak = result.output.split(separator: " ").last.flatMap { Int($0.dropLast()) }
      #expect((peak ?? .max) < 256 << 10, "\(result)")
      try doors.expectRefusal(result, "a decompression bomb", command)
    }
    // Control: as many zeros that take room in the blob as well are an image like others.
    let plain = try fixture.shell(
      """
      cd "$DIRECTORY"; { cat start; head -c 160M /dev/zero; head -c 1024 /dev/zero; } > plain.tar
      "$MINIDOCK" import plain.tar plain > /dev/null && "$MINIDOCK" rmi plain > /dev/null
      """)
    #expect(plain.status == 0, "\(plain.errors)")
  }

  @Test func sec22_CVE_2017_14992_anArchiveThatIsABombIsRefused() throws {
    for command in ["gzip", "zstd -q", "xz -0", "bzip2 -1"] {
      try Files.replace(fixture.file("good.tar"), with: HostileImage(tar: Self.small).archive)
      let result = try fixture.shell(
        """
        cd "$DIRECTORY"; { head -c -1024 good.tar; head -c 160M /dev/zero; } | \(command) -c > bomb
        "$MINIDOCK" load -q -i bomb
        """)
      try doors.expectRefusal(result, "a decompression bomb", command)
    }
    // Control: with few zeros behind it, it is the same archive.
    let good = try fixture.shell(
      """
      cd "$DIRECTORY"; { cat good.tar; head -c 1M /dev/zero; } | gzip -c | "$MINIDOCK" load -q
      """)
    try doors.expectTaken(good, "control")
  }

  @Test func sec22_documentsHaveFourMebibytesAtTheMost() throws {
    let image = HostileImage(tar: Self.small)
    let spaces = [UInt8](repeating: 0x20, count: 4 << 20)
    for name in ["index.json", "manifest", "config", "oci-layout"] {
      var large = image
      if name == "config" { large.config += spaces }
      if name == "manifest" { large.manifest += spaces }
      if name == "config" {
        large.manifest = Array(
          String(decoding: image.manifest, as: UTF8.self)
            .replacing(image.id, with: large.id)
            .replacing("\"size\": \(image.config.count)}", with: "\"size\": \(large.config.count)}")
            .utf8)
      }
      let archive = TarBuilder.archive { tar in
        for (path, bytes) in large.layout { tar.file(path, bytes + (path == name ? spaces : [])) }
      }
      try doors.expectRefusal(try load(archive), "larger than 4194304 bytes", name)
      if name == "manifest" || name == "config" {
        try doors.expectRefusal(try doors.bring(large, by: .registry), "larger than", name)
      }
    }
    // Control: a little less is read.
    let almost = TarBuilder.archive { tar in
      for (path, bytes) in image.layout {
        tar.file(path, bytes + (path == "index.json" ? spaces.dropLast(1000) : []))
      }
    }
    try doors.expectTaken(try load(almost), "control")
  }

  @Test func sec22_anArchiveOfTooManyEntriesIsRefused() throws {
    let tools = try SecurityTools.shared()
    // Python's header of a block each: nothing else would make them as fast.
    let script = #"""
      import sys
      out = sys.stdout.buffer
      for number in range(int(sys.argv[1])):
          name = b"entry%07d" % number
          head = name + bytes(88) + b"0000644\0" + b"0000000\0" * 2 + b"00000000000\0" * 2 + b" " * 8 + b"0" + bytes(355)
          out.write(head[:148] + b"%06o\0 " % sum(head) + head[156:])
      out.write(bytes(1024))
      """#
    try fixture.write("make.py", script)
    for (count, told) in [("100001", "too many entries"), ("1000", "no index.json")] {
      let result = try fixture.shell(
        #"""
        python3 "$DIRECTORY/make.py" "$1" > "$DIRECTORY/many.tar"
        "$2" measure "$MINIDOCK" load -q -i "$DIRECTORY/many.tar"
        """#, count, tools.tool)
      let peak = result.output.split(separator: " ").last.flatMap { Int($0.dropLast()) }
      #expect((peak ?? .max) < 256 << 10, "\(result)")
      try doors.expectRefusal(result, told, count)
    }
  }

  @Test func sec22_aStreamWithoutEndEndsWhenTheDiskIsAlmostFull() throws {
    try Files.replace(fixture.file("good.tar"), with: HostileImage(tar: Self.small).archive)
    for (name, feeder) in [
      ("zeros behind an archive", "cat good.tar /dev/zero"),
      ("the same entry again and again", "while head -c -1024 good.tar; do :; done"),
      ("noise in gzip", "{ head -c -1024 good.tar; cat /dev/urandom; } | gzip -1c"),
    ] {
      let result = try fixture.shell(
        #"""
        mkdir -p "$DIRECTORY/disk"; mount -t tmpfs -o size=200m,mode=0700 none "$DIRECTORY/disk"
        export MINIDOCK_ROOT="$DIRECTORY/disk/root"; cd "$DIRECTORY"
        { \#(feeder); } 2> /dev/null | "$MINIDOCK" load -q > out 2> err; echo ${PIPESTATUS[1]} > status
        find "$MINIDOCK_ROOT" -type f ! -name lock; du -sm disk | cut -f1
        umount "$DIRECTORY/disk"; cat err >&2; exit "$(cat status)"
        """#)
      #expect(result.status == 1 && result.errors.lines.count == 1, "\(name): \(result)")
      #expect(result.output == "0\n", "\(name): \(result.output)")
    }
  }

  // MARK: - Row 23

  @Test func sec23_CVE_2021_20291_anArchiveCutAtEvery4KiBIsAnErrorAndLeavesNothing() throws {
    let noise = (0..<40_000).map { _ in UInt8.random(in: 0...255) }
    let tar = TarBuilder.archive { $0.file("noise", noise) }
    let packed = try doors.compressed(tar, "gzip -1")
    let image = HostileImage([.init(tar), .init(packed, of: tar, "+gzip")])
    let whole = [
      ("layout", image.archive), ("docker's archive", image.dockerArchive),
      ("gzip", try doors.compressed(image.archive, "gzip -1")),
      ("zstd", try doors.compressed(image.archive, "zstd -q")),
    ]
    for (name, bytes) in whole {
      for place in stride(from: 0, to: bytes.count - 1024, by: 4096) {
        try Files.replace(fixture.file("in.tar"), with: Array(bytes[..<place]))
        let result =
          place % 8192 == 0
          ? try fixture.minidock("load", "-q", "-i", fixture.file("in.tar"))
          : try fixture.shell(#""$MINIDOCK" load -q < "$DIRECTORY/in.tar""#)
        try doors.expectRefusal(result, "", "\(name) cut at \(place)")
      }
      // Control: the same bytes whole.
      try doors.expectTaken(try load(bytes), name)
    }
  }

  /// `MINIDOCK_TEST_ROUNDS` is the number of changed bytes, 150 unless set.
  @Test func sec23_CVE_2021_20291_aChangedBitIsFoundOrChangesNothing() throws {
    let packed = try doors.compressed(Self.small, "gzip -1")
    let image = HostileImage([.init(Self.small), .init(packed, of: Self.small, "+gzip")])
    let rounds = getenv("MINIDOCK_TEST_ROUNDS").flatMap { Int(String(cString: $0)) } ?? 150
    var refused = 0
    for (name, bytes) in [("layout", image.archive), ("docker's", image.dockerArchive)] {
      for place in stride(from: 0, to: bytes.count, by: max(1, bytes.count * 2 / rounds)) {
        var changed = bytes
        changed[place] ^= UInt8(1 << (place % 8))
        let result = try load(changed)
        let what = "\(name) at \(place)"
        if result.status == 0 {
          // The change met padding, a time, an owner or a name of the outer archive.
          #expect(
            try Files.list(fixture.root + "/images") == [String(image.id.dropFirst(7))], "\(what)")
          try doors.expectTaken(result, what)
        } else {
          refused += 1
          try doors.expectRefusal(result, "", what)
        }
      }
      try doors.expectTaken(try load(bytes), name)
    }
    #expect(refused > rounds / 4)
  }

  // MARK: - Row 24

  @Test(arguments: ImageDoors.Door.described)
  func sec24_CVE_2024_3727_aLayerOfAnotherDigestSizeOrDiffIDIsRefused(
    _ door: ImageDoors.Door
  ) throws {
    let other = TarBuilder.archive { $0.file("other") }
    let packed = try doors.compressed(Self.small, "gzip -1")
    let zeros = "sha256:" + String(repeating: "0", count: 64)
    for kind in ["", "+gzip"] {
      let good = HostileImage.Layer(kind == "" ? Self.small : packed, of: Self.small, kind)
      var layers: [(String, HostileImage.Layer, String)] = []
      func lie(_ name: String, _ told: String, _ change: (inout HostileImage.Layer) -> Void) {
        var layer = good
        change(&layer)
        layers.append((name, layer, told))
      }
      lie("diff id", kind == "" ? "" : "its diff id is") { $0.diffID = zeros }
      lie("diff id of another layer", "") { $0.diffID = sha256(other) }
      lie("shorter", "") { $0.size -= 1 }
      lie("longer", "") { $0.size += 1 }
      lie("negative", "") { $0.size = -1 }
      lie("huge", "") { $0.size = 1 << 60 }
      lie("missing", "") { $0.digest = zeros }
      for (name, layer, told) in layers {
        try doors.expectRefusal(
          try doors.bring(HostileImage([layer]), by: door), told, "\(name) \(kind)")
      }
      try doors.expectTaken(try doors.bring(HostileImage([good]), by: door), "control \(kind)")
    }
    // Another blob under the name of the one that is asked for.
    var swapped = HostileImage(tar: Self.small)
    swapped.layers[0].blob = other
    if door == .directory {
      try swapped.write(layout: fixture.file("in"))
      let path = fixture.file("in/blobs/sha256/") + swapped.layers[0].digest.dropFirst(7)
      try Files.replace(
        path, with: other + [UInt8](repeating: 0, count: Self.small.count - other.count))
      try doors.expectRefusal(
        try fixture.minidock("load", "-i", fixture.file("in")), "its digest is", "swapped")
    }
  }

  @Test(arguments: ImageDoors.Door.described)
  func sec24_CVE_2021_41190_aLayerIsWhatItsMediaTypeSays(_ door: ImageDoors.Door) throws {
    let blobs = [
      "": Self.small, "+gzip": try doors.compressed(Self.small, "gzip -1"),
      "+zstd": try doors.compressed(Self.small, "zstd -q"),
    ]
    for (actual, blob) in blobs.sorted(by: { $0.key < $1.key }) {
      for said in blobs.keys.sorted() {
        let layer = HostileImage.Layer(blob, of: Self.small, said)
        let result = try doors.bring(HostileImage([layer]), by: door)
        if actual == said {
          try doors.expectTaken(result, "tar\(said)")
        } else {
          try doors.expectRefusal(result, "its content is not", "\(actual) as \(said)")
        }
      }
    }
    for type in ["application/vnd.oci.image.manifest.v1+json", "text/html", ""] {
      var layer = HostileImage.Layer(Self.small)
      layer.mediaType = type
      try doors.expectRefusal(
        try doors.bring(HostileImage([layer]), by: door), "", "layer of type \(type)")
    }
  }

  @Test(arguments: ImageDoors.Door.described)
  func sec24_CVE_2021_41190_aManifestOfTwoKindsOrNoneIsRefused(_ door: ImageDoors.Door) throws {
    let layer = HostileImage.Layer(Self.small)
    let changes: [(String, String, String)] = [
      ("\"schemaVersion\": 2", "\"schemaVersion\": 2, \"manifests\": []", "at the same time"),
      ("\"schemaVersion\": 2", "\"schemaVersion\": 1", "schema version 1"),
      ("\"schemaVersion\": 2", "\"schemaVersion\": 3", "schema version 3"),
      ("\"schemaVersion\": 2", "\"schemaVersion\": 2, \"fsLayers\": []", "schema version 1"),
      (
        "\"mediaType\": \"application/vnd.oci.image.manifest.v1+json\"",
        "\"mediaType\": \"application/vnd.oci.image.index.v1+json\"", "contradicts"
      ),
      ("application/vnd.oci.image.config.v1+json", "application/vnd.cncf.helm.config.v1+json", ""),
      ("\"layers\": [", "\"layers\": [{\"digest\": 1}, ", ""),
      ("\"layers\": [", "\"layers\": {\"a\": [", ""),
      (layer.digest, "sha256:../../../../etc/passwd", "64 lower-case"),
      (layer.digest, layer.digest.uppercased(), "64 lower-case"),
    ]
    for (word, other, told) in changes {
      let image = HostileImage([layer], changes: [(word, other)])
      try doors.expectRefusal(try doors.bring(image, by: door), told, other)
    }
    try doors.expectTaken(try doors.bring(HostileImage([layer]), by: door), "control")
  }

  @Test func sec24_CVE_2021_41190_indexesWithinIndexesEnd() throws {
    var image = HostileImage(tar: Self.small)
    var documents: [[UInt8]] = []
    // The control's depth first: an index in an index is what some tools write.
    for depth in 1...6 {
      let index = """
        {"schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json", "manifests": [\
        {"mediaType": "\(image.manifestType)", "digest": "\(image.digest)", \
        "size": \(image.manifest.count)}]}
        """
      documents.append(image.manifest)
      image.manifest = Array(index.utf8)
      image.manifestType = "application/vnd.oci.image.index.v1+json"
      let archive = TarBuilder.archive { tar in
        for (path, bytes) in image.layout { tar.file(path, bytes) }
        for bytes in documents { tar.file("blobs/sha256/\(sha256(bytes).dropFirst(7))", bytes) }
      }
      let result = try load(archive)
      if depth <= 3 {
        try doors.expectTaken(result, "\(depth)")
      } else if depth >= 5 {
        try doors.expectRefusal(result, "nested too deep", "\(depth)")
      } else {
        try doors.clear()
      }
    }
  }

  // MARK: - Row 25

  @Test func sec25_CVE_2020_15157_anArchivesUrlsAreNotAsked() throws {
    let layer = HostileImage.Layer(Self.small)
    let link = "\"urls\": [\"http://\(doors.server.host)/steal\"], \"digest\": \"\(layer.digest)\""
    let image = HostileImage([layer], changes: [("\"digest\": \"\(layer.digest)\"", link)])
    let blob = "blobs/sha256/\(layer.digest.dropFirst(7))"
    let archive = TarBuilder.archive { tar in
      for (path, bytes) in image.layout where path != blob { tar.file(path, bytes) }
    }
    try doors.expectRefusal(try load(archive), "is not in the archive", "urls")
    #expect(doors.server.requests() == [])
    // Control: with the layer it is an image, and the server would have answered.
    try doors.expectTaken(try load(image.archive), "control")
    _ = try run([
      "python3", "-c", "import urllib.request as u; u.urlopen('http://\(doors.server.host)/steal')",
    ])
    #expect(doors.server.requests().count == 1)
  }
}
