import Glibc
import Linux
import TestSupport
import Testing

@testable import Image

@Suite("Written archives", .enabled(if: isRoot, "needs root"))
struct TarWriterTests {
  /// Archives a tree as export does.
  static func archive(_ tree: String, to path: String) throws {
    let output = try Descriptor.open(path, .createNew(mode: 0o600))
    let number = output.raw
    let tar = try TarWriter { (bytes) throws(Failure) in try writeAll(number, bytes) }
    let archiver = TreeArchiver(tar) { _ in }
    try archiver.addTree(try Descriptor.open(tree, .path), as: [], name: "tree") { _ in .all }
    try tar.finish()
  }

  @Test func everyKindOfEntryIsReadByGNUTarAndByImportAsItWas() async throws {
    await #expect(processExitsWith: .success) {
      recordingErrors {
        let fixture = try StoreFixture()
        let (tree, tar) = (fixture.directory.file("tree"), fixture.directory.file("a.tar"))
        try shell(RoundTripTests.makeTree, tree)
        // Archives hold whole seconds; one time is before 1970.
        try shell(
          """
          cd "$1"; find . -depth -exec touch -h -d '2020-01-02 03:04:05' {} +
          touch -d '1969-12-31 23:00:00' sub/deep; touch -d @5000000000 plain
          touch -d '2020-01-02 03:04:05' sub .
          """, tree)
        try TarWriterTests.archive(tree, to: tar)
        let oracle = fixture.directory.file("oracle")
        try shell(
          "mkdir \"$2\"; tar --xattrs --xattrs-include='*' --acls -xpf \"$1\" -C \"$2\"; "
            + "touch -d '2020-01-02 03:04:05' \"$2\"", tar, oracle)
        let original = try snapshot(tree, blocks: false)
        let difference = firstDifference(original, try snapshot(oracle, blocks: false))
        #expect(difference == nil, "GNU tar: \(difference ?? "")")

        let record = try fixture.importFile(tar)
        let layer = record.layers[0].path
        try shell("touch -d '2020-01-02 03:04:05' \"$1\"", layer)
        let imported = firstDifference(original, try snapshot(layer, blocks: false))
        #expect(imported == nil, "import: \(imported ?? "")")
      }
    }
  }

  @Test func theSameTreeGivesTheSameBytes() throws {
    let directory = try TemporaryDirectory("tar")
    try shell(
      "mkdir -p \"$1/b/c\" \"$1/a\"; for i in 1 2 3; do echo $i > \"$1/b/$i\"; done",
      directory.file("tree"))
    for name in ["one", "two"] {
      try TarWriterTests.archive(directory.file("tree"), to: directory.file(name))
    }
    #expect(try Files.read(directory.file("one")) == Files.read(directory.file("two")))
    let names = try shell("tar -tf \"$1\"", directory.file("one"))
    #expect(names == "a/\nb/\nb/1\nb/2\nb/3\nb/c/\n")
  }

  @Test func aFailingOutputIsReportedAsItIs() throws {
    let full = Failure(errno: ErrorNumber.noSpace, "write", "disk")
    var failure: Failure?
    do throws(Failure) {
      let tar = try TarWriter { (_) throws(Failure) in throw full }
      let zero = FileTime(seconds: 0, nanoseconds: 0)
      let metadata = TreeWriter.Metadata(
        mode: 0o644, user: 0, group: 0, accessed: zero, modified: zero)
      try tar.add([97], .file(size: 1 << 20), metadata)
      try [UInt8](repeating: 1, count: 1 << 20).withBytes { (bytes) throws(Failure) in
        try tar.write(bytes)
      }
      try tar.finish()
    } catch { failure = error }
    #expect(failure == full)
  }

  @Test func entriesPassFromTheConfinedDecoderAsTheyAre() async throws {
    await #expect(processExitsWith: .success) {
      recordingErrors {
        let fixture = try StoreFixture()
        let empty = fixture.directory.file("empty")
        try Files.claimDirectory(empty)
        let bytes = TarBuilder.archive { tar in
          tar.file("a", "text", mode: 0o4755)
          tar.hardLink("b", "a")
          tar.link("../c", "/etc")
          tar.device("d", "3", 1, 3)
          tar.directory("e")
        }
        for compressor in ["cat", "gzip", "zstd", "xz", "bzip2"] {
          let path = try fixture.write(bytes)
          try shell("\(compressor) < \"$1\" > \"$1.c\"", path)
          let source = try Descriptor.open(path + ".c", .read)
          let archive = try ArchiveEntries(from: source.raw, emptyDirectory: empty)
          var seen: [String] = []
          while let entry = try archive.next() {
            var content = ""
            try archive.readContent { (bytes, offset) throws(Failure) in
              content += "\(offset):" + String(decoding: bytes, as: UTF8.self)
            }
            let path = String(decoding: entry.path, as: UTF8.self)
            seen.append("\(path) \(entry.content) \(entry.metadata.mode) \(content)")
          }
          #expect(
            seen == [
              "a file(size: 4) 2541 0:text", "b hardLink(target: [97]) 420 ",
              "../c symbolicLink(target: [47, 101, 116, 99]) 420 ",
              "d character(major: 1, minor: 3) 420 ", "e directory 493 ",
            ], "\(compressor): \(seen)")
        }
        // Cut short, it is an error and not an end; so is what is no tar.
        for bad in [Array(bytes.prefix(1300)), Array("no archive".utf8), []] {
          let source = try Descriptor.open(try fixture.write(bad), .read)
          var failure: Failure?
          do throws(Failure) {
            let archive = try ArchiveEntries(from: source.raw, emptyDirectory: empty)
            while try archive.next() != nil {}
          } catch { failure = error }
          #expect(failure != nil, "\(bad.count)")
        }
        #expect(try Files.list(empty).isEmpty)
      }
    }
  }
}
