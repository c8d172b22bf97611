import Linux
import TestSupport
import Testing

@testable import Image

/// Everything that reads what strangers wrote, over mutations of a corpus: whatever the bytes, it ends with
/// a value or a ``Failure``. A trap of Swift or a fault in libarchive fails the test. See ``Fuzzing`` for
/// how to run it for longer.
@Suite("Fuzzing")
struct FuzzTests {
  @Test func references() async {
    await #expect(processExitsWith: .success) {
      recordingErrors {
        let words = ["@sha256:", ":", "/", "localhost/", "[::1]:5000/", "..", "__", "é", "\u{0}"]
        var fuzzing = try Fuzzing(
          "reference",
          corpus: try corpus("reference").flatMap { $0.split(separator: 10).map(Array.init) },
          words: words, rounds: 20_000)
        fuzzing.run { bytes in
          guard let name = try? Reference(String(decoding: bytes, as: UTF8.self)) else { return }
          // What is accepted means the same when it is written out.
          let again = try? Reference(name.canonical)
          precondition(again == name, "\(name)")
          precondition(!name.canonical.contains("/../") && !name.canonical.hasPrefix("/"))
        }
      }
    }
  }

  private static let words = [
    "{", "}", "[", "]", "null", "true", "\"\"", "\"layers\":", "\"manifests\":", "\"config\":", ",",
    "\"mediaType\":\"application/vnd.oci.image.index.v1+json\",", "\"size\":-1", "\\u0000",
    "\\ud800",
    "\"digest\":\"sha256:", "[[[[[[[[[[[[[[[[", "{\"a\":{\"a\":{\"a\":", "1e400", "-0",
    "\"platform\":",
  ]

  @Test func manifests() async {
    await #expect(processExitsWith: .success) {
      recordingErrors {
        let config = try #require(try corpus("config").first)
        var fuzzing = try Fuzzing(
          "manifest", corpus: try corpus("manifest"), words: FuzzTests.words, rounds: 4000)
        fuzzing.run { bytes in
          _ = try? DocumentKind(of: bytes, announced: OCIDocuments.manifestType)
          _ = try? ImageDocuments(manifest: bytes, expecting: nil, config: config)
        }
      }
    }
  }

  @Test func configurations() async {
    await #expect(processExitsWith: .success) {
      recordingErrors {
        let manifest = String(decoding: try #require(try corpus("manifest").first), as: UTF8.self)
        let whole = try #require(try corpus("config").first)
        var fuzzing = try Fuzzing(
          "config", corpus: try corpus("config"), words: FuzzTests.words, rounds: 3000)
        fuzzing.run { bytes in
          // A manifest to which it belongs, so that what comes after the digest is reached.
          let fitting = manifest.replacing("\(Digest(of: whole))", with: "\(Digest(of: bytes))")
            .replacing("\"size\": \(whole.count)", with: "\"size\": \(bytes.count)")
          _ = try? ImageDocuments(manifest: Array(fitting.utf8), expecting: nil, config: bytes)
          let document = try? OCIDocuments.decode(OCIDocuments.Config.self, bytes, "config")
          _ = document?.config?.imageConfig
          _ = document?.created.flatMap { Timestamp($0) }
          _ = try? DockerArchive.manifest(bytes)
          _ = try? OCIDocuments.decode(DockerArchive.Ancestor.self, bytes, "json")
        }
      }
    }
  }

  @Test func indexes() async {
    await #expect(processExitsWith: .success) {
      recordingErrors {
        var fuzzing = try Fuzzing(
          "index", corpus: try corpus("index"), words: FuzzTests.words, rounds: 4000)
        fuzzing.run { bytes in
          guard let index = try? ImageIndex(bytes) else { return }
          _ = index.select(.host)
          _ = index.platforms
        }
      }
    }
  }

  /// The headers of an archive around images.
  @Test func archives() async {
    await #expect(processExitsWith: .success) {
      recordingErrors {
        var fuzzing = try Fuzzing(
          "archive", corpus: FuzzTests.tars, words: FuzzTests.tarWords, rounds: 10_000)
        fuzzing.run { bytes in
          let input = FuzzTests.checksummed(bytes)
          let index = try? TarIndex(length: Int64(input.count)) { (space, offset) throws(Failure) in
            let count = max(0, min(space.count, input.count - Int(offset)))
            space.copyBytes(from: input[Int(offset)..<(Int(offset) + count)])
            return count
          }
          guard let index else { return }
          for path in ["f", "index.json", "a/b", "link"] {
            guard let (offset, size) = index.file(path) else { continue }
            precondition(offset >= 0 && size >= 0 && offset + size <= Int64(input.count))
          }
        }
      }
    }
  }

  /// The entries of a layer, through libarchive as the confined child reads them.
  @Test func layers() async {
    await #expect(processExitsWith: .success) {
      recordingErrors {
        Locale.useUTF8()
        var fuzzing = try Fuzzing(
          "layer", corpus: FuzzTests.tars, words: FuzzTests.tarWords, rounds: 5000)
        fuzzing.run { bytes in
          do throws(Failure) {
            let source = CheckedStream(
              MemoryStream(FuzzTests.checksummed(bytes)), limits: ImportLimits(),
              isCompressed: false)
            let tar = try TarReader(source)
            while try tar.next() {
              if let path = tar.path { _ = try Whiteout(path) }
              _ = tar.hardLink
              _ = tar.symbolicLink
              _ = try tar.metadata(ImportLimits())
              _ = try tar.accessLists()
              var end: Int64 = 0
              try tar.readContent { (content, offset) throws(Failure) in
                end = offset &+ Int64(content.count)
              }
              _ = end
            }
          } catch {}
        }
      }
    }
  }

  /// Compressed layers: whatever comes out, it ends.
  @Test func compressions() async {
    await #expect(processExitsWith: .success) {
      recordingErrors {
        let directory = try TemporaryDirectory("fuzz")
        let tar = try directory.write("a.tar", "")
        try Files.replace(tar, with: FuzzTests.tars[0])
        try shell("gzip -k \"$1\"; zstd -qk \"$1\"", tar)
        for (suffix, kind) in [("gz", ArchiveKind.gzip), ("zst", .zstd)] {
          let whole = try Files.read("\(tar).\(suffix)") ?? []
          // ISA-L's decoder is another program than zlib's.
          let decoders = kind == .gzip ? [nil, IgzipLibrary()] : [nil]
          var fuzzing = try Fuzzing(suffix, corpus: [whole], rounds: 1500)
          fuzzing.run { bytes in
            for igzip in decoders {
              do throws(Failure) {
                let stream = CheckedStream(
                  try UnpackChild.decoder(kind, MemoryStream(bytes), igzip),
                  limits: ImportLimits(), isCompressed: true)
                while !(try stream.next().isEmpty) {}
              } catch {}
            }
          }
        }
      }
    }
  }

  /// What the store itself wrote, and what a confined child answers.
  @Test func records() async {
    await #expect(processExitsWith: .success) {
      recordingErrors {
        let outcome = UnpackChild.message(
          .success(UnpackChild.Outcome(diffID: Digest(of: [1]), size: 5)))
        let failure = UnpackChild.message(
          .failure(Failure(.corrupt, "unpack", "layer", reason: "why")))
        let id = Digest(of: [2])
        let summary = Array(
          """
          manifest=\(id.hex)
          name=docker.io/library/busybox:latest
          created=1700000000
          size=5
          layer=\(id.hex) \(id.hex) \(id.hex) 5
          blob=\(id.hex)
          chain=\(id.hex)
          holds=yes

          """.utf8)
        var fuzzing = try Fuzzing(
          "record", corpus: [outcome, failure, summary], words: ["=", "\n", "\\", "\u{0}"],
          rounds: 10_000)
        fuzzing.run { bytes in
          _ = try? UnpackChild.result(bytes)
          _ = ImageSummary.record(id, bytes, layersPath: "/layers")
          _ = Ingest.Plan(FieldText(parsing: bytes))
        }
      }
    }
  }

  // MARK: - Tars

  private static let tarWords = [
    "ustar\u{0}00", "ustar  \u{0}", "00000000000", "77777777777", "30 path=../../x\n",
    "SCHILY.xattr.",
    "GNU.sparse.major=1\n", "GNU.sparse.map=0,1,2\n", "size=99999999999999999999\n", "mtime=-1.5\n",
    "LIBARCHIVE.xattr.", "SCHILY.acl.access=user::rwx\n", "././@LongLink", "\u{80}\u{0}\u{0}",
    ".wh.",
  ]

  /// Archives with everything that a tar can have.
  private static let tars: [[UInt8]] = {
    let plain = TarBuilder.archive { tar in
      tar.directory("a")
      tar.file("a/b", "content")
      tar.file("index.json", "{}")
      tar.link("link", "a/b")
      tar.hardLink("f", "a/b")
      tar.device("null", "3", 1, 3)
    }
    let extended = TarBuilder.archive { tar in
      tar.pax([
        ("path", Array("a/long".utf8)), ("mtime", Array("1.5".utf8)), ("size", Array("7".utf8)),
        ("SCHILY.xattr.user.k", [1, 0, 2]), ("LIBARCHIVE.xattr.user.l", Array("dg==".utf8)),
        ("SCHILY.acl.access", Array("user::rwx,user:0:r-x,group::r--,mask::rwx,other::---".utf8)),
      ])
      tar.file("short")
      tar.gnuLong("f", type: "L")
      tar.gnuLong("a/target", type: "K")
      tar.hardLink("short", "short")
    }
    let sparse = TarBuilder.archive { tar in
      tar.pax([
        ("GNU.sparse.major", Array("1".utf8)), ("GNU.sparse.minor", Array("0".utf8)),
        ("GNU.sparse.name", Array("sparse".utf8)), ("GNU.sparse.realsize", Array("4096".utf8)),
      ])
      var header = TarBuilder.Header("x")
      header.size = 519
      tar.add(header, Array("1\n0\n7\n".utf8) + [UInt8](repeating: 0, count: 506) + [1, 2, 3])
      tar.pax([("GNU.sparse.map", Array("0,1,8,2".utf8)), ("GNU.sparse.size", Array("64".utf8))])
      tar.file("f", "abc")
    }
    return [plain, extended, sparse]
      + HostileArchive.corpus(sentinel: "/s", up: "../..").prefix(6).map(\.bytes)
  }()

  /// Makes the checksums of headers right, most of the time: without that hardly a mutation is looked at.
  private static func checksummed(_ bytes: [UInt8]) -> [UInt8] {
    guard bytes.count >= 512, bytes[bytes.count / 2] % 8 != 7 else { return bytes }
    var bytes = bytes
    for start in stride(from: 0, through: bytes.count - 512, by: 512) {
      // Content has no magic.
      guard bytes[start + 257] == UInt8(ascii: "u"), bytes[start + 258] == UInt8(ascii: "s") else {
        continue
      }
      for index in 148..<156 { bytes[start + index] = 0x20 }
      var sum = 0
      for index in start..<(start + 512) { sum += Int(bytes[index]) }
      for (index, shift) in stride(from: 15, through: 0, by: -3).enumerated() {
        bytes[start + 148 + index] = UInt8(0x30 + (sum >> shift) & 7)
      }
      bytes[start + 154] = 0
    }
    return bytes
  }
}

/// Bytes in memory, in pieces of a size that divides nothing.
private final class MemoryStream: ByteStream {
  private let bytes: [UInt8]
  private let space: UnsafeMutableRawBufferPointer
  private var place = 0

  init(_ bytes: [UInt8]) {
    self.bytes = bytes
    space = UnsafeMutableRawBufferPointer.allocate(byteCount: max(1, bytes.count), alignment: 16)
    space.copyBytes(from: bytes)
  }

  deinit { space.deallocate() }

  override var stored: Int64 { Int64(place) }

  override func next() throws(Failure) -> UnsafeRawBufferPointer {
    let count = min(1331, bytes.count - place)
    defer { place += count }
    return UnsafeRawBufferPointer(rebasing: space[place..<(place + count)])
  }
}
