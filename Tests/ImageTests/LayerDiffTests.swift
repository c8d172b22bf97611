import Glibc
import Linux
import TestSupport
import Testing

@testable import Image

/// Changes made through a real overlayfs, and the layers made from them. Those that unpack do it in exit
/// tests, as it changes the process's mask.
@Suite("Changes of a container", .enabled(if: isRoot, "needs root"))
struct LayerDiffTests {
  let directory: TemporaryDirectory

  init() throws {
    // overlayfs cannot have its upper directory on another overlayfs, as /tmp may be.
    directory = try TemporaryDirectory("diff")
    try shell("mkdir -p \"$1\"/{one,two,upper,work,merged,again,layer}", directory.path)
  }

  private static let lower = """
    cd "$1/one"; mkdir -p etc dir/sub keep gone/x; for f in etc/a etc/b dir/f dir/sub/g keep/k gone/x/y; do
      echo $f > $f; done; echo plain > plain; ln -s plain link; mkdir old; echo o > old/file
    cd "$1/two"; mkdir -p etc dir; echo two > etc/c; mknod etc/b c 0 0; echo hides > old
    """

  /// Runs a script in the merged tree and returns the changes as docker's lines.
  private func changes(
    _ script: String, mountPoints: Set<String> = []
  ) throws -> (diff: LayerDiff, lines: [String]) {
    try shell(LayerDiffTests.lower, directory.path)
    try shell(
      """
      export D="$1"; unshare -m bash -ec '
      mount --make-rprivate /; cd "$D"
      mount -t overlay -o lowerdir=two:one,upperdir=upper,workdir=work none merged
      cd merged; \(script)'
      """, directory.path)
    let upper = try Descriptor.open(directory.file("upper"), .directory)
    let diff = try LayerDiff(
      upper: upper, layers: [directory.file("one"), directory.file("two")],
      mountPoints: Set(mountPoints.map { Array($0.utf8) }))
    return (
      diff,
      diff.changes.map { "\($0.kind.rawValue) /" + String(decoding: $0.path, as: UTF8.self) }
    )
  }

  /// The layer made from the changes, unpacked over the lower ones, must look like the container.
  private func expectSameTree(_ diff: LayerDiff) throws {
    let path = directory.path
    let output = try Descriptor.open(directory.file("layer.tar"), .createNew(mode: 0o600))
    let upper = try Descriptor.open(directory.file("upper"), .directory)
    try LayerWriter.write(upper, diff, to: output.raw) { _ in }
    let bytes = try Files.read(path + "/layer.tar", limit: 64 << 20) ?? []
    try WhiteoutTests.unpack(bytes, to: path + "/layer")
    let difference = try shell(
      """
      export D="$1"; unshare -m bash -ec '
      mount --make-rprivate /; cd "$D"
      mount -t overlay -o ro,lowerdir=upper:two:one none merged
      mount -t overlay -o ro,lowerdir=layer:two:one none again
      list() { cd "$D/$1"; find . -mindepth 1 -printf "%P|%y|%m|%U|%G|%l\\n" | LC_ALL=C sort
        find . -type f -exec sha256sum {} + | LC_ALL=C sort; }
      diff <(list merged) <(list again)' || true
      """, path)
    #expect(difference == "", "\(difference)")
  }

  @Test func whatIsCopiedUpAndTheSameIsNoChange() async {
    await #expect(processExitsWith: .success) {
      recordingErrors {
        let tests = try LayerDiffTests()
        let (diff, lines) = try tests.changes("exec 3<>plain; exec 4<>etc/a; touch -r plain plain")
        #expect(lines == [])
        // The file is there all the same: content can change behind an old time.
        #expect(!diff.isEmpty)
        try tests.expectSameTree(diff)
      }
    }
  }

  @Test func nothingChangedIsAnEmptyLayer() throws {
    let (diff, lines) = try changes(
      "mkdir proc; touch etc/hosts", mountPoints: ["proc", "etc/hosts"])
    #expect(lines == [])
    #expect(diff.isEmpty)
  }

  @Test func mountPointsThatWereFilledAreChanges() async {
    await #expect(processExitsWith: .success) {
      recordingErrors {
        let tests = try LayerDiffTests()
        let (diff, lines) = try tests.changes(
          "mkdir -p proc dev/made; echo x > etc/hosts", mountPoints: ["proc", "etc/hosts", "dev"])
        #expect(lines == ["A /dev", "A /dev/made", "C /etc", "A /etc/hosts"])
        // The empty one is left out.
        try shell("rmdir \"$1/upper/proc\"", tests.directory.path)
        try tests.expectSameTree(diff)
      }
    }
  }

  @Test func additionsChangesAndDeletionsAreDockers() async {
    await #expect(processExitsWith: .success) {
      recordingErrors {
        let tests = try LayerDiffTests()
        let (diff, lines) = try tests.changes(
          """
          echo more >> etc/a; rm etc/c; mkdir -p new/deep; echo n > new/deep/file; rm -r gone
          chmod 700 keep; ln -sf other link; chown 5 dir/sub/g; rm plain; mkdir plain; touch plain/in
          """)
        #expect(
          lines == [
            "C /dir", "C /dir/sub", "C /dir/sub/g", "C /etc", "C /etc/a", "D /etc/c", "D /gone",
            "C /keep", "C /link", "A /new", "A /new/deep", "A /new/deep/file", "C /plain",
            "A /plain/in",
          ])
        try tests.expectSameTree(diff)
      }
    }
  }

  @Test func aDirectoryMadeAgainHidesTheOldOne() async {
    await #expect(processExitsWith: .success) {
      recordingErrors {
        let tests = try LayerDiffTests()
        let (diff, lines) = try tests.changes(
          "rm -r dir; mkdir -p dir/sub; touch dir/new; rm -r etc; echo now > etc; rm old; mkdir old"
        )
        #expect(
          lines == [
            "C /dir", "D /dir/f", "A /dir/new", "C /dir/sub", "D /dir/sub/g", "C /etc", "D /etc/a",
            "D /etc/c", "C /old",
          ])
        try tests.expectSameTree(diff)
      }
    }
  }

  @Test func namesThatALayerCannotHoldAreRefused() throws {
    let (diff, lines) = try changes("touch .wh.trap")
    #expect(lines == ["A /.wh.trap"])
    let null = try Descriptor.open("/dev/null", .write)
    var failure: Failure?
    do throws(Failure) {
      try LayerWriter.write(
        try Descriptor.open(directory.file("upper"), .directory), diff, to: null.raw
      ) { _ in }
    } catch { failure = error }
    #expect(failure?.code == .unsupported && failure?.object == ".wh.trap")
  }

  @Test func renamedDirectoriesOfOverlayfsAreRefused() throws {
    let (_, _) = try changes("true")
    try shell(
      "mkdir \"$1/upper/moved\"; setfattr -n trusted.overlay.redirect -v dir \"$1/upper/moved\"",
      directory.path)
    var failure: Failure?
    do throws(Failure) {
      _ = try LayerDiff(
        upper: try Descriptor.open(directory.file("upper"), .directory),
        layers: [directory.file("one")])
    } catch { failure = error }
    #expect(failure?.code == .unsupported && failure?.remedy.contains("redirect_dir") == true)
  }
}
