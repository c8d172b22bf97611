import Glibc
import Linux
import TestSupport
import Testing

/// `minidock cp`: docker's rules of names, both ways, with containers that run and that do not.
@Suite(.enabled(if: MinidockFixture.isAvailable, MinidockFixture.requirement))
struct CopyTests {
  let fixture: MinidockFixture

  init() throws {
    fixture = try MinidockFixture("copy")
    _ = try fixture.shell(
      #"""
      cd "$DIRECTORY" && mkdir -p in/src/sub in/empty && echo file > in/file && echo a > in/src/a
      echo b > in/src/sub/b && ln -s src in/link && ln -s file in/flink
      """#)
  }

  private static let prepare =
    "mkdir -p /w/dir /w/full/src; echo old > /w/file; "
    + "ln -s dir /w/dlink; ln -s file /w/flink; ln -s missing /w/broken; echo x > /w/full/src/x"

  /// Source in in/, destination, and what there is below /w then; an error's part after "!".
  private static let rules: [(String, String, String)] = [
    ("file", "/w/dir", "dir/file=file"), ("file", "/w/dir/", "dir/file=file"),
    ("file", "/w/dir/.", "dir/file=file"), ("file", "/w/new", "new=file"),
    ("file", "w/new", "new=file"), ("file", "/w/file", "file=file"),
    ("file", "/w/new/", "!does not exist"), ("file", "/w/no/new", "!no directory"),
    ("file", "/w/file/", "!not a directory"), ("file", "/w/dlink", "dir/file=file"),
    ("file", "/w/flink", "file=file"), ("file", "/w/broken", "missing=file"),
    ("file/", "/w/dir", "!not a directory"), ("none", "/w/dir", "!no such file"),
    ("src", "/w/dir", "dir/src/a=a dir/src/sub/b=b"), ("src/", "/w/dir", "dir/src/a=a"),
    ("src", "/w/new", "new/a=a new/sub/b=b"), ("src", "/w/new/", "new/a=a new/sub/b=b"),
    ("src", "/w/file", "!a directory cannot be copied"), ("src/.", "/w/dir", "dir/a=a dir/sub/b=b"),
    ("src/.", "/w/new", "new/a=a new/sub/b=b"), ("src/.", "/w/file", "!a directory cannot"),
    ("src", "/w/no/new", "!no directory"), ("src", "/w/full", "full/src/a=a full/src/x=x"),
    ("file", "/w/full/src", "full/src/file=file"), ("link", "/w/dir", "dir/link>src"),
    ("link/", "/w/dir", "dir/link/a=a"), ("link/.", "/w/dir", "dir/a=a"),
    ("flink", "/w/new", "new>file"), ("flink", "/w/file", "file>file"),
    ("empty", "/w/dir", "dir/empty"),
  ]

  /// Expectations such as "path=text", "path>target" and "path", looked up in a listing.
  private func expect(
    _ expected: String, in lines: [String], _ label: String,
    _ location: SourceLocation = #_sourceLocation
  ) {
    for item in expected.split(separator: " ") {
      let parts = item.split(whereSeparator: { "=>".contains($0) }).map(String.init)
      let line = lines.first { $0.split(separator: " ").first.map(String.init) == parts[0] }
      #expect(line != nil, "\(label): no \(parts[0]) in \(lines)", sourceLocation: location)
      if parts.count == 2 {
        let kind = item.contains("=") ? " f " : " l "
        #expect(
          line?.hasSuffix(" " + parts[1]) == true && line?.contains(kind) == true,
          "\(label): \(line ?? "")", sourceLocation: location)
      }
    }
  }

  @Test func intoAContainerByDockersRules() throws {
    for (index, (source, target, expected)) in CopyTests.rules.enumerated() {
      // Every third with a running container, which takes longer to make.
      let name = "c\(index)"
      let process =
        index % 3 == 0 ? try fixture.running(name, CopyTests.prepare) : nil
      if process == nil { try fixture.stopped(name, CopyTests.prepare) }
      let result = try fixture.minidock("cp", fixture.file("in/" + source), "\(name):\(target)")
      let label = "\(source) \(target)"
      if expected.hasPrefix("!") {
        #expect(
          result.status == 1 && result.errors.contains(expected.dropFirst()), "\(label) \(result)")
      } else {
        #expect(result.status == 0 && result.errors == "", "\(label) \(result)")
        let out = try fixture.shell(
          #"mkdir -p "$DIRECTORY/$1" && "$MINIDOCK" export "$1" | tar -xC "$DIRECTORY/$1" w"#, name)
        #expect(out.status == 0, "\(out.errors)")
        expect(expected, in: try fixture.listing(name + "/w"), label)
      }
      try fixture.discard(name)
      try process?.wait()
    }
    try fixture.expectNoLeaks()
  }

  @Test func outOfAContainerByTheSameRules() throws {
    try fixture.stopped(
      "from", "cp -a /in /x 2>/dev/null; true", ["-v", "\(fixture.file("in")):/in:ro"])
    let process = try fixture.running("live", "true", ["-v", "\(fixture.file("in")):/x:ro"])
    for (index, (source, target, expected)) in CopyTests.rules.enumerated() {
      let made = try fixture.shell(
        "mkdir \"$DIRECTORY/o\(index)\" && cd \"$DIRECTORY/o\(index)\" && "
          + CopyTests.prepare.replacing("/w/", "w/").replacing(
            "mkdir -p ", "mkdir -p w && mkdir -p "))
      #expect(made.status == 0, "\(made.errors)")
      let path = target.hasPrefix("/") ? target : "/" + target
      let name = index % 2 == 0 ? "from" : "live"
      let result = try fixture.minidock(
        "cp", "\(name):/x/\(source)", fixture.file("o\(index)") + path)
      let label = "\(source) \(target)"
      if expected.hasPrefix("!") {
        #expect(
          result.status == 1 && result.errors.contains(expected.dropFirst()), "\(label) \(result)")
      } else {
        #expect(result.status == 0 && result.errors == "", "\(label) \(result)")
        expect(expected, in: try fixture.listing("o\(index)/w"), label)
      }
    }
    try fixture.discard("from", "live")
    try process.wait()
    try fixture.expectNoLeaks()
  }

  @Test func ownersModesLinksAndAttributesAreCopied() throws {
    let made = try fixture.shell(
      #"""
      cd "$DIRECTORY/in/src" && chown 12:34 a && chmod 4751 a && ln a hard && mkfifo pipe && mknod null c 1 3
      chown 12:34 sub && chmod 2770 sub && touch -d @1000000000 a sub && setfattr -n user.k -v v a
      cp /bin/true caps && setcap cap_net_raw+ep caps
      """#)
    try #require(made.status == 0, "\(made.errors)")
    try fixture.stopped("box", "mkdir /plain /kept")
    try fixture.succeed("cp", fixture.file("in/src"), "box:/plain")
    try fixture.succeed("cp", "-a", fixture.file("in/src"), "box:/kept")
    let inside = try fixture.shell(
      #""$MINIDOCK" export box | tar -tvf - | grep -E 'src/(a|hard|sub|null|pipe)'"#)
    let text = inside.output.lines.map { $0.split(separator: " ").prefix(2).joined(separator: " ") }
    #expect(
      text == [
        "-rwsr-x--x 12/34", "hrwsr-x--x 12/34", "crw-r--r-- 0/0", "prw-r--r-- 0/0",
        "drwxrws--- 12/34",
        "-rw-r--r-- 0/0", "-rwxr-x--x 0/0", "hrwxr-x--x 0/0", "crw-r--r-- 0/0", "prw-r--r-- 0/0",
        "drwxrws--- 0/0", "-rw-r--r-- 0/0",
      ], "\(inside.output)")
    // Out again: the caller's without the rights that root in the container gave, or as they are.
    try fixture.succeed("cp", "box:/kept/src", fixture.file("plain"))
    try fixture.succeed("cp", "-a", "box:/kept/src", fixture.file("kept"))
    let outside = try fixture.shell(
      #"""
      cd "$DIRECTORY"; stat -c '%a %u:%g %Y %h' plain/a kept/a kept/sub plain/sub; getcap plain/caps kept/caps
      getfattr --only-values -n user.k kept/a; cmp in/src/caps kept/caps; [ -p kept/pipe ] && stat -c %t:%T kept/null
      """#)
    #expect(
      outside.output == """
        751 0:0 1000000000 2
        4751 12:34 1000000000 2
        2770 12:34 1000000000 2
        2770 0:0 1000000000 2
        kept/caps cap_net_raw=ep
        v1:3

        """, "\(outside)")
    try fixture.discard("box")
  }

  @Test func volumesTmpfsAndTheEnginesFilesAreSeen() throws {
    try Files.makeDirectories(fixture.file("vol"), mode: 0o755)
    let flags = ["-v", "\(fixture.file("vol")):/vol", "--tmpfs", "/mem"]
    let process = try fixture.running("live", "echo m > /mem/m", flags)
    try fixture.stopped("rest", "true", ["-v", "\(fixture.file("vol")):/vol"])
    for name in ["live", "rest"] {
      try fixture.succeed("cp", fixture.file("in/file"), "\(name):/vol/\(name)")
      #expect(Files.text(fixture.file("vol/\(name)")) == "file")
      try fixture.succeed("cp", "\(name):/vol/\(name)", fixture.file("back-\(name)"))
      #expect(Files.text(fixture.file("back-\(name)")) == "file")
    }
    try fixture.succeed("cp", "live:/mem/m", fixture.file("m"))
    #expect(Files.text(fixture.file("m")) == "m")
    try fixture.succeed("cp", fixture.file("in/file"), "live:/mem")
    // A mounted file cannot be replaced: it is written in place.
    try fixture.succeed("cp", fixture.file("in/file"), "live:/etc/hosts")
    try fixture.succeed("cp", "live:/etc/hosts", fixture.file("hosts"))
    #expect(Files.text(fixture.file("hosts")) == "file")
    for target in ["/proc", "/proc/sys/kernel/x", "/sys/x", "/dev", "/dev/x", "/dev/pts/x"] {
      try fixture.refuse(["cp", fixture.file("in/file"), "live:\(target)"], status: 1)
    }
    try fixture.refuse(["cp", "live:/proc/cpuinfo", fixture.file("x")], status: 1)
    // The whole root: what the kernel shows is left out, and nothing blocks.
    try fixture.succeed("cp", "live:/", fixture.file("all"))
    let all = try fixture.shell(#"cd "$DIRECTORY/all" && ls -A proc sys dev; cat mem/m vol/live"#)
    #expect(all.output == "dev:\n\nproc:\n\nsys:\nm\nfile\n", "\(all)")
    try fixture.discard("live", "rest")
    try process.wait()
    try fixture.expectNoLeaks()
  }

  @Test func archivesGoInAndOutThroughStandardStreams() throws {
    try fixture.stopped("box", "mkdir /to; ln -s to /via; ln -s /etc /to/abs")
    let result = try fixture.shell(
      #"""
      cd "$DIRECTORY/in"
      for c in cat gzip zstd xz bzip2; do tar -c --owner=7 --group=8 src | $c | "$MINIDOCK" cp - box:/via; echo $?; done
      "$MINIDOCK" cp box:/to/src - | tar -tv | awk '{ print $1, $2, $6 }'
      "$MINIDOCK" cp box:/to/src/. - | tar -t; "$MINIDOCK" cp box:/to/src/a - | tar -xO
      for to in /none /etc/group; do tar -c src | "$MINIDOCK" cp - box:$to 2>&1 | cut -d: -f1-2; done
      echo garbage | "$MINIDOCK" cp - box:/to; mkdir -p abs && echo x > abs/planted
      tar -c abs/planted | "$MINIDOCK" cp - box:/to; tar -cP ../in/file | "$MINIDOCK" cp - box:/to
      """#)
    #expect(
      result.output == """
        0
        0
        0
        0
        0
        drwxr-xr-x 7/8 src/
        -rw-r--r-- 7/8 src/a
        drwxr-xr-x 7/8 src/sub/
        -rw-r--r-- 7/8 src/sub/b
        ./
        ./a
        ./sub/
        ./sub/b
        a
        minidock: copy to box
        minidock: copy to box

        """, "\(result)")
    #expect(
      result.errors.contains("leads out of") && result.errors.contains("not a tar"), "\(result)")
    try fixture.discard("box")
  }

  @Test func mistakesAreNamed() throws {
    try fixture.stopped("box", "true")
    let file = fixture.file("in/file")
    for (words, text) in [
      ([file, fixture.file("x")], "neither side"), (["box:/a", "box:/b"], "between containers"),
      (["none:/a", "x"], "no such container"), (["box:/none", fixture.file("x")], "box:/none"),
      (["box:/etc", fixture.file("in/file")], "a directory cannot be copied"),
    ] {
      let line = try fixture.refuse(["cp"] + words, status: 1)
      #expect(line.contains(text), "\(line)")
    }
    try fixture.stopped("sealed", "true", ["--read-only"])
    let line = try fixture.refuse(["cp", file, "sealed:/x"], status: 1)
    #expect(line.contains("read-only"), "\(line)")
    // A directory cannot be copied into itself, by whatever way it is reached.
    try fixture.stopped("loop", "true", ["-v", "\(fixture.file("in")):/in"])
    let loop = try fixture.refuse(["cp", fixture.file("in"), "loop:/in/src"], status: 1)
    #expect(loop.contains("into itself"), "\(loop)")
    try fixture.discard("box", "sealed", "loop")
  }
}

extension String {
  fileprivate func replacing(_ old: String, _ new: String) -> String {
    var result = ""
    var rest = self[...]
    while !rest.isEmpty {
      if rest.hasPrefix(old) {
        result += new
        rest = rest.dropFirst(old.count)
      } else {
        result.append(rest.removeFirst())
      }
    }
    return result
  }
}
