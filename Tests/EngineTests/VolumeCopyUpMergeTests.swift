import Glibc
import Linux
import TestSupport
import Testing

@testable import Engine
@testable import Image

/// Images of several layers: what is copied is what a container sees of them.
@Suite(.enabled(if: isRoot, "needs root"), .serialized)
struct VolumeCopyUpMergeTests {
  let directory: TemporaryDirectory
  let store: VolumeStore

  init() throws {
    directory = try TemporaryDirectory("merge")
    store = VolumeStore(
      try Installation(root: directory.file("root"), runRoot: directory.file("run")))
    try Files.claimDirectory(directory.file("mount"))
  }

  @discardableResult
  private func shell(_ script: String) throws -> String {
    let result = try run(["bash", "-c", "cd \"$1\"; set -e; " + script, "x", directory.path])
    #expect(result.status == 0, "\(result.errors)")
    return result.output
  }

  private func image(_ layers: [String]) throws -> ImageRecord {
    let digest = try #require(Digest(hex: String(repeating: "0", count: 64)))
    return ImageRecord(
      id: digest, manifest: digest, names: [], created: .now, size: 0, architecture: "", os: "",
      variant: "", comment: "", config: ImageConfig(),
      layers: layers.map {
        Layer(
          diffID: digest, chainID: digest, blob: digest, size: 0,
          path: directory.file("root/layers/\($0)"))
      })
  }

  private func fill(_ layers: [String], _ volume: String = "data:/data/sub") throws {
    let request = try MountRequest(volume: volume)
    try store.ensure(VolumeRecord(name: request.source))
    try VolumeCopyUp(store: store, image: try image(layers), mountPoint: directory.file("mount"))
      .fill([request])
  }

  private let layers = """
    mkdir -p root/layers; cd root/layers
    mkdir -p a/data/sub/opaque b/data/sub/opaque c/data/sub
    echo old > a/data/sub/file; echo gone > a/data/sub/gone; echo low > a/data/sub/low
    echo hidden > a/data/sub/opaque/hidden; echo seen > b/data/sub/opaque/seen
    mknod b/data/sub/gone c 0 0; setfattr -n trusted.overlay.opaque -v y b/data/sub/opaque
    echo new > c/data/sub/file; chmod 751 c/data/sub; chown 7:8 c/data/sub
    """

  @Test func `whiteouts hide, the uppermost file and directory hold`() throws {
    try shell(layers)
    let mounts = Files.text("/proc/self/mountinfo")
    try fill(["a", "b", "c"])
    #expect(
      try shell("cd root/volumes/data/_data; find . -type f -printf '%P ' -exec cat {} + | sort")
        .split(separator: "\n").count > 0)
    #expect(
      try shell("cd root/volumes/data/_data; ls -R . | grep -v '^$'; cat file opaque/seen low")
        == ".:\nfile\nlow\nopaque\n./opaque:\nseen\nnew\nseen\nlow\n")
    #expect(try shell("stat -c '%a %u %g' root/volumes/data/_data") == "751 7 8\n")
    #expect(try shell("getfattr -R -d -m - root/volumes/data/_data") == "")
    // Nothing is mounted where others see it.
    #expect(Files.text("/proc/self/mountinfo") == mounts)
    #expect(try shell("ls -A mount") == "")
  }

  @Test func `more layers than a page has room for are put together too`() throws {
    try shell(
      "mkdir -p root/layers; cd root/layers; for i in $(seq 70); do mkdir -p layer-$i-\(pad)/data/sub; echo $i > layer-$i-\(pad)/data/sub/$i; done"
    )
    try fill((1...70).map { "layer-\($0)-\(pad)" })
    #expect(
      try shell("ls root/volumes/data/_data | wc -l; cat root/volumes/data/_data/70") == "70\n70\n")
  }

  private let pad = String(repeating: "x", count: 60)

  @Test func `a failure in the child is told with its reason, and leaves the volume empty`() throws
  {
    try shell(layers)
    let failure = thrownBy { () throws(Failure) in
      do { try fill(["a", "missing"]) } catch {
        throw (error as? Failure) ?? Failure(.system, "", reason: "\(error)")
      }
    }
    #expect(failure?.errno == ENOENT, "\(String(describing: failure))")
    #expect(
      try shell("ls -A root/volumes/data/_data; ls -A root/volumes/data") == "_data\nvolume\n")
  }
}
