import Glibc
import Linux
import TestSupport
import Testing

// Races: one processor exchanges a directory or file with a symbolic link in a volume while containers
// start on it. An image tree alone never changes during a start; a volume does.
extension SecurityRows {
  /// A volume in which "dir" is a directory or a link to the sentinel's folder, and what exchanges them.
  private func racedVolume() throws -> (path: String, flipper: BackgroundProcess) {
    let volume = fixture.file("volume")
    try Files.makeDirectories(volume + "/dir", mode: 0o755)
    symlink(fixture.sentinel + "/folder", volume + "/link")
    try Files.makeDirectories(fixture.file("marker"), mode: 0o755)
    return (volume, try flip(volume + "/dir", volume + "/link"))
  }

  @Test func sec03_CVE_2021_30465_aMountTargetSwappedForALinkStaysInsideTheContainer() throws {
    let before = try fixture.sentinelHash()
    let tree = try fixture.makeTree("tree", changes: "mkdir tools vol")
    let (volume, flipper) = try racedVolume()
    // A mount that escaped would not be among those that the container sees.
    let lines = try tally(
      SecurityRows.rounds,
      """
      start -v "$DIRECTORY/volume:/vol" -v "$DIRECTORY/marker:/vol/dir" busybox \
        grep -c /marker /proc/self/mountinfo || echo failed
      """)
    #expect(lines["1", default: 0] > 0, "\(lines)")
    #expect(Set(lines.keys).isSubset(of: ["1", "failed"]), "\(lines)")
    #expect(try fixture.sentinelHash() == before)

    // Control: checked first and then mounted by path, the mount lands on the host's folder.
    let control = try tally(
      5000, until: #"[ "$found" = 0 ]"#,
      """
      found=$("$TOOL" naive -b "\(volume):vol" -b "$DIRECTORY/marker:vol/dir" "\(tree)" \
        grep -c /marker /proc/self/mountinfo); echo "$found"
      """)
    #expect(control["0"] != nil, "\(control)")
    _ = flipper
    try expectNothingLeft()
  }

  @Test func sec09_CVE_2024_45310_directoriesMadeThroughASwappedLinkStayInside() throws {
    let before = try fixture.sentinelHash()
    let tree = try fixture.makeTree("tree", changes: "mkdir tools vol")
    let (volume, flipper) = try racedVolume()
    let lines = try tally(
      SecurityRows.rounds,
      """
      start -v "$DIRECTORY/volume:/vol" -v "$DIRECTORY/marker:/vol/dir/made$ROUND/deep" \
        -v "$DIRECTORY/sentinel/file:/vol/dir/file$ROUND:ro" -w "/vol/dir/work$ROUND/deep" busybox \
        true && echo started || echo failed
      """)
    #expect(lines["started", default: 0] > 0, "\(lines)")
    #expect(try fixture.sentinelHash() == before)

    // Control: mkdir by path follows the link.
    _ = try tally(
      5000, until: #"[ -n "$(ls "$DIRECTORY/sentinel/folder" | grep made)" ]"#,
      """
      "$TOOL" naive -b "\(volume):vol" -b "$DIRECTORY/marker:vol/dir/made$ROUND/deep" "\(tree)" true
      """)
    #expect(try fixture.sentinelHash() != before)
    _ = flipper
    try expectNothingLeft()
  }

  @Test func sec05_CVE_2025_31133_masksComeFromTheContainersOwnNullDevice() throws {
    let pattern = Files.text("/proc/sys/kernel/core_pattern")
    let changes = "rm -f dev/null; ln -s /proc/sys/kernel/core_pattern dev/null; mkdir tools"
    let tree = try fixture.makeTree("tree", changes: changes)
    try fixture.importTree(tree, as: "evil")
    let paths = [
      "/proc/keys", "/proc/interrupts", "/proc/timer_list", "/proc/sys/kernel/core_pattern",
    ]
    let expected: Set = [
      "/proc/keys empty null", "/proc/interrupts empty null", "/proc/timer_list empty null",
      "/proc/sys/kernel/core_pattern content EROFS", "/proc/keys absent",
      "/proc/interrupts absent", "/proc/timer_list absent",
    ]
    let result = try fixture.run(["-v", toolsVolume, "evil", "/tools/tool", "look"] + paths)
    let lines = result.output.split(separator: "\n").map(String.init)
    #expect(lines.count == 4 && Set(lines).isSubset(of: expected), "\(result)")

    // The same with a /dev that is exchanged meanwhile: such a start fails, or its masks hold.
    let volume = fixture.file("volume")
    try Files.makeDirectories(volume, mode: 0o755)
    try #require(mknod(volume + "/null", S_IFCHR | 0o666, makedev(1, 3)) == 0)
    symlink("/proc/sys/kernel/core_pattern", volume + "/link")
    let flipper = try flip(volume + "/null", volume + "/link")
    let raced = try tally(
      SecurityRows.rounds / 4,
      """
      start -v "$DIRECTORY/volume:/dev" -v "\(toolsVolume)" evil /tools/tool look \
        \(paths.joined(separator: " ")) || echo failed
      """)
    #expect(!raced.isEmpty && Set(raced.keys).isSubset(of: expected.union(["failed"])), "\(raced)")
    _ = flipper

    // Control: the image's link leads the mask to the host's file, which is writable then.
    let control = try naive(["-k", tree, "/tools/tool", "look", "/proc/keys"])
    #expect(control.output == "/proc/keys content writable\n", "\(control)")
    #expect(Files.text("/proc/sys/kernel/core_pattern") == pattern)
    try expectNothingLeft()
  }

  private func makedev(_ major: dev_t, _ minor: dev_t) -> dev_t { major << 8 | minor }

  @Test func sec06_CVE_2025_52565_theConsoleIsThePtyThatWasOpened() throws {
    let before = try fixture.sentinelHash()
    let changes = """
      rm -rf dev/pts dev/console
      mkdir -p dev/pts tools
      touch dev/console
      ln -s "$SENTINEL/console" dev/pts/0
      ln -s "$SENTINEL/console" dev/ptmx
      """
    let tree = try fixture.makeTree("tree", changes: changes)
    try fixture.importTree(tree, as: "evil")
    let write = "echo written > /dev/console; stat -c '%t' /dev/console; tty"
    let result = try fixture.run("-t", "evil", "sh", "-c", write)
    #expect(result.output == "written\r\n88\r\n/dev/pts/0\r\n", "\(result)")

    // A /dev or /dev/pts that somebody else can change: a pty, or no start.
    let volume = fixture.file("volume")
    try Files.makeDirectories(volume + "/pts", mode: 0o755)
    for folder in [volume, volume + "/pts"] {
      try Files.replace(folder + "/0", with: [], mode: 0o666)
      symlink(fixture.sentinel + "/console", folder + "/link")
    }
    let flippers = try [volume, volume + "/pts"].map { try flip($0 + "/0", $0 + "/link") }
    for target in ["/dev", "/dev/pts"] {
      let raced = try tally(
        SecurityRows.rounds / 8,
        """
        start -t -v "$DIRECTORY/volume:\(target)" busybox sh -c "\(write)" | tr -d '\\r'
        [ "${PIPESTATUS[0]}" = 0 ] || echo failed
        """)
      #expect(Set(raced.keys).isSubset(of: ["written", "88", "/dev/pts/0", "failed"]), "\(raced)")
    }
    _ = flippers
    #expect(try fixture.sentinelHash() == before)

    // Control: a bind mount of ROOT/dev/pts/0 by path makes the host's file the console.
    let control = try naive(["-c", tree, "sh", "-c", "echo written > /dev/console"])
    #expect(control.status == 0, "\(control)")
    #expect(try fixture.sentinelHash() != before)
    try expectNothingLeft()
  }

  @Test func sec07_CVE_2025_52881_kernelParametersGoToARealProcfs() throws {
    let before = try fixture.sentinelHash()
    let parameter = "net/ipv4/ip_unprivileged_port_start"
    let volume = fixture.file("volume")
    for folder in [volume + "/sys/net/ipv4", fixture.sentinel + "/sys/net/ipv4", volume + "/self"] {
      try Files.makeDirectories(folder, mode: 0o755)
    }
    for tree in [volume, fixture.sentinel] {
      try Files.replace("\(tree)/sys/\(parameter)", with: Array("fake\n".utf8), mode: 0o644)
    }
    let planted = try fixture.sentinelHash()
    #expect(planted != before)
    try Files.replace(volume + "/self/oom_score_adj", with: Array("fake\n".utf8), mode: 0o644)
    symlink(fixture.sentinel + "/sys", volume + "/link")
    let flipper = try flip(volume + "/sys", volume + "/link")
    // The host's procfs, bound elsewhere, tells what the container's own parameter really is.
    let lines = try tally(
      SecurityRows.rounds / 4,
      """
      start --sysctl \(parameter.map { $0 == "/" ? "." : String($0) }.joined())=77 \
        -v "$DIRECTORY/volume:/proc" -v /proc:/host:ro busybox cat /host/sys/\(parameter) || echo failed
      """)
    #expect(!lines.isEmpty && Set(lines.keys).isSubset(of: ["77", "failed"]), "\(lines)")
    _ = flipper
    let plain = try fixture.run(
      "--sysctl", "net.ipv4.ip_unprivileged_port_start=77", "busybox", "cat",
      "/proc/sys/" + parameter)
    #expect(plain.output == "77\n", "\(plain)")
    // The OOM score is written through /proc too: really applied, or no start.
    let score = try fixture.run(
      "--oom-score-adj", "500", "-v", "\(volume):/proc", "-v", "/proc:/host:ro", "busybox", "cat",
      "/host/self/oom_score_adj")
    #expect(score.output == "500\n" || score.status == 125, "\(score)")
    #expect(try fixture.sentinelHash() == planted)

    // Control: a write by path goes to whatever file is there, and the parameter keeps its value.
    let tree = try fixture.makeTree(
      "tree", changes: "mkdir tools; rm -r proc; ln -s $SENTINEL proc")
    let control = try naive(["-P", "-s", parameter + "=77", tree, "true"])
    #expect(control.status == 0, "\(control)")
    #expect(try fixture.sentinelHash() != planted)
    try expectNothingLeft()
  }
}
