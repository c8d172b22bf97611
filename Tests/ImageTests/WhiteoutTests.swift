import Glibc
import Linux
import TestSupport
import Testing

@testable import Image

@Suite("Whiteouts", .enabled(if: isRoot, "needs root"))
struct WhiteoutTests {
  /// Unpacks over lower layers, in this process: what is tested is the tree, not the confinement.
  static func unpack(_ bytes: [UInt8], to path: String, hasLowerLayers: Bool = true) throws {
    umask(0)
    Locale.useUTF8()
    try Files.makeDirectories(path, mode: 0o755)
    let end = try Descriptor.open("/dev/null", .read)
    let source = CheckedStream(
      DescriptorStream(head: bytes, then: end.raw), limits: ImportLimits(), isCompressed: false)
    var unpacker = try Unpacker(
      source, into: Root(path: path), hasLowerLayers: hasLowerLayers, limits: ImportLimits())
    try unpacker.run()
  }

  static let lower = TarBuilder.archive { tar in
    for name in ["keep", "gone", "dir/", "opaque/", "replaced/", "readd/"] {
      if name.hasSuffix("/") {
        tar.directory(name)
        tar.file(name + "old")
      } else {
        tar.file(name)
      }
    }
  }

  @Test("sec21_whiteoutsHideLowerLayersOnly")
  func mergedTree() async {
    await #expect(processExitsWith: .success) {
      recordingErrors {
        let directory = try TemporaryDirectory("whiteout")
        let upper = TarBuilder.archive { tar in
          // `.wh.gone` hides; a name that this layer has as well stays, whichever comes first.
          tar.file(".wh.gone", "")
          tar.file("own1")
          tar.file(".wh.own1", "")
          tar.file(".wh.own2", "")
          tar.file("own2")
          tar.file("dir/new")
          tar.file("dir/.wh.old", "")
          tar.directory("opaque")
          tar.file("opaque/first")
          tar.file("opaque/.wh..wh..opq", "")
          tar.file("opaque/second")
          tar.file("replaced", "now a file")
          tar.file(".wh.readd", "")
          tar.directory("readd")
          tar.file("readd/new")
          tar.file(".wh..wh.plnk", "")
          tar.file(".wh..wh.aufs", "")
        }
        try WhiteoutTests.unpack(
          WhiteoutTests.lower, to: directory.file("lower"), hasLowerLayers: false)
        try WhiteoutTests.unpack(upper, to: directory.file("upper"))
        try shell("mkdir \"$1/merged\"", directory.path)
        let merged = try shell(
          """
          cd "$1"; unshare -m sh -c 'mount -t overlay none merged -o lowerdir=upper:lower,ro &&
            cd merged && find . -mindepth 1 -printf "%P %y\\n" | LC_ALL=C sort'
          """, directory.path)
        #expect(
          merged.split(separator: "\n") == [
            "dir d", "dir/new f", "keep f", "opaque d", "opaque/first f", "opaque/second f",
            "own1 f", "own2 f", "readd d", "readd/new f", "replaced f",
          ])
        // Below nothing there is nothing to hide: the lowest layer has neither nodes nor attributes.
        try WhiteoutTests.unpack(upper, to: directory.file("lowest"), hasLowerLayers: false)
        #expect(
          try shell("cd \"$1/lowest\"; find . -type c; getfattr -Rd -m overlay .", directory.path)
            .isEmpty)
      }
    }
  }

  @Test("sec21_overlayfsInstructionsFromAnArchiveAreDropped")
  func attributes() async {
    await #expect(processExitsWith: .success) {
      recordingErrors {
        let directory = try TemporaryDirectory("whiteout")
        let names = [
          "trusted.overlay.redirect", "trusted.overlay.opaque", "trusted.overlay.metacopy",
          "trusted.overlay.whiteout", "user.overlay.opaque", "user.overlay.redirect",
          "trusted.overlay.overlay.opaque",
        ]
        let bytes = TarBuilder.archive { tar in
          for key in ["SCHILY.xattr.", "LIBARCHIVE.xattr."] {
            let value = Array((key == "SCHILY.xattr." ? "y" : "eQ==").utf8)
            tar.pax(names.map { (key + $0, value) } + [(key + "trusted.overlays", value)])
            tar.directory("d" + key.prefix(1))
          }
        }
        try WhiteoutTests.unpack(bytes, to: directory.file("tree"))
        let left = try shell("cd \"$1/tree\"; getfattr -R -d -m - .", directory.path)
        #expect(!left.contains("overlay."), "\(left)")
        // Negative control: the attribute beside them, which means nothing to overlayfs, is kept.
        #expect(left.contains("trusted.overlays=\"y\""), "\(left)")
      }
    }
  }

  @Test("sec21_zeroNodesAndStrayWhiteoutsAreRefused")
  func nodes() async {
    await #expect(processExitsWith: .success) {
      recordingErrors {
        let fixture = try StoreFixture()
        let archives: [(String, (inout TarBuilder) -> Void)] = [
          ("node", { $0.device("n", "3", 0, 0) }),
          ("dots", { $0.file(".wh...", "") }), ("dot", { $0.file(".wh..", "") }),
          ("nothing", { $0.file("d/.wh.", "") }), ("parent", { $0.file("a/.wh.d/f", "") }),
          ("device", { $0.device("n", "3", 4096, 0) }),
          (
            "hard link",
            {
              $0.file(".wh.hidden", "")
              $0.hardLink("n", "hidden")
            }
          ),
        ]
        for (name, build) in archives {
          #expect(try fixture.failure(TarBuilder.archive(build)) != nil, "\(name)")
          let tree = fixture.directory.file("tree-\(name)")
          #expect(throws: Failure.self, "\(name)") {
            try WhiteoutTests.unpack(TarBuilder.archive(build), to: tree)
          }
        }
        // A block device 0:0 and a character device with one zero are no whiteouts.
        try fixture.importBytes(
          TarBuilder.archive {
            $0.device("b", "4", 0, 0)
            $0.device("c", "3", 0, 1)
            $0.device("d", "3", 1, 0)
          })
        #expect(try fixture.store.list().count == 1)
      }
    }
  }
}
