import Glibc
import Linux
import TestSupport
import Testing

// What an image or a volume puts in the way of a bundle's mounts.
extension SecurityOCIRows {
  private static let rounds = max(SecurityRows.rounds / 8, 10)

  /// Runs a bundle over and over and counts the lines that it prints; "failed" for a start that is refused.
  private func tally(_ path: String, _ rounds: Int = SecurityOCIRows.rounds) throws -> [String: Int]
  {
    let result = try fixture.base.shell(
      """
      for round in $(seq "$3"); do
        "$MINIDOCK-oci" --root "$1" run --bundle "$2" "$4-$round" </dev/null 2>/dev/null || echo failed
      done | sort | uniq -c
      """, fixture.root, path, String(rounds), fixture.id("race"), timeoutSeconds: 300)
    var lines: [String: Int] = [:]
    for line in result.output.split(separator: "\n") {
      let words = line.split(separator: " ", maxSplits: 1)
      if words.count == 2, let number = Int(words[0]) { lines[String(words[1])] = number }
    }
    return lines
  }

  private func bind(_ source: String, _ target: String) -> String {
    #"{"destination":"\#(target)","type":"bind","source":"\#(source)","options":["rbind"]}"#
  }

  /// A volume in which "dir" is a directory or a link to the sentinel's folder, and what exchanges them.
  private func racedVolume() throws -> (path: String, flipper: BackgroundProcess) {
    let volume = fixture.base.file("volume")
    try Files.makeDirectories(volume + "/dir", mode: 0o755)
    symlink(fixture.base.sentinel + "/folder", volume + "/link")
    try Files.makeDirectories(fixture.base.file("marker"), mode: 0o755)
    return (volume, try flip(volume + "/dir", volume + "/link"))
  }

  @Test func sec03_CVE_2021_30465_oci_aMountTargetSwappedForALinkStaysInside() throws {
    let before = try fixture.base.sentinelHash()
    let (volume, flipper) = try racedVolume()
    let path = try fixture.bundle("swap", ["grep", "-c", "/marker", "/proc/self/mountinfo"]) {
      try $0.append("mounts", bind(volume, "/data"))
      try $0.append("mounts", bind(fixture.base.file("marker"), "/data/dir"))
    }
    let lines = try tally(path)
    #expect(lines["1", default: 0] > 0, "\(lines)")
    #expect(Set(lines.keys).isSubset(of: ["1", "failed"]), "\(lines)")
    #expect(try fixture.base.sentinelHash() == before)
    // Control: checked first and then mounted by path, the mount lands on the host's folder.
    let tree = try fixture.base.makeTree("tree", changes: "mkdir tools vol")
    let control = try fixture.base.shell(
      """
      for round in $(seq 5000); do
        "$1" naive -b "$2:vol" -b "$DIRECTORY/marker:vol/dir" "$3" \
          grep -c /marker /proc/self/mountinfo 2>/dev/null | grep -qx 0 && echo outside && break
      done
      """, tools.tool, volume, tree, timeoutSeconds: 300)
    #expect(control.output == "outside\n", "\(control)")
    _ = flipper
  }

  @Test func sec04_CVE_2019_19921_oci_aLinkInPlaceOfProcOrSysIsRefusedByName() throws {
    for (index, (path, changes)) in [
      ("/proc", "rm -r proc; ln -s /bad proc"), ("/proc", "rm -r proc; echo text > proc"),
      ("/sys", "rm -r sys; ln -s bad sys"),
    ].enumerated() {
      let tree = try fixture.base.makeTree("link\(index)", changes: "mkdir bad tools; \(changes)")
      let result = try run(["true"], tree: tree)
      fixture.expectFailure(result, " \(path): ")
    }
    let volume = fixture.base.file("fake")
    try Files.makeDirectories(volume + "/self/attr", mode: 0o755)
    try fixture.expectRefused("/proc") { try $0.append("mounts", bind(volume, "/proc/")) }
    let replaced = try run(["true"]) { try $0.set("mounts", "[\(bind(volume, "/proc"))]") }
    fixture.expectFailure(replaced, "/proc")
    let tree = try fixture.base.makeTree(
      "tree", changes: "mkdir bad tools; rm -r proc; ln -s bad proc")
    let control = try naive([tree, "grep", "-c", " /bad .* proc ", "/proc/self/mountinfo"])
    #expect(control.output == "1\n", "\(control)")
  }

  @Test func sec05_CVE_2025_31133_oci_masksComeFromTheContainersOwnNullDevice() throws {
    let pattern = Files.text("/proc/sys/kernel/core_pattern")
    let tree = try fixture.base.makeTree(
      "null", changes: "rm -f dev/null; ln -s /proc/sys/kernel/core_pattern dev/null; mkdir tools")
    let look = ["/tools/tool", "look", "/proc/keys", "/proc/sys/kernel/core_pattern"]
    func paths(_ config: inout OCIConfig) throws {
      try config.set("linux.maskedPaths", #"["/proc/keys"]"#)
      try config.set("linux.readonlyPaths", #"["/proc/sys"]"#)
    }
    let expected = "/proc/keys empty null\n/proc/sys/kernel/core_pattern content EROFS\n"
    #expect(try run(look, tree: tree, paths).output == expected)
    // The image's /dev stays when the bundle mounts none: the host's own device serves then.
    let bare = try run(look, tree: tree) {
      try paths(&$0)
      try $0.set("mounts", #"[{"destination":"/proc","type":"proc"}]"#)
      try prepare(&$0)
    }
    #expect(bare.output == expected, "\(bare)")
    let control = try naive(["-k", tree, "/tools/tool", "look", "/proc/keys"])
    #expect(control.output == "/proc/keys content writable\n", "\(control)")
    #expect(Files.text("/proc/sys/kernel/core_pattern") == pattern)
  }

  @Test func sec07_CVE_2025_52881_oci_kernelParametersGoToARealProcfs() throws {
    let parameter = "net/ipv4/ip_unprivileged_port_start"
    let volume = fixture.base.file("fakeproc")
    try Files.makeDirectories(volume + "/sys/net/ipv4", mode: 0o755)
    try fixture.base.write("fakeproc/sys/\(parameter)", "fake\n")
    func sysctl(_ config: inout OCIConfig) throws {
      try config.set("linux.sysctl", #"{"net.ipv4.ip_unprivileged_port_start":"77"}"#)
    }
    let plain = try run(["cat", "/proc/sys/" + parameter], sysctl)
    #expect(plain.output == "77\n", "\(plain)")
    // A directory over a part of /proc: the container sees the forgery, the kernel has the value.
    let covered = try run(["sh", "-c", "cat /proc/sys/\(parameter) /host/sys/\(parameter)"]) {
      try sysctl(&$0)
      try $0.append("mounts", bind(volume + "/sys", "/proc/sys"))
      try $0.append("mounts", bind("/proc", "/host"))
    }
    #expect(covered.output == "fake\n77\n" || covered.status == 1, "\(covered)")
    #expect(Files.text(volume + "/sys/\(parameter)") == "fake")
    let tree = try fixture.base.makeTree(
      "tree", changes: "mkdir tools; rm -r proc; ln -s $SENTINEL proc")
    try Files.makeDirectories(fixture.base.sentinel + "/sys/net/ipv4", mode: 0o755)
    let before = try fixture.base.sentinelHash()
    #expect(try naive(["-P", "-s", parameter + "=77", tree, "true"]).status == 0)
    #expect(try fixture.base.sentinelHash() != before)
  }

  @Test func sec08_CVE_2026_41579_oci_nothingIsMadeThroughLinksInTheImagesDev() throws {
    let before = try fixture.base.sentinelHash()
    for (name, changes) in [
      ("whole", "rm -r dev; ln -s $SENTINEL dev"),
      ("null", "rm -f dev/null; ln -s $SENTINEL/null dev/null"),
      ("console", "rm -f dev/console; ln -s $SENTINEL/console dev/console"),
      ("folders", "rm -rf dev/pts; ln -s $SENTINEL/folder dev/pts; ln -s $SENTINEL/folder dev/net"),
    ] {
      let tree = try fixture.base.makeTree("dev" + name, changes: "mkdir tools; " + changes)
      let devices = #"[{"type":"c","path":"/dev/net/tun","major":10,"minor":200,"uid":1}]"#
      let result = try run(["echo", "ran"], tree: tree) { try $0.set("linux.devices", devices) }
      if name == "whole" {
        fixture.expectFailure(result, "/dev")
      } else {
        #expect(result.output == "ran\n", "\(name): \(result)")
      }
      let path = try fixture.bundle("bare" + name, ["true"]) {
        try prepare(&$0, tree)
        try $0.set("linux.devices", devices)
        try $0.set("mounts", #"[{"destination":"/proc","type":"proc"}]"#)
        try $0.set("root.readonly", "true")
      }
      try fixture.oci("run", "--bundle", path, fixture.id("bare" + name))
      #expect(try fixture.base.sentinelHash() == before, "\(name)")
    }
    let tree = try fixture.base.makeTree(
      "tree", changes: "mkdir tools; rm -r dev; ln -s $SENTINEL dev")
    _ = try naive(["-d", tree, "true"])
    #expect(try fixture.base.sentinelHash() != before)
  }

  @Test func sec09_CVE_2024_45310_oci_directoriesMadeThroughASwappedLinkStayInside() throws {
    let before = try fixture.base.sentinelHash()
    let (volume, flipper) = try racedVolume()
    let path = try fixture.bundle("made", ["echo", "started"]) {
      try $0.append("mounts", bind(volume, "/data"))
      try $0.append("mounts", bind(fixture.base.file("marker"), "/data/dir/made/deep"))
      try $0.append("mounts", bind(fixture.base.sentinel + "/file", "/data/dir/file"))
      try $0.set("process.cwd", #""/data/dir/work/deep""#)
    }
    let lines = try tally(path)
    #expect(lines["started", default: 0] > 0, "\(lines)")
    #expect(try fixture.base.sentinelHash() == before)
    let tree = try fixture.base.makeTree("tree", changes: "mkdir tools vol")
    _ = try fixture.base.shell(
      """
      for round in $(seq 5000); do
        "$1" naive -b "$2:vol" -b "$DIRECTORY/marker:vol/dir/made$round/deep" "$3" true 2>/dev/null
        [ -n "$(ls "$DIRECTORY/sentinel/folder" | grep made)" ] && break
      done
      """, tools.tool, volume, tree, timeoutSeconds: 300)
    #expect(try fixture.base.sentinelHash() != before)
    _ = flipper
  }
}
