import Glibc
import Image
import Linux
import TestSupport
import Testing

@Suite("Hostile archives", .enabled(if: isRoot, "needs root"))
struct HostileTests {
  /// A directory beside the store that no import may touch, and a naive tree as deep as a real one.
  struct Arena {
    let fixture: StoreFixture
    let sentinel: String
    /// From `ingest/<id>/layer/diff` in the store to the directory that holds the sentinel.
    static let up = "../../../../.."

    init() throws {
      fixture = try StoreFixture()
      sentinel = fixture.directory.file("sentinel")
      try shell("mkdir \"$1\"; touch \"$1/../input\"", sentinel)
      try reset()
    }

    func reset() throws {
      try shell(
        """
        cd "$1"; find . -mindepth 1 -delete; mkdir dir; chmod 700 dir . ; echo s3cret > secret
        chmod 600 secret; touch -d 2000-01-01 secret dir .
        """, sentinel)
    }

    func state() throws -> String {
      try snapshot(sentinel)
        + (try Files.list(fixture.directory.path).sorted().joined(separator: " "))
    }
  }

  @Test("sec20_CVE_2014_9357_CVE_2026_20613_noEntryLeavesTheTree")
  func noEntryLeavesTheTree() async {
    await #expect(processExitsWith: .success) {
      recordingErrors {
        let arena = try Arena()
        let corpus = HostileArchive.corpus(sentinel: arena.sentinel, up: Arena.up)
        #expect(corpus.count >= 60)
        for archive in corpus {
          let before = try arena.state()
          let failure = try arena.fixture.failure(archive.bytes)
          let after = try arena.state()
          #expect(
            before == after,
            "\(archive.name): \(failure?.description ?? "imported"): \(firstDifference(before, after)!)"
          )
          if failure != nil { #expect(try arena.fixture.contents().isEmpty, "\(archive.name)") }
          for record in try arena.fixture.store.list() {
            _ = try arena.fixture.store.remove(record.id.hex, force: true) { _ in [] }
          }
        }
      }
    }
  }

  @Test("sec20_negativeControl_aNaiveUnpackerLosesToEveryArchive")
  func naiveUnpackerEscapes() async {
    await #expect(processExitsWith: .success) {
      recordingErrors {
        let arena = try Arena()
        let tree = arena.fixture.directory.file("naive/ingest/id/layer/diff")
        for archive in HostileArchive.corpus(sentinel: arena.sentinel, up: Arena.up) {
          try arena.reset()
          try Files.removeTree(arena.fixture.directory.file("naive"))
          try Files.makeDirectories(tree)
          let before = try arena.state()
          archive.unpackNaively(into: tree)
          #expect(try arena.state() != before, "\(archive.name) is no attack")
        }
      }
    }
  }

  @Test("sec20_containedLinksStayUsableInsideTheTree")
  func containedLinks() async {
    await #expect(processExitsWith: .success) {
      recordingErrors {
        let fixture = try StoreFixture()
        let record = try fixture.importBytes(
          TarBuilder.archive { tar in
            tar.directory("usr/lib")
            tar.link("lib", "usr/lib")
            tar.link("abs", "/usr/lib")
            tar.link("deep", "../../../usr/lib")
            tar.file("lib/one")
            tar.file("abs/two")
            tar.file("deep/three")
            tar.file("usr/../../../usr/lib/four")
            tar.hardLink("five", "/abs/one")
          })
        let tree = record.layers[0].path
        #expect(try Files.list(tree + "/usr/lib").sorted() == ["four", "one", "three", "two"])
        #expect(try Files.read(tree + "/five") == Array("content".utf8))
      }
    }
  }

  @Test("sec20_aNameThatNamesNothingIsRefused")
  func namesOfNothing() async {
    await #expect(processExitsWith: .success) {
      recordingErrors {
        let fixture = try StoreFixture()
        for name in ["..", "a/..", "../..", "/..", "./.."] {
          let failure = try fixture.failure(TarBuilder.archive { $0.file(name) })
          #expect(failure?.code == .refused, "\(name)")
        }
        let long = String(repeating: "x/", count: 2100) + "f"
        let failure = try fixture.failure(
          TarBuilder.archive { tar in
            tar.pax([("path", Array(long.utf8))])
            tar.file("short")
          })
        #expect(failure?.code == .refused)
        #expect(try fixture.contents().isEmpty)
      }
    }
  }

  @Test("sec14_ownersOutsideTheRangeAreRefused")
  func owners() async {
    await #expect(processExitsWith: .success) {
      recordingErrors {
        let fixture = try StoreFixture()
        for id in ["4294967295", "4294967296", "-1", "99999999999999999999"] {
          for key in ["uid", "gid"] {
            let failure = try fixture.failure(
              TarBuilder.archive { tar in
                tar.pax([(key, Array(id.utf8))])
                tar.file("f")
              })
            #expect(failure != nil, "\(key) \(id)")
          }
        }
        #expect(try fixture.contents().isEmpty)
      }
    }
  }
}
