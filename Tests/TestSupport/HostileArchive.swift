import Glibc
import Linux

/// An archive as a list of steps: they build the tar for the import, and they drive a naive unpacker
/// that does what every vulnerable one did, to show that the same archive escapes there.
public struct HostileArchive: Sendable {
  /// One entry.
  public enum Step: Sendable {
    /// A set-user-id file.
    case file(String)
    /// A directory.
    case directory(String, mode: Int)
    /// A symbolic link and its target.
    case link(String, String)
    /// A hard link and its target.
    case hardLink(String, String)
    /// A fifo.
    case fifo(String)
    /// A character device.
    case device(String)
    /// A file whose name comes in a GNU long-name header, in a pax header, or in both parts of ustar.
    case gnuNamed(String)
    /// See there.
    case paxNamed(String)
    /// A hard link whose target comes in a GNU long-link or a pax header.
    case gnuLinked(String, String)
    /// See there.
    case paxLinked(String, String)
    /// A sparse file in GNU's pax form 1.0, which has its own field for the name.
    case sparse(String)
  }

  /// What it tries.
  public var name: String
  /// Its entries.
  public var steps: [Step]

  /// An archive by its entries.
  public init(_ name: String, _ steps: [Step]) {
    self.name = name
    self.steps = steps
  }

  /// The tar.
  public var bytes: [UInt8] {
    TarBuilder.archive { tar in
      for step in steps {
        switch step {
        case .file(let path): tar.file(path, "escaped", mode: 0o4755)
        case .directory(let path, let mode): tar.directory(path, mode: mode)
        case .link(let path, let target): tar.link(path, target)
        case .hardLink(let path, let target): tar.hardLink(path, target)
        case .fifo(let path): tar.add(TarBuilder.Header(path, "6"))
        case .device(let path): tar.device(path, "3", 1, 3)
        case .gnuNamed(let path):
          tar.gnuLong(path, type: "L")
          tar.file("short", "escaped")
        case .paxNamed(let path):
          tar.pax([("path", Array(path.utf8))])
          tar.file("short", "escaped")
        case .gnuLinked(let path, let target):
          tar.gnuLong(target, type: "K")
          tar.hardLink(path, "short")
        case .paxLinked(let path, let target):
          tar.pax([("linkpath", Array(target.utf8))])
          tar.hardLink(path, "short")
        case .sparse(let path):
          tar.pax([
            ("GNU.sparse.major", Array("1".utf8)), ("GNU.sparse.minor", Array("0".utf8)),
            ("GNU.sparse.name", Array(path.utf8)), ("GNU.sparse.realsize", Array("4096".utf8)),
          ])
          var header = TarBuilder.Header("short")
          header.size = 519
          tar.add(
            header,
            Array("1\n0\n7\n".utf8) + [UInt8](repeating: 0, count: 506) + Array("escaped".utf8))
        }
      }
    }
  }

  /// Unpacks by joining strings and letting the host resolve them: the negative control.
  public func unpackNaively(into tree: String) {
    func place(_ path: String) -> String { path.hasPrefix("/") ? path : tree + "/" + path }
    var late: [(String, Int)] = []
    for step in steps {
      switch step {
      case .file(let path), .gnuNamed(let path), .paxNamed(let path), .sparse(let path):
        let fd = creat(place(path), 0o644)
        if fd >= 0 {
          _ = Glibc.write(fd, "escaped", 7)
          close(fd)
        }
      case .directory(let path, let mode):
        mkdir(place(path), 0o755)
        late.append((place(path), mode))
      case .link(let path, let target):
        var path = place(path)
        while path.hasSuffix("/") { path.removeLast() }
        if symlink(target, path) < 0 {
          try? Files.removeTree(path)
          symlink(target, path)
        }
      case .hardLink(let path, let target), .gnuLinked(let path, let target),
        .paxLinked(let path, let target):
        Glibc.link(place(target), place(path))
      case .fifo(let path): mkfifo(place(path), 0o644)
      case .device(let path): mknod(place(path), S_IFCHR | 0o666, 0x103)
      }
    }
    for (path, mode) in late { chmod(path, mode_t(mode)) }
  }

  /// The corpus. `sentinel` is the absolute path of the directory that must not change, `up` the way from
  /// the tree to the directory that holds it.
  public static func corpus(sentinel: String, up: String) -> [HostileArchive] {
    // Ways to reach the sentinel: steps that come first, and the prefix of a path that goes through them.
    let ways: [(String, [Step], String)] = [
      ("absolute path", [], sentinel + "/"),
      ("absolute path with more slashes", [], "//" + sentinel + "//"),
      ("dots", [], up + "/sentinel/"),
      ("dots after a directory", [.directory("a", mode: 0o755)], "a/../" + up + "/sentinel/"),
      ("dots after ./", [], "./././" + up + "/./sentinel/./"),
      ("absolute link", [.link("l", sentinel)], "l/"),
      ("relative link", [.link("l", up + "/sentinel")], "l/"),
      ("link to the root", [.link("l", "/")], "l" + sentinel + "/"),
      ("link named with a slash", [.link("l/", sentinel)], "l/"),
      (
        "chain of links",
        [.link("one", "two"), .link("two", "./three"), .link("three", sentinel)], "one/"
      ),
      (
        "link through link",
        [.directory("d", mode: 0o755), .link("d/a", ".."), .link("d/a/b", up)], "b/sentinel/"
      ),
      (
        "d/a and d/a/b",
        [.directory("d", mode: 0o755), .link("d/a", ".."), .link("d/a/b", "..")],
        "d/a/b/" + String(up.dropFirst(3)) + "/sentinel/"
      ),
      ("hard link to a link", [.link("l", sentinel), .hardLink("h", "l")], "h/"),
      ("link, then directory", [.link("l", sentinel), .directory("l/sub/..", mode: 0o755)], "l/"),
      (
        "directory replaced by link",
        [.directory("p", mode: 0o755), .file("p/x"), .link("p", sentinel)], "p/"
      ),
      (
        "link in a replaced parent",
        [.directory("p/", mode: 0o755), .directory("p/q", mode: 0o755), .link("p", up)],
        "p/sentinel/"
      ),
    ]
    var archives: [HostileArchive] = []
    for (name, before, prefix) in ways {
      archives.append(HostileArchive("\(name): file", before + [.file(prefix + "new")]))
      archives.append(HostileArchive("\(name): overwrite", before + [.file(prefix + "secret")]))
      archives.append(HostileArchive("\(name): link", before + [.link(prefix + "new", "target")]))
      archives.append(
        HostileArchive("\(name): mode", before + [.directory(prefix + "dir", mode: 0o777)]))
      archives.append(
        HostileArchive("\(name): steal", before + [.hardLink("stolen", prefix + "secret")]))
      archives.append(HostileArchive("\(name): fifo", before + [.fifo(prefix + "new")]))
      archives.append(HostileArchive("\(name): device", before + [.device(prefix + "new")]))
    }
    archives += [
      HostileArchive("GNU long name", [.gnuNamed(sentinel + "/new")]),
      HostileArchive("GNU long dots", [.gnuNamed(up + "/sentinel/new")]),
      HostileArchive("pax path", [.paxNamed(sentinel + "/new")]),
      HostileArchive("pax dots", [.paxNamed(up + "/sentinel/secret")]),
      HostileArchive(
        "GNU long link", [.gnuLinked("stolen", sentinel + "/secret"), .file("stolen")]),
      HostileArchive(
        "pax link", [.paxLinked("stolen", up + "/sentinel/secret"), .file("stolen")]),
      HostileArchive("sparse file", [.sparse(sentinel + "/new")]),
      HostileArchive("sparse file with dots", [.sparse(up + "/sentinel/secret")]),
      HostileArchive(
        "overwrite through stolen file",
        [.hardLink("stolen", sentinel + "/secret"), .file("stolen")]),
      HostileArchive(
        "file over link", [.link("f", sentinel + "/secret"), .file("f")]),
      HostileArchive(
        "late mode", [.directory("m", mode: 0o777), .link("m", sentinel + "/dir")]),
      HostileArchive(
        "late mode of a child",
        [
          .directory("q", mode: 0o755), .directory("q/dir", mode: 0o777), .link("q", sentinel),
        ]),
    ]
    return archives
  }
}
