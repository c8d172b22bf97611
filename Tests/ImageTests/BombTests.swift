import Glibc
import Image
import Linux
import TestSupport
import Testing

@Suite("Bombs", .enabled(if: isRoot, "needs root"))
struct BombTests {
  /// Peak memory of all children that have ended, in MiB.
  static func peakOfChildren() -> Int {
    var usage = rusage()
    getrusage(-1 /* RUSAGE_CHILDREN */, &usage)
    return usage.ru_maxrss >> 10
  }

  @Test("sec22_CVE_2017_14992_decompressionBombsAreRefused")
  func decompression() async {
    await #expect(processExitsWith: .success) {
      recordingErrors {
        let fixture = try StoreFixture()
        var header = TarBuilder.Header("zeros")
        header.size = 160 << 20
        let start = try fixture.write(TarBuilder.block(header), "start")
        for (tool, suffix) in [
          ("gzip", "gz"), ("zstd -q", "zst"), ("xz -0", "xz"), ("bzip2 -1", "bz2"),
        ] {
          try shell(
            "{ cat \"$1\"; head -c 160M /dev/zero; head -c 1024 /dev/zero; } | \(tool) > \"$1.\(suffix)\"",
            start)
          let failure = #expect(throws: Failure.self) {
            try fixture.importFile("\(start).\(suffix)")
          }
          #expect(
            failure?.reason.contains("bomb") == true,
            "\(suffix): \(failure?.description ?? "imported")")
          #expect(try fixture.contents().isEmpty)
        }
        #expect(BombTests.peakOfChildren() < 256)
        // Negative control: without the limit the same archive is imported whole.
        var limits = ImportLimits()
        limits.ratioFloor = 1 << 40
        let open = try StoreFixture(limits: limits)
        #expect(try open.importFile("\(start).gz").size == 160 << 20)
      }
    }
  }

  @Test("sec22_entriesBytesPathsAndSparseSizesHaveLimits")
  func counts() async {
    await #expect(processExitsWith: .success) {
      recordingErrors {
        var limits = ImportLimits()
        limits.entries = 50
        limits.bytes = 1 << 20
        limits.apparentBytes = 1 << 30
        let fixture = try StoreFixture(limits: limits)
        let many = TarBuilder.archive { tar in for index in 0..<51 { tar.file("f\(index)") } }
        #expect(try fixture.failure(many)?.reason.contains("50 entries") == true)
        let large = TarBuilder.archive { tar in
          tar.file("large", String(repeating: "x", count: 2 << 20))
        }
        #expect(try fixture.failure(large)?.code == .refused)
        // An eighth of an exbibyte of holes.
        let sparse = TarBuilder.archive { tar in
          tar.pax([
            ("GNU.sparse.major", Array("1".utf8)), ("GNU.sparse.minor", Array("0".utf8)),
            ("GNU.sparse.name", Array("sparse".utf8)),
            ("GNU.sparse.realsize", Array("144115188075855872".utf8)),
          ])
          var header = TarBuilder.Header("GNUSparseFile.0/sparse")
          header.size = 512
          tar.add(header, Array("1\n144115188075855872\n0\n".utf8))
        }
        #expect(try fixture.failure(sparse)?.reason.contains("out of range") == true)
        let attributes = TarBuilder.archive { tar in
          for index in 0..<3 {
            tar.pax([("SCHILY.xattr.user.k", [UInt8](repeating: 65, count: 900_000))])
            tar.file("f\(index)")
          }
        }
        #expect(try fixture.failure(attributes) != nil)
        #expect(try fixture.contents().isEmpty)
      }
    }
  }

  @Test("sec22_anEndlessStreamEndsWithAnError")
  func endless() async {
    await #expect(processExitsWith: .success) {
      recordingErrors {
        var limits = ImportLimits()
        limits.bytes = 64 << 20
        limits.padding = 8 << 20
        let fixture = try StoreFixture(limits: limits)
        let entry = try fixture.write(
          TarBuilder.archive { $0.file("f") }.dropLast(1024) + [], "entry")
        for script in [
          "while cat \"$1\" \"$1\" \"$1\" \"$1\"; do :; done", "cat \"$1\"; cat /dev/zero",
          "yes \"$(head -c 300 \"$1\" | tr -d '\\0')\"",
        ] {
          guard let feeder = popen(script.replacing("\"$1\"", with: entry), "r") else {
            throw Failure(.invalid, "run", script, reason: "no feeder")
          }
          let failure = #expect(throws: Failure.self, "\(script)") {
            try fixture.store.importRootfs(
              from: fileno(feeder), name: nil, config: ImageConfig(), comment: "", created: .now,
              progress: nil)
          }
          // Closing the pipe ends the feeder by SIGPIPE.
          pclose(feeder)
          #expect(
            failure?.code == .refused || failure?.code == .unsupported,
            "\(failure?.description ?? "imported")")
          #expect(try fixture.contents().isEmpty, "\(script)")
        }
      }
    }
  }

  @Test func aFullDiskIsAClearErrorAndLeavesNothing() async {
    await #expect(processExitsWith: .success) {
      recordingErrors {
        let fixture = try StoreFixture()
        let mount = fixture.directory.file("disk")
        try shell("mkdir \"$1\"; mount -t tmpfs -o size=24m,mode=700 none \"$1\"", mount)
        defer { umount2(mount, Int32(MNT_DETACH)) }
        var header = TarBuilder.Header("noise")
        header.size = 20 << 20
        let start = try fixture.write(TarBuilder.block(header), "start")
        try shell(
          "{ cat \"$1\"; head -c 20M /dev/urandom; head -c 1024 /dev/zero; } > \"$1.tar\"; gzip -1kf \"$1.tar\"",
          start)
        let store = try ImageStore(root: mount + "/store")
        for suffix in ["tar", "tar.gz"] {
          let file = try Descriptor.open("\(start).\(suffix)", .read)
          let failure = #expect(throws: Failure.self) {
            try store.importRootfs(
              from: file.raw, name: try Reference("x"), config: ImageConfig(), comment: "",
              created: .now, progress: nil)
          }
          #expect(
            failure?.errno == ENOSPC || failure?.reason.contains("must stay free") == true,
            "\(failure?.description ?? "imported")")
          #expect(failure?.object.isEmpty == false)
          #expect(try store.list().isEmpty)
          for folder in ["ingest", "blobs/sha256", "layers", "names"] {
            #expect(try Files.list("\(store.root)/\(folder)").isEmpty, "\(folder)")
          }
        }
      }
    }
  }
}
