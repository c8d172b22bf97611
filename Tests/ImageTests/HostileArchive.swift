import Glibc
import Linux

/// An archive as a list of steps: they build the tar for the import, and they drive a naive unpacker
/// that does what every vulnerable one did, to show that the same archive escapes there.
struct HostileArchive {
  enum Step {
    case file(String)
    case directory(String, mode: Int)
    case link(String, String)
    case hardLink(String, String)
    case fifo(String)
    /// A file whose name comes in a GNU long-name header, in a pax header, or in both parts of ustar.
    case gnuNamed(String)
    case paxNamed(String)
  }

  var name: String
  var steps: [Step]

  init(_ name: String, _ steps: [Step]) {
    self.name = name
    self.steps = steps
  }

  var bytes: [UInt8] {
    TarBuilder.archive { tar in
      for step in steps {
        switch step {
        case .file(let path): tar.file(path, "escaped", mode: 0o4755)
        case .directory(let path, let mode): tar.directory(path, mode: mode)
        case .link(let path, let target): tar.link(path, target)
        case .hardLink(let path, let target): tar.hardLink(path, target)
        case .fifo(let path): tar.add(TarBuilder.Header(path, "6"))
        case .gnuNamed(let path):
          tar.gnuLong(path, type: "L")
          tar.file("short", "escaped")
        case .paxNamed(let path):
          tar.pax([("path", Array(path.utf8))])
          tar.file("short", "escaped")
        }
      }
    }
  }

  /// Unpacks by joining strings and letting the host resolve them: the negative control.
  func unpackNaively(into tree: String) {
    func place(_ path: String) -> String { path.hasPrefix("/") ? path : tree + "/" + path }
    var late: [(String, Int)] = []
    for step in steps {
      switch step {
      case .file(let path), .gnuNamed(let path), .paxNamed(let path):
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
      case .hardLink(let path, let target): Glibc.link(place(target), place(path))
      case .fifo(let path): mkfifo(place(path), 0o644)
      }
    }
    for (path, mode) in late { chmod(path, mode_t(mode)) }
  }

  /// The corpus. `sentinel` is the absolute path of the directory that must not change, `up` the way from
  /// the tree to the directory that holds it.
  static func corpus(sentinel: String, up: String) -> [HostileArchive] {
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
    }
    archives += [
      HostileArchive("GNU long name", [.gnuNamed(sentinel + "/new")]),
      HostileArchive("GNU long dots", [.gnuNamed(up + "/sentinel/new")]),
      HostileArchive("pax path", [.paxNamed(sentinel + "/new")]),
      HostileArchive("pax dots", [.paxNamed(up + "/sentinel/secret")]),
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
