import Linux
import TestSupport
import Testing

/// docker and podman beside minidock, each on a machine of its own: they load what minidock saved, in both
/// of docker's layouts and in OCI's, and see the same files in every respect; minidock loads what they
/// saved, as the same image with the same files.
@Suite(
  .enabled(if: MinidockFixture.isAvailable, MinidockFixture.requirement),
  .enabled(if: hasProgram("python3"), "needs python3"), .serialized)
struct ImageEngineTests {
  let oracle: ImageOracle
  var fixture: MinidockFixture { oracle.fixture }
  private let name = "localhost/evil:1"

  init() throws { oracle = try ImageOracle("engines") }

  /// Saves the image, has an engine load and save it, and loads what came of that.
  ///
  /// - Parameters:
  ///   - format: minidock's.
  ///   - loaded: has the engine load `$1`, mounts what it has made of it, and prints where.
  ///   - saved: has the engine save the image as `$1` and forget it.
  private func exchange(
    _ node: EngineNode, _ format: String, _ image: HostileImage, loaded: String, saved: String
  ) throws {
    let own = try oracle.lookInside(name)
    let files = own.split(separator: "\n").count { $0.contains("|f|") }
    #expect(files > 10_000)
    let archive = fixture.file("saved.tar")
    try fixture.succeed("save", "--format", format, "-o", archive, name)
    func inside(_ script: String, _ argument: String) throws -> String {
      let result = try node.shell("set -e; " + script, argument, timeoutSeconds: 300)
      try #require(result.status == 0, "\(format): \(result.output)\(result.errors)")
      return result.output
    }
    let tree = try inside(loaded, archive).trimmingLineFeeds
    oracle.expectSame(try inside(ImageOracle.look, tree), own, "theirs <> \(format)")
    let theirs = fixture.file("theirs.tar")
    _ = try inside("rm -f \"$1\"; " + saved, theirs)
    try fixture.succeed("rmi", name)
    #expect(try fixture.succeed("load", "-q", "-i", theirs) == "Loaded image: \(name)")
    oracle.expectSame(try oracle.lookInside(name), own, "minidock <> theirs of \(format)")
    #expect(try fixture.succeed("images", "-q", "--no-trunc").lines == [image.id])
  }

  @Test(.enabled(if: DockerHost.isInstalled, DockerHost.requirement))
  func dockerReadsAndWritesTheSame() throws {
    let image = try oracle.makeLayout(holes: false)
    try fixture.succeed("load", "-q", "-i", fixture.file("layout"))
    let host = try DockerHost("oracle")
    for format in ["docker", "docker-archive"] {
      try exchange(
        host.node, format, image,
        loaded: #"""
          docker load -q -i "$1" >&2; [ "$(docker images -q --no-trunc localhost/evil:1)" = \#(image.id) ]
          layers=$(docker image inspect localhost/evil:1 \
            -f '{{.GraphDriver.Data.UpperDir}}:{{.GraphDriver.Data.LowerDir}}')
          mkdir -p "$NODE/tree"; mount -t overlay overlay -o "ro,lowerdir=$layers" "$NODE/tree"; echo "$NODE/tree"
          """#,
        saved: #"""
          umount "$NODE/tree"; docker save -o "$1" localhost/evil:1; docker rmi localhost/evil:1
          """#)
    }
    // Docker still writes the form of before 1.10 into the same archive.
    try oracle.shell(
      #"""
      mkdir old; tar -xf theirs.tar -C old; rm old/manifest.json theirs.tar
      ls old >&2; cd old; tar -cf ../theirs.tar *
      """#)
    let own = try oracle.lookInside(name)
    try fixture.succeed("rmi", name)
    #expect(
      try fixture.succeed("load", "-q", "-i", fixture.file("theirs.tar")) == "Loaded image: \(name)"
    )
    oracle.expectSame(try oracle.lookInside(name), own, "repositories <> manifest.json")
  }

  @Test(.enabled(if: hasProgram("podman"), "needs podman (Debian: podman)"))
  func podmanReadsAndWritesTheSame() throws {
    let image = try oracle.makeLayout(holes: false)
    try fixture.succeed("load", "-q", "-i", fixture.file("layout"))
    let node = try EngineNode("oracle", hierarchies: .withoutUnified)
    let podman = #"""
      podman() {
        command podman --root "$NODE/graph" --runroot /run/podman --tmpdir /run/libpod \
          --storage-driver overlay --events-backend file "$@"
      }

      """#
    for (format, theirs) in [
      ("docker", "docker-archive"), ("docker-archive", "docker-archive"),
      ("oci-archive", "oci-archive"),
    ] {
      try exchange(
        node, format, image,
        loaded: podman + #"podman load -q -i "$1" >&2; podman image mount localhost/evil:1"#,
        saved: podman + #"""
          podman image unmount localhost/evil:1
          podman save -q --format \#(theirs) -o "$1" localhost/evil:1; podman rmi localhost/evil:1
          """#)
    }
  }
}
