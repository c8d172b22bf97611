import Glibc
import Linux
import TestSupport
import Testing

/// Rows of the security matrix through `minidock oci`: the same attempts as ``SecurityRows``, by bundles. The
/// negative control is the engine that works by path.
@Suite(.serialized, .enabled(if: MinidockFixture.isAvailable, MinidockFixture.requirement))
struct SecurityOCIRows {
  let fixture: OCIFixture
  let tools: SecurityTools

  init() throws {
    fixture = try OCIFixture("security")
    tools = try SecurityTools.shared()
  }

  /// Binds the tools and takes a tree as the root.
  func prepare(_ config: inout OCIConfig, _ tree: String? = nil) throws {
    if let tree { try config.set("root.path", "\"\(tree)\"") }
    try config.append(
      "mounts",
      #"{"destination":"/tools","type":"bind","source":"\#(tools.directory)","options":["rbind","ro"]}"#
    )
  }

  /// Runs a command in a container that has the tools.
  func run(
    _ command: [String], tree: String? = nil, _ change: (inout OCIConfig) throws -> Void = { _ in }
  ) throws -> CommandResult {
    let name = "row" + randomHex(bytes: 3)
    let path = try fixture.bundle(name, command) {
      try prepare(&$0, tree)
      try change(&$0)
    }
    return try fixture.oci("run", "--bundle", path, fixture.id(name))
  }

  func naive(_ arguments: [String], program: String = "tool") throws -> CommandResult {
    try TestSupport.run(
      ["\(tools.directory)/\(program)", "naive", "-b", "\(tools.directory):tools"] + arguments,
      timeoutSeconds: 60)
  }

  func flip(_ first: String, _ second: String) throws -> BackgroundProcess {
    let flipper = try BackgroundProcess([tools.tool, "flip", first, second])
    try #require(try flipper.wait(untilOutput: { $0.contains("ready") }, timeoutSeconds: 60))
    return flipper
  }

  @Test func sec01_CVE_2019_5736_oci_theRuntimeCannotBeWrittenThroughProcSelfExe() throws {
    let tree = try fixture.base.makeTree(
      "evil",
      changes: "printf '#!/proc/self/exe\\n' > entry; chmod 755 entry; mkdir -p lib64 lib tools")
    try #require(
      try fixture.base.shell(
        "for name in lib64/ld-linux-x86-64.so.2 lib/ld-linux-aarch64.so.1; do "
          + "install -m 755 \"$2/linker\" \"$1/$name\"; done", tree, tools.directory
      ).status == 0)
    func hash() throws -> String {
      try TestSupport.run(["sha256sum", MinidockFixture.runtime, MinidockFixture.binary]).output
    }
    let before = try hash()
    let path = try fixture.bundle("self", ["/entry"]) { try prepare(&$0, tree) }
    let id = try fixture.running("victim") { try prepare(&$0, tree) }
    // minidock loads libraries, and with them what the tree calls the loader.
    let refused: Set = ["overwrite: EROFS\n", "overwrite: EPERM\n"]
    for words in [["run", "--bundle", path, fixture.id("self")], ["exec", id, "/entry"]] {
      let result = try fixture.oci(words, program: [MinidockFixture.binary, "oci"])
      #expect(refused.contains(result.output), "\(result)")
    }
    // minidock-oci loads nothing: nothing of the tree runs at all.
    for words in [["run", "--bundle", path, fixture.id("self")], ["exec", id, "/entry"]] {
      let result = try fixture.oci(words)
      #expect(
        result.output == "" && result.errors.contains("there is no such command"), "\(result)")
    }
    #expect(try hash() == before)
    let control = try naive([tree, "/entry"], program: "dynamic")
    #expect(control.output == "overwrite: OK\n", "\(control)")
  }

  private static let leaking = """
    for number in $(seq 3 60); do eval "exec $number<\\"$DIRECTORY\\""; done

    """

  @Test func sec02_CVE_2024_21626_oci_noDescriptorOfTheCallerReachesTheContainer() throws {
    let tree = try fixture.base.makeTree(
      "links", changes: "mkdir tools; ln -s /proc/self/fd/7 link")
    let path = try fixture.bundle("fds", ["/tools/tool", "fds"]) { try prepare(&$0, tree) }
    let id = try fixture.running("later") { try prepare(&$0, tree) }
    let result = try fixture.base.shell(
      SecurityOCIRows.leaking + """
        "$MINIDOCK-oci" --root "$1" run --bundle "$2" "$3"
        "$MINIDOCK-oci" --root "$1" exec "$4" /tools/tool fds
        """, fixture.root, path, fixture.id("fds"), id)
    #expect(result.output == "0 1 2 \n0 1 2 \n", "\(result)")
    for place in [
      "/proc/self/fd/7", "/proc/self/fd/3", "/proc/self/cwd", "/link", "/link/sentinel",
    ] {
      let away = try fixture.bundle("cwd", ["cat", "sentinel/file", "file", "../sentinel/file"]) {
        try prepare(&$0, tree)
        try $0.set("process.cwd", "\"\(place)\"")
      }
      let tried = try fixture.base.shell(
        SecurityOCIRows.leaking + """
          "$MINIDOCK-oci" --root "$1" run --bundle "$2" "$3"; echo "status $?"
          "$MINIDOCK-oci" --root "$1" exec --cwd "$5" "$4" cat sentinel/file; echo "status $?"
          """, fixture.root, away, fixture.id("cwd"), id, place)
      #expect(tried.output == "status 1\nstatus 1\n", "\(place): \(tried)")
    }
    let control = try fixture.base.shell(
      SecurityOCIRows.leaking + #""$1" naive -w /proc/self/fd/7 "$2" cat sentinel/file"#,
      tools.tool, tree)
    #expect(control.output == "sentinel file\n", "\(control)")
  }

  @Test func sec10_CVE_2022_0492_oci_groupsCannotBeMountedOrWritten() throws {
    let cgroup = #"{"destination":"/sys/fs/cgroup","type":"cgroup","source":"c","options":["ro"]}"#
    let deny =
      #"{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":["unshare","mount"],"#
      + #""action":"SCMP_ACT_ERRNO"}]}"#
    let filtered = try run(["/tools/tool", "namespaces"]) { try $0.set("linux.seccomp", deny) }
    #expect(
      filtered.output.split(separator: "\n").allSatisfy { $0.hasSuffix(": EPERM") }, "\(filtered)")
    let plain = try run(["/tools/tool", "namespaces"])
    #expect(plain.output.hasPrefix("mount cgroup: EPERM\nmount cgroup2: EPERM\n"), "\(plain)")
    let script = """
      find /sys/fs/cgroup \\( -name release_agent -o -name cgroup.procs \\) | while read file; do
        (: > "$file") 2>&1 | grep -v 'Read-only file system'; done; true
      """
    let groups = try run(["sh", "-c", script]) { try $0.append("mounts", cgroup) }
    #expect(groups.output == "" && groups.status == 0, "\(groups)")
    // Control: with the right to mount, and without the filter, they can be.
    let able = try run(["/tools/tool", "namespaces"]) {
      for set in ["bounding", "effective", "permitted"] {
        try $0.append("process.capabilities." + set, #""CAP_SYS_ADMIN""#)
      }
    }
    #expect(able.output.contains(": OK\n"), "\(able)")
  }

  @Test func sec11_CVE_2023_25809_oci_theTemplateForUsersHasNoWritableGroups() throws {
    let path = fixture.base.file("template")
    try Files.claimDirectory(path, mode: 0o755)
    #expect(symlink(fixture.rootfs, path + "/rootfs") == 0)
    #expect(try fixture.oci("spec", "--rootless", "--bundle", path).status == 0)
    let script = "grep ' /sys' /proc/self/mounts | cut -d' ' -f 4 | grep -cv '^ro,'"
    func count(_ options: String) throws -> String {
      let text = (Files.text(path + "/config.json") ?? "")
        .replacing("\"terminal\": true", with: "\"terminal\": false")
        .replacing("\"sh\"", with: "\"sh\",\"-c\",\(JSONValue.string(script).compact)")
        .replacing("\"rro\"", with: options)
      try Files.replace(path + "/config.json", with: Array(text.utf8), mode: 0o644)
      return try fixture.oci("run", "--bundle", path, fixture.id("template")).output
    }
    #expect(try count("\"rro\"") == "0\n")
    // Control: made read-only at its top alone, the groups below are not.
    let control = try count("\"ro\"")
    #expect(Int(control.dropLast()) ?? 0 > 0, "\(control)")
  }

  @Test func sec12_CVE_2022_24769_oci_nothingIsInheritableUnlessItIsAskedFor() throws {
    let capable = ["setpriv", "--inh-caps=+net_raw,+chown", "--ambient-caps=+net_raw,+chown"]
    let look = ["grep", "-E", "^Cap(Inh|Amb)", "/proc/self/status"]
    let none = "CapInh:\t0000000000000000\nCapAmb:\t0000000000000000\n"
    for user in [0, 1000] {
      let path = try fixture.bundle("caps\(user)", look) {
        try $0.set("process.user.uid", "\(user)")
      }
      let result = try fixture.oci(
        ["run", "--bundle", path, fixture.id("caps\(user)")],
        program: capable + [MinidockFixture.runtime])
      #expect(result.output == none, "\(result)")
    }
    let id = try fixture.running("caps")
    let later = try fixture.oci(
      ["exec", "--user", "1000", "--cap", "CAP_NET_RAW", id] + look,
      program: capable + [MinidockFixture.runtime])
    #expect(later.output == none, "\(later)")
    let tree = try fixture.base.makeTree("tree", changes: "mkdir tools")
    let control = try TestSupport.run(capable + [tools.tool, "naive", tree] + look)
    #expect(
      control.output == "CapInh:\t0000000000002001\nCapAmb:\t0000000000002001\n", "\(control)")
  }

  @Test func sec13_CVE_2022_2990_oci_additionalGroupsDenyAccess() throws {
    let changes = "mkdir tools; echo secret > secret; chgrp 2000 secret; chmod 707 secret"
    let tree = try fixture.base.makeTree("tree", changes: changes)
    func read(_ groups: String) throws -> CommandResult {
      try run(["cat", "/secret"], tree: tree) {
        try $0.set("process.user", #"{"uid":1000,"gid":1000,"additionalGids":[\#(groups)]}"#)
        try $0.set("process.capabilities", "{}")
      }
    }
    let denied = try read("2000")
    #expect(denied.output == "" && denied.errors.contains("Permission denied"), "\(denied)")
    // Control: without the group the file is readable.
    #expect(try read("3000").output == "secret\n")
    let id = try fixture.running("groups") { try prepare(&$0, tree) }
    let later = try fixture.oci(
      "exec", "--user", "1000:1000", "--additional-gids", "2000", id, "id", "-G")
    #expect(later.output == "1000 2000\n", "\(later)")
  }

  @Test func sec14_CVE_2024_40635_oci_aUserIsANumberInRangeAndNeverAName() throws {
    let hostile =
      "for name in 1 01 -1 4294967295 4294967296; do echo \"$name:x:0:0::/:/bin/sh\"; done"
    let tree = try fixture.base.makeTree(
      "users", changes: "mkdir tools; \(hostile) >> etc/passwd; cp etc/passwd etc/group")
    for (uid, shown) in [("1", "1"), ("2147483648", "2147483648"), ("4294967294", "4294967294")] {
      let result = try run(["id", "-u"], tree: tree) { try $0.set("process.user.uid", uid) }
      #expect(result.output == shown + "\n", "\(uid): \(result)")
    }
    for uid in ["-1", "4294967295", "4294967296", "18446744073709551616", "1.5", "\"1\"", "1e2"] {
      for field in ["uid", "gid"] {
        try fixture.expectRefused("process.user.\(field)") {
          try $0.set("process.user.\(field)", uid)
        }
      }
    }
    let id = try fixture.running("users") { try prepare(&$0, tree) }
    for text in ["-1", "4294967295", "4294967296", "1:", "1:-1", "root", "1:4294967296"] {
      fixture.expectFailure(try fixture.oci("exec", "--user=\(text)", id, "id"), "--user")
    }
    #expect(try fixture.oci("exec", "--user", "01", id, "id", "-u").output == "1\n")
    let control = try naive(["-u", "4294967296", tree, "id", "-u"])
    #expect(control.output == "0\n", "\(control)")
  }

  @Test func sec33_CVE_2021_43784_oci_fiveThousandMappingsAreRefused() throws {
    let ranges = (0..<5000).map {
      "{\"containerID\":\($0),\"hostID\":\(100_000 + $0 * 2),\"size\":1}"
    }
    try fixture.expectRefused("linux.uidMappings: it has 5000 ranges, and the kernel takes 340") {
      try $0.mapUsers()
      try $0.set("linux.uidMappings", "[\(ranges.joined(separator: ","))]")
    }
    // Control: what the kernel takes arrives in full.
    let some = ranges[..<150].joined(separator: ",")
    let rest = #"{"containerID":150,"hostID":200000,"size":60000}"#
    let result = try run([
      "sh", "-c", "wc -l < /proc/self/uid_map; head -2 /proc/self/uid_map | tr -s ' '",
    ]) {
      try $0.mapUsers()
      try $0.set("linux.uidMappings", "[\(some),\(rest)]")
    }
    #expect(result.output == "151\n 0 100000 1\n 1 100002 1\n", "\(result)")
  }

  @Test func sec34_crun_1_28_oci_idsGroupsAndAnnotationsCannotLeaveTheirFolders() throws {
    let before = try fixture.base.sentinelHash()
    let path = try fixture.bundle("ids", ["true"])
    for id in [
      "..", "../x", "a/b", "/etc", ".x", "-x", "a b", "a\n", String(repeating: "a", count: 300),
    ] {
      let result = try fixture.oci("create", "--bundle", path, "--", id)
      fixture.expectFailure(result, "invalid container ID")
      fixture.expectFailure(try fixture.oci("delete", "--force", "--", id), "invalid container ID")
    }
    for group in ["../x", "/a/../../b", "a/./b", "/cgroup.procs", "a//b"] {
      try fixture.expectRefused("linux.cgroupsPath") {
        try $0.set("linux.cgroupsPath", "\"\(group)\"")
      }
    }
    // Annotations are told and nothing else.
    let id = try fixture.running("notes") {
      try $0.set(
        "annotations",
        #"{"../../x":"../../y","run.oci.hooks.stdout":"\#(fixture.base.sentinel)/file"}"#)
    }
    #expect(try fixture.state(id)?["annotations"]?["../../x"]?.plainText == "../../y")
    #expect(try fixture.base.sentinelHash() == before)
    // Control: an id of the same length without a way out is one.
    #expect(try fixture.create("ok").hasSuffix("ok"))
  }

  @Test func sec38_CVE_2014_8989_oci_aSingleGroupOfOnesOwnForbidsSetgroups() throws {
    let program = fixture.base.file("minidock")
    try #require(
      try fixture.base.shell(
        "install -m 755 \"$MINIDOCK\" \"$1\"; chown -R 65534:65534 \"$2\"; install -d -o 65534 \"$3\"",
        program, fixture.rootfs, fixture.root
      ).status == 0)
    let path = try fixture.bundle("deny", ["/tools/tool", "reach"]) {
      try prepare(&$0)
      try $0.mapUsers(from: 65534, count: 1)
    }
    let result = try fixture.oci(
      ["run", "--bundle", path, fixture.id("deny")],
      program: [
        "setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups", program, "oci",
      ])
    #expect(result.errors == "tool: become nobody: Operation not permitted\n", "\(result)")
    // Control: where root maps a range, the call is allowed.
    let allowed = try run(["/tools/tool", "reach"]) { try $0.mapUsers() }
    #expect(allowed.output == "0 paths\n", "\(allowed)")
  }
}
