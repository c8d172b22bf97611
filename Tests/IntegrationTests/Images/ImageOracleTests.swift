import Glibc
import Linux
import TestSupport
import Testing

/// What other programs make of an image, and minidock of theirs: the same files in every respect. The image
/// has three layers and more than 10,000 files of all kinds, some of them this machine's own /etc.
///
/// `MINIDOCK_TEST_ENGINES=1` asks podman and docker as well, which takes minutes.
@Suite(
  .enabled(if: MinidockFixture.isAvailable, MinidockFixture.requirement),
  .enabled(
    if: hasProgram("umoci") && hasProgram("skopeo") && hasProgram("python3"),
    "needs umoci, skopeo and python3"), .serialized)
struct ImageOracleTests {
  let fixture: MinidockFixture

  init() throws { fixture = try MinidockFixture("oracle") }

  @discardableResult
  private func shell(_ script: String, _ arguments: String...) throws -> String {
    let result = try run(
      ["bash", "-ec", "cd \"$DIRECTORY\"; " + script, "test"] + arguments,
      environment: fixture.environment + [
        "MINIDOCK=\(MinidockFixture.binary)", "DIRECTORY=\(fixture.directory)",
      ], timeoutSeconds: 500)
    try #require(result.status == 0, "\(result.output)\(result.errors)")
    return result.output
  }

  /// Ten thousand files in a hundred directories, and one of each kind that a tar can hold.
  private static let lowest = #"""
    import os
    os.makedirs("a/tree"); os.chdir("a")
    for d in range(100):
        folder = f"tree/{d:02}"
        os.mkdir(folder)
        for n in range(102):
            path = f"{folder}/file-{n}"
            with open(path, "w") as file:
                file.write(f"{d} {n}\n" * (n % 7))
            os.chown(path, n % 5 * 1000, d % 3 * 100)
            os.chmod(path, (0o644, 0o600, 0o755, 0o4755, 0o2711, 0o1777, 0)[n % 7])
            os.utime(path, ns=(0, 1_500_000_000_123_456_789 + d * n * 1001))
        os.link(f"{folder}/file-7", f"{folder}/same"); os.link(f"{folder}/file-7", f"tree/same-{d}")
        os.chown(folder, d, d); os.chmod(folder, 0o1755 if d % 2 else 0o2750)
    for name in ("gone", "opaque", "todir", "tofile/x", "again", "meta"):
        os.makedirs("c/" + name)
    for name in ("f", "gone/f", "opaque/old", "tofile/x/y", "again/old", "hidden", "meta/keep"):
        with open("c/" + name, "w") as file: file.write("old " + name)
    os.symlink("../c/f", "c/relative"); os.symlink("/c/f", "c/absolute"); os.symlink("nowhere", "c/dangling")
    os.symlink("f", "c/replaced"); os.mkfifo("fifo", 0o622)
    os.mknod("null", 0o20666, os.makedev(1, 3)); os.mknod("disk", 0o60660, os.makedev(8, 300))
    open("x" * 255, "w").close(); open("ü ☃ \\ name", "w").close(); open(b"line\nfeed", "w").close()
    with open("sparse", "wb") as file:
        file.write(b"start"); file.seek(5_000_000); file.write(b"middle"); file.truncate(20_000_000)
    for name, value in ((b"user.one", b"1\0\xff"), (b"trusted.two", b"2"),
                        (b"security.capability", bytes.fromhex("0100000200040000000000000000000000000000"))):
        os.setxattr("tree/00/file-2", name, value)
    os.setxattr("tree", b"user.folder", b"x" * 3000)
    for when, path in ((-1.5, "c/f"), (2**33 + 0.25, "c/hidden")): os.utime(path, (0, when))
    """#

  /// The image as a layout in "layout", layers in gzip, plain and gzip.
  private func makeLayout() throws -> HostileImage {
    try fixture.write("lowest.py", Self.lowest)
    try shell(
      #"""
      python3 lowest.py; cp -a /etc a/etc
      mkdir -p b/c/opaque b/c/todir b/c/again b/tree/new && cd b
      touch c/.wh.gone c/opaque/.wh..wh..opq c/.wh.hidden tree/.wh.05 tree/00/.wh.file-3 2> /dev/null ||
        { mkdir tree/00; touch tree/00/.wh.file-3; }
      echo new > c/opaque/new; echo now > c/tofile; rmdir c/todir; mkdir -p c/todir/deep
      ln -s elsewhere c/replaced; echo second > c/f; ln c/f c/f-again; chown 7:8 c/f
      touch c/.wh.again; echo fresh > c/again/new; echo more > tree/new/file
      chmod 2775 tree/00; chown 0:0 tree/00; touch -d 2001-02-03T04:05:06.7 tree/00 c
      cd ..; mkdir -p d/c/gone d/tree && cd d
      echo back > c/gone/back; touch tree/.wh.new c/.wh.f-again; mkdir -p c/meta; chmod 700 c/meta
      touch -d 1999-01-01 c/meta; mkdir tree/05; echo anew > tree/05/one; rm -rf ../b/c/.wh.again
      cd ..
      for n in a b d; do
        tar --format=pax --xattrs --xattrs-include='*' --numeric-owner -S --sort=name -cf $n.tar -C $n .
      done
      gzip -1k a.tar; gzip -1k d.tar
      """#)
    func read(_ name: String) throws -> [UInt8] {
      try Files.read(fixture.file(name), limit: 1 << 30) ?? []
    }
    let image = HostileImage([
      .init(try read("a.tar.gz"), of: try read("a.tar"), "+gzip"), .init(try read("b.tar")),
      .init(try read("d.tar.gz"), of: try read("d.tar"), "+gzip"),
    ])
    try image.write(layout: fixture.file("layout"))
    return image
  }

  /// Everything that tools can tell about a tree. Counts of links are left out, as a link below a whiteout
  /// still counts for overlayfs; which names are one file is not.
  private func look(_ tree: String) throws -> String {
    try shell(
      #"""
      cd "$1"
      find . -mindepth 1 -printf '%P|%y|%m|%U|%G|%T@|%l\n' | LC_ALL=C sort
      find . -type f -printf '%P|%s\n' | LC_ALL=C sort
      find . -type f -print0 | LC_ALL=C sort -z | xargs -0r sha256sum
      find . ! -type d -printf '%i %P\n' | LC_ALL=C sort -s -k2 | awk '{ if ($1 in seen) print "same",
        seen[$1], $2; else seen[$1] = $2 }' | LC_ALL=C sort
      find . \( -type c -o -type b \) -exec stat -c '%n %t:%T' {} + | LC_ALL=C sort
      find . ! -type l -print0 | LC_ALL=C sort -z | xargs -0r getfattr -h -d -m - -e hex 2>&1
      """#, tree)
  }

  /// What a program sees at the top of the image that minidock has.
  private func lookInside(_ name: String) throws -> String {
    let mount = try fixture.succeed("image", "mount", name)
    defer { _ = try? fixture.minidock("image", "unmount", name) }
    return try look(mount)
  }

  private func expectSame(
    _ one: String, _ other: String, _ what: String,
    sourceLocation: SourceLocation = #_sourceLocation
  ) {
    if one == other { return }
    let (left, right) = (one.split(separator: "\n"), other.split(separator: "\n"))
    let missing = Set(left).subtracting(right).sorted().prefix(8)
    let added = Set(right).subtracting(left).sorted().prefix(8)
    Issue.record(
      "\(what): \(missing.joined(separator: "\n")) \n<>\n \(added.joined(separator: "\n"))",
      sourceLocation: sourceLocation)
  }

  @Test func theTreeIsWhatUmociUnpacksOfTheSameLayers() throws {
    let image = try makeLayout()
    #expect(
      try fixture.succeed("load", "-q", "-i", fixture.file("layout"))
        == "Loaded image: localhost/evil:1")
    let own = try lookInside("localhost/evil:1")
    #expect(own.split(separator: "\n").count { $0.contains("|f|") } > 10_000)
    try shell("umoci unpack --image layout:1 bundle > /dev/null")
    expectSame(try look(fixture.file("bundle/rootfs")), own, "umoci <> minidock")
    // Holes stay holes.
    let blocks = try shell(#"stat -c %b root/layers/*/diff/sparse"#).trimmingLineFeeds
    #expect(Int(blocks) ?? .max < 200, "\(blocks)")

    // And back: what is saved has the same digests, and the same tree for umoci and skopeo.
    try fixture.succeed(
      "save", "--format", "oci-dir", "-o", fixture.file("saved"), "localhost/evil:1")
    let index = try Files.read(fixture.file("saved/index.json")) ?? []
    #expect(String(decoding: index, as: UTF8.self).contains(image.digest))
    try shell("skopeo copy -q oci:saved oci:copied:1; rm -rf bundle")
    try shell("umoci unpack --image copied:1 bundle > /dev/null")
    expectSame(try look(fixture.file("bundle/rootfs")), own, "umoci <> saved")

    // An archive that skopeo made of it is the same image again.
    try shell("skopeo copy -q oci:layout:1 docker-archive:skopeo.tar:again:1")
    #expect(
      try fixture.succeed("load", "-q", "-i", fixture.file("skopeo.tar")) == "Loaded image: again:1"
    )
    expectSame(try lookInside("again:1"), own, "skopeo <> minidock")
    #expect(try fixture.succeed("image", "check") == "no problems found")
  }

  // MARK: - Engines

  private static let asksEngines = getenv("MINIDOCK_TEST_ENGINES") != nil

  @Test(.enabled(if: asksEngines && hasProgram("podman"), "needs podman and MINIDOCK_TEST_ENGINES"))
  func podmanReadsAndWritesTheSame() throws {
    let image = try makeLayout()
    try fixture.succeed("load", "-q", "-i", fixture.file("layout"))
    let own = try lookInside("localhost/evil:1")
    let podman = #"""
      podman() { command podman --root "$DIRECTORY/p" --runroot "$DIRECTORY/pr" --storage-driver overlay "$@"; }
      """#
    for (format, theirs) in [
      ("docker", "docker-archive"), ("docker-archive", "docker-archive"),
      ("oci-archive", "oci-archive"),
    ] {
      try fixture.succeed(
        "save", "--format", format, "-o", fixture.file("saved.tar"), "localhost/evil:1")
      let tree = try shell(
        podman + #"""

          podman load -q -i saved.tar >&2; podman image mount localhost/evil:1
          """#
      ).trimmingLineFeeds
      expectSame(try look(tree), own, "podman <> \(format)")
      try shell(
        podman + #"""

          podman image unmount localhost/evil:1 >&2; rm -f podman.tar
          podman save -q --format \#(theirs) -o podman.tar localhost/evil:1
          podman rmi -f localhost/evil:1 >&2
          """#)
      try fixture.succeed("rmi", "localhost/evil:1")
      #expect(
        try fixture.succeed("load", "-q", "-i", fixture.file("podman.tar"))
          == "Loaded image: localhost/evil:1")
      expectSame(try lookInside("localhost/evil:1"), own, "minidock <> podman's \(theirs)")
      let ids = try fixture.succeed("images", "-q", "--no-trunc").lines
      #expect(ids == [image.id], "\(format)")
    }
    try shell(podman + "\npodman rmi -af >&2 || true; umount p/overlay 2> /dev/null || true")
  }

  @Test(
    .enabled(if: asksEngines && hasProgram("dockerd"), "needs dockerd and MINIDOCK_TEST_ENGINES"))
  func dockerReadsAndWritesTheSame() throws {
    let image = try makeLayout()
    try fixture.succeed("load", "-q", "-i", fixture.file("layout"))
    let own = try lookInside("localhost/evil:1")
    let socket = "unix://\(fixture.file("docker.sock"))"
    let daemon = try BackgroundProcess([
      "dockerd", "--data-root", fixture.file("dd"), "--exec-root", fixture.file("de"), "-H", socket,
      "--pidfile", fixture.file("docker.pid"), "--iptables=false", "--ip6tables=false",
      "--bridge=none", "--storage-driver", "overlay2",
    ])
    let docker = "export DOCKER_HOST=\(socket)\n"
    try fixture.eventually("docker answers", seconds: 60) {
      try run(["docker", "-H", socket, "version"]).status == 0
    }
    for format in ["docker", "docker-archive"] {
      try fixture.succeed(
        "save", "--format", format, "-o", fixture.file("saved.tar"), "localhost/evil:1")
      let loaded = try shell(
        docker
          + "docker load -i saved.tar; docker images -q --no-trunc; docker save -o docker.tar localhost/evil:1"
      )
      #expect(loaded.contains(image.id), "\(loaded)")
      try shell(
        docker + #"""
          docker create --name c localhost/evil:1 > /dev/null; mkdir tree; docker export c | tar -xpf - \
            --xattrs --xattrs-include='*' --numeric-owner -C tree
          rm -f tree/.dockerenv; docker rm c; docker rmi -f localhost/evil:1
          """#)
      // An export has neither attributes nor fractions of seconds, and docker's own files.
      let theirs = try shell(
        "cd tree; find . -type f -size +0 -print0 | LC_ALL=C sort -z | xargs -0 sha256sum; rm -rf ../tree"
      )
      #expect(theirs.split(separator: "\n").count > 8000, "docker <> \(format)")
      try fixture.succeed("rmi", "localhost/evil:1")
      try fixture.succeed("load", "-q", "-i", fixture.file("docker.tar"))
      expectSame(try lookInside("localhost/evil:1"), own, "minidock <> docker's archive")
      #expect(try fixture.succeed("images", "-q", "--no-trunc").lines == [image.id])
    }
    daemon.signal(SIGTERM)
    _ = try daemon.wait(timeoutSeconds: 60)
  }
}
