import Glibc
import Image
import Linux
import TestSupport
import Testing

@Suite("Inputs that are no good tar", .enabled(if: isRoot, "needs root"))
struct OddInputTests {
  static let magics: [(String, [UInt8], Int)] = [
    ("zip", Array("PK\u{3}\u{4}".utf8), 0), ("zip", Array("PK\u{5}\u{6}".utf8), 0),
    ("7z", [0x37, 0x7a, 0xbc, 0xaf, 0x27, 0x1c], 0), ("rar", Array("Rar!\u{1a}\u{7}".utf8), 0),
    ("cpio", Array("070701".utf8), 0), ("cpio", [0xc7, 0x71], 0),
    ("iso", Array("CD001".utf8), 32769),
    ("Debian", Array("!<arch>\n".utf8), 0), ("squashfs", Array("hsqs".utf8), 0),
    ("rpm", [0xed, 0xab, 0xee, 0xdb], 0), ("lz4", [4, 0x22, 0x4d, 0x18], 0),
    ("ext", [0x53, 0xef], 0x438), ("program", [0x7f, 0x45, 0x4c, 0x46], 0),
  ]

  @Test("sec39_CVE_2024_57970_otherFormatsAreRefusedByName")
  func otherFormats() async {
    await #expect(processExitsWith: .success) {
      recordingErrors {
        let fixture = try StoreFixture()
        for (name, magic, offset) in OddInputTests.magics {
          var bytes = [UInt8](repeating: 0x5a, count: 64 << 10)
          bytes.replaceSubrange(offset..<(offset + magic.count), with: magic)
          let failure = try fixture.failure(bytes)
          #expect(failure?.code == .unsupported, "\(name)")
          #expect(failure?.reason.contains(name) == true, "\(failure?.description ?? "imported")")
          #expect(failure?.remedy.contains("imports tar") == true)
          // The same inside a compression: no second parser gets to see it either.
          let path = try fixture.write(bytes, "inner")
          try shell("gzip -kf \"$1\"; zstd -qkf \"$1\"", path)
          for suffix in ["gz", "zst"] {
            let inner = try fixture.failure(try Files.read("\(path).\(suffix)") ?? [])
            #expect(inner?.reason.contains(name) == true, "\(suffix): \(String(describing: inner))")
          }
        }
        #expect(try fixture.contents().isEmpty)
      }
    }
  }

  @Test func emptyRandomAndDirectoryInputsAreRefused() async {
    await #expect(processExitsWith: .success) {
      recordingErrors {
        let fixture = try StoreFixture()
        #expect(try fixture.failure([])?.reason == "the input is empty")
        var noise: [UInt8] = []
        var state: UInt64 = 42
        for _ in 0..<100_000 {
          state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
          noise.append(UInt8(state >> 56))
        }
        noise[0] = 0x55
        #expect(try fixture.failure(noise)?.reason.contains("not a tar") == true)
        #expect(try fixture.failure(Array("hello\n".utf8))?.code == .unsupported)
        let failure = #expect(throws: Failure.self) { try fixture.importFile("/tmp") }
        #expect(failure?.reason.contains("directory") == true)
        #expect(try fixture.contents().isEmpty)
        // No entries at all is an image too: docker's "scratch".
        #expect(try fixture.importBytes(TarBuilder().finished).size == 0)
      }
    }
  }

  @Test func compressedTwiceIsRefused() async {
    await #expect(processExitsWith: .success) {
      recordingErrors {
        let fixture = try StoreFixture()
        let path = try fixture.write(TarBuilder.archive { $0.file("f") }, "plain")
        for (outer, inner) in [("gzip", "gzip"), ("zstd", "zstd"), ("xz", "xz"), ("bzip2", "gzip")]
        {
          try shell("\(inner) -c < \"$1\" | \(outer) -c > \"$1.2\"", path)
          let failure = try fixture.failure(try Files.read(path + ".2") ?? [])
          #expect(failure?.reason.contains("more than once") == true, "\(outer) \(inner)")
        }
      }
    }
  }

  /// An archive of about 100 KiB with content that compresses badly, and the four compressions of it.
  static func samples(_ fixture: StoreFixture) throws -> [(String, [UInt8])] {
    let tree = fixture.directory.file("tree")
    try shell(
      """
      mkdir "$1"; cd "$1"; head -c 60000 /dev/urandom > noise; ln -s noise link; mkdir -p a/b
      seq 3000 > a/b/numbers; ln noise a/again; setfattr -n user.k -v v a/b/numbers
      tar --format=pax --xattrs -cf ../s.tar .; cd ..
      gzip -kf s.tar; zstd -qkf s.tar; xz -kf s.tar; bzip2 -kf s.tar
      """, tree)
    return try ["tar", "tar.gz", "tar.zst", "tar.xz", "tar.bz2"].map {
      ($0, try Files.read(fixture.directory.file("s." + $0)) ?? [])
    }
  }

  @Test("sec23_CVE_2021_20291_everyTruncationIsAnErrorWithoutResidue")
  func truncations() async {
    await #expect(processExitsWith: .success) {
      recordingErrors {
        let fixture = try StoreFixture()
        for (name, bytes) in try OddInputTests.samples(fixture) {
          // Of the zeros at its end a plain tar may lose all but one block.
          let content = (bytes.lastIndex { $0 != 0 } ?? 0) / 512 * 512 + 512
          var cuts = Array(stride(from: 4096, to: bytes.count, by: 4096))
          cuts += [1, 100, 511, 512, 513, 1024, bytes.count - 1, bytes.count - 9, content]
          for cut in cuts where cut < bytes.count {
            let isWhole = name == "tar" && cut >= content + 512
            let failure = try fixture.failure(Array(bytes[..<cut]))
            if !isWhole {
              #expect(failure != nil, "\(name) cut at \(cut) of \(bytes.count)")
              #expect(try fixture.contents().isEmpty, "\(name) cut at \(cut)")
            } else {
              _ = try fixture.store.remove("test", force: true) { _ in [] }
            }
          }
          #expect(try fixture.failure(bytes) == nil, "\(name) itself")
          _ = try fixture.store.remove("test", force: true) { _ in [] }
        }
      }
    }
  }

  @Test("sec23_flippedBitsNeverChangeACompressedLayerUnnoticed")
  func flips() async {
    await #expect(processExitsWith: .success) {
      recordingErrors {
        let fixture = try StoreFixture()
        var state: UInt64 = 7
        for (name, bytes) in try OddInputTests.samples(fixture) {
          let whole = try fixture.importBytes(bytes)
          let diffID = whole.layers[0].diffID
          let tree = try snapshot(whole.layers[0].path)
          _ = try fixture.store.remove("test", force: true) { _ in [] }
          for _ in 0..<60 {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            var damaged = bytes
            let bit = Int(state >> 33) % (bytes.count * 8)
            damaged[bit / 8] ^= 1 << UInt8(bit % 8)
            guard let record = try? fixture.importBytes(damaged) else {
              #expect(try fixture.contents().isEmpty, "\(name) bit \(bit)")
              continue
            }
            // A plain tar has no sum over its content, so only its digest tells.
            if name != "tar" {
              #expect(record.layers[0].diffID == diffID, "\(name) bit \(bit)")
              #expect(try snapshot(record.layers[0].path) == tree, "\(name) bit \(bit)")
            } else {
              #expect(record.layers[0].diffID != diffID, "bit \(bit)")
            }
            _ = try fixture.store.remove("test", force: true) { _ in [] }
          }
        }
      }
    }
  }

  @Test func dataAfterTheEndIsRefused() async {
    await #expect(processExitsWith: .success) {
      recordingErrors {
        let fixture = try StoreFixture()
        let tar = TarBuilder.archive { $0.file("f") }
        #expect(try fixture.failure(tar + tar)?.reason.contains("follows") == true)
        #expect(try fixture.failure(tar + [1])?.reason.contains("follows") == true)
        let path = try fixture.write(tar, "plain")
        try shell("gzip -c \"$1\" > \"$1.gz\"; printf x >> \"$1.gz\"", path)
        #expect(try fixture.failure(try Files.read(path + ".gz") ?? []) != nil)
        #expect(try fixture.contents().isEmpty)
        // What tools do write: several members, and zeros that fill up a block.
        try shell(
          """
          head -c 700 "$1" | gzip > "$1.gz"; tail -c +701 "$1" | gzip >> "$1.gz"
          head -c 3000 /dev/zero >> "$1.gz"
          """, path)
        #expect(try fixture.failure(try Files.read(path + ".gz") ?? []) == nil)
      }
    }
  }
}
