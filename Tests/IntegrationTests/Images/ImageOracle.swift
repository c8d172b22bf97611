import Glibc
import Linux
import TestSupport
import Testing

/// A tree of all kinds of files as an image, and a look at trees that other programs make of it: the same
/// files in every respect.
struct ImageOracle {
  let fixture: MinidockFixture

  init(_ label: String) throws { fixture = try MinidockFixture(label) }

  @discardableResult
  func shell(_ script: String, _ arguments: String...) throws -> String {
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
  ///
  /// - Parameter holes: as GNU tar writes them. Debian's docker and podman read such a layer, and then cannot
  ///   put it together again (tar-split).
  func makeLayout(holes: Bool) throws -> HostileImage {
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
        tar --format=pax --xattrs --xattrs-include='*' --numeric-owner $1 --sort=name -cf $n.tar -C $n .
      done
      gzip -1k a.tar; gzip -1k d.tar
      """#, holes ? "-S" : "--sort=name")
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

  /// Everything that tools can tell about the tree `$1`. Counts of links are left out, as a link below a
  /// whiteout still counts for overlayfs; which names are one file is not.
  static let look =
    #"""
    cd "$1"
    find . -mindepth 1 -printf '%P|%y|%m|%U|%G|%T@|%l\n' | LC_ALL=C sort
    find . -type f -printf '%P|%s\n' | LC_ALL=C sort
    find . -type f -print0 | LC_ALL=C sort -z | xargs -0r sha256sum
    find . ! -type d -printf '%i %P\n' | LC_ALL=C sort -s -k2 | awk '{ if ($1 in seen) print "same",
      seen[$1], $2; else seen[$1] = $2 }' | LC_ALL=C sort
    find . \( -type c -o -type b \) -exec stat -c '%n %t:%T' {} + | LC_ALL=C sort
    find . ! -type l -print0 | LC_ALL=C sort -z | xargs -0r getfattr -h -d -m - -e hex 2>&1
    """#

  /// What tools tell about a tree.
  func look(_ tree: String) throws -> String { try shell(ImageOracle.look, tree) }

  /// What a program sees at the top of the image that minidock has.
  func lookInside(_ name: String) throws -> String {
    let mount = try fixture.succeed("image", "mount", name)
    defer { _ = try? fixture.minidock("image", "unmount", name) }
    return try look(mount)
  }

  /// Fails the test with some of the lines that differ.
  func expectSame(
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
}
