import Glibc
import Linux
import TestSupport
import Testing

extension SecurityRows {
  // An image whose entrypoint executes the host's program again and whose dynamic linker takes it over.
  private static let selfExecution = """
    printf '#!/proc/self/exe\\n' > entry
    chmod 755 entry
    mkdir -p lib64 lib tools
    """

  @Test func sec01_CVE_2019_5736_theHostProgramCannotBeWrittenThroughProcSelfExe() throws {
    let tree = try fixture.makeTree("tree", changes: SecurityRows.selfExecution)
    try #require(
      try fixture.shell(
        "for name in lib64/ld-linux-x86-64.so.2 lib/ld-linux-aarch64.so.1; do "
          + "install -m 755 \"$2/linker\" \"$1/$name\"; done", tree, tools.directory
      ).status == 0)
    try fixture.importTree(tree, as: "evil")
    let before = try programState(MinidockFixture.binary)
    let result = try run("evil", "/entry")
    #expect(["overwrite: EROFS\n", "overwrite: EPERM\n"].contains(result.output), "\(result)")
    #expect(try programState(MinidockFixture.binary) == before)

    // In a folder that overlayfs cannot take, the program runs from a sealed copy in memory.
    let copy = fixture.file("odd:folder/minidock")
    try Files.makeDirectories(fixture.file("odd:folder"), mode: 0o755)
    try #require(try TestSupport.run(["cp", MinidockFixture.binary, copy]).status == 0)
    let copyBefore = try programState(copy)
    let sealed = try TestSupport.run(
      [copy, "run", "--rm", "--network", "none", "-v", toolsVolume, "evil", "/entry"],
      environment: fixture.environment)
    #expect(sealed.output == "overwrite: EPERM\n", "\(sealed)")
    #expect(try programState(copy) == copyBefore)

    // Control: an engine that executes its own file on the host is writable from inside.
    let control = try TestSupport.run(
      ["\(tools.directory)/dynamic", "naive", "-b", "\(tools.directory):tools", tree, "/entry"])
    #expect(control.output == "overwrite: OK\n", "\(control)")
    try expectNothingLeft()
  }

  private func programState(_ path: String) throws -> String {
    try TestSupport.run(["sh", "-c", "sha256sum \"$1\"; stat -c '%Y %Z %s' \"$1\"", "sh", path])
      .output
  }

  private static let leakingDescriptors = """
    for number in $(seq 3 60); do eval "exec $number<\\"$DIRECTORY\\""; done

    """

  @Test func sec02_CVE_2024_21626_noDescriptorOfTheCallerReachesTheContainer() throws {
    try fixture.importImage("links", changes: "ln -s /proc/self/fd/7 link")
    let inside = try fixture.shell(
      SecurityRows.leakingDescriptors
        + "\"$MINIDOCK\" run --rm --network none -v \"$1:/tools:ro\" busybox /tools/tool fds",
      tools.directory)
    #expect(inside.output == "0 1 2 \n", "\(inside)")
    let directories = try fixture.shell(
      SecurityRows.leakingDescriptors + """
        for place in /proc/self/fd/{3,4,5,6,7,8,9,10,11,20,60} /proc/self/cwd /link /link/sentinel; do
          "$MINIDOCK" run --rm --network none -w "$place" links cat sentinel/file file ../sentinel/file
          echo "status $?"
        done
        """)
    #expect(!directories.output.contains("sentinel file"), "\(directories)")
    #expect(
      directories.output.split(separator: "\n").allSatisfy { $0 == "status 125" }, "\(directories)")

    // Control: an engine that closes nothing and changes directory by path is out.
    let tree = try fixture.makeTree("tree", changes: "mkdir tools")
    let control = try fixture.shell(
      SecurityRows.leakingDescriptors + """
        "$2" naive -b "$1:tools" "$3" /tools/tool fds
        "$2" naive -w /proc/self/fd/7 "$3" cat sentinel/file
        """, tools.directory, tools.tool, tree)
    #expect(control.output.contains(" 57 58 59 60 "), "\(control)")
    #expect(control.output.hasSuffix("\nsentinel file\n"), "\(control)")
    try expectNothingLeft()
  }

  @Test func sec12_CVE_2022_24769_inheritableAndAmbientCapabilitiesAreEmpty() throws {
    let capable = ["setpriv", "--inh-caps=+net_raw,+chown", "--ambient-caps=+net_raw,+chown"]
    let look = ["grep", "-E", "^Cap(Inh|Amb)", "/proc/1/status", "/proc/self/status"]
    for flags in [[], ["-u", "1000"], ["--init"], ["-u", "1000", "--cap-add", "SYS_ADMIN"]] {
      let result = try TestSupport.run(
        capable + [MinidockFixture.binary, "run", "--rm", "--network", "none"] + flags
          + ["busybox"] + look, environment: fixture.environment)
      let values = result.output.split(separator: "\n").map { $0.split(separator: "\t").last ?? "" }
      #expect(values.count == 4 && values.allSatisfy { $0 == "0000000000000000" }, "\(result)")
    }
    let user = try run("-u", "1000", "busybox", "grep", "-E", "^Cap(Eff|Prm)", "/proc/self/status")
    #expect(
      user.output == "CapPrm:\t0000000000000000\nCapEff:\t0000000000000000\n", "\(user)")

    // Control: what an engine does not clear arrives.
    let tree = try fixture.makeTree("tree", changes: "mkdir tools")
    let control = try TestSupport.run(
      capable + [tools.tool, "naive", tree, "grep", "-E", "^Cap(Inh|Amb)", "/proc/self/status"])
    #expect(
      control.output == "CapInh:\t0000000000002001\nCapAmb:\t0000000000002001\n", "\(control)")
    try expectNothingLeft()
  }

  // alice is a member of the denied group, bob has it as his primary group.
  private func imageWithDeniedGroup() throws -> String {
    let tree = try fixture.makeTree(
      "tree",
      changes: """
        mkdir -p tools
        printf '%s\\n' alice:x:1000:1000::/:/bin/sh bob:x:1001:2000::/:/bin/sh >> etc/passwd
        printf '%s\\n' denied:x:2000:alice other:x:3000: >> etc/group
        echo secret > secret
        chgrp 2000 secret
        chmod 707 secret
        """)
    try #require(
      try fixture.shell(
        "install -m 2755 -g 3000 \"$2\" \"$1/bin/setgid\"", tree, tools.tool
      ).status == 0)
    try fixture.importTree(tree, as: "denied")
    return tree
  }

  @Test func sec13_CVE_2022_2990_supplementaryGroupsOfTheImageDenyAccess() throws {
    let tree = try imageWithDeniedGroup()
    let alice = try fixture.run("-u", "alice", "denied", "cat", "/secret")
    #expect(alice.status == 1 && alice.output == "", "\(alice)")
    #expect(alice.errors.contains("Permission denied"), "\(alice)")
    let number = try fixture.run("-u", "1000", "denied", "cat", "/secret")
    #expect(number.status == 1 && number.output == "", "\(number)")
    // A stranger to the group may read: it is the group that denies.
    let carol = try fixture.run("-u", "1002", "denied", "cat", "/secret")
    #expect(carol.output == "secret\n", "\(carol)")

    // Control: without the groups of the image alice gets in.
    let control = try naive(["-g", "1000", "-u", "alice", tree, "cat", "/secret"])
    #expect(control.output == "secret\n", "\(control)")
    try expectNothingLeft()
  }

  @Test func sec13_CVE_2022_36109_thePrimaryGroupStaysWhenASetgidProgramReplacesIt() throws {
    let tree = try imageWithDeniedGroup()
    // The program's effective group is another one, so that only the supplementary groups can deny.
    for user in ["bob", "1001", "1001:2000"] {
      let result = try fixture.run("-u", user, "denied", "/bin/setgid", "groups", "3000", "/secret")
      #expect(result.output.hasPrefix("read: EACCES\n"), "-u \(user): \(result)")
      #expect(result.output.contains("group 1 "), "-u \(user): \(result)")
    }
    // Control: the primary group alone is lost to the setgid program.
    let control = try naive(
      ["-g", "2000", "-u", "bob", tree, "/bin/setgid", "groups", "3000", "/secret"])
    #expect(control.output.hasPrefix("read: OK\n"), "\(control)")
    try expectNothingLeft()
  }

  @Test func sec14_CVE_2024_40635_digitsAreAUserNumberOrAnErrorAndNeverAName() throws {
    let hostile = ["1", "01", "-1", "+1", "4294967295", "4294967297", "2147483648", "99999999999"]
    let tree = try fixture.makeTree(
      "tree",
      changes: "mkdir tools; for name in \(hostile.joined(separator: " ")); do "
        + "echo \"$name:x:0:0::/:/bin/sh\"; done >> etc/passwd; cp etc/passwd etc/group")
    try fixture.importTree(tree, as: "users")
    let numbers = ["1": "1", "01": "1", "2147483648": "2147483648", "4294967294": "4294967294"]
    for (text, uid) in numbers {
      let result = try fixture.run("-u", text, "users", "id", "-u")
      #expect(result.output == uid + "\n", "-u \(text): \(result)")
    }
    let wrong = [
      "-1", "4294967295", "4294967296", "4294967297", "99999999999", "18446744073709551616", "1:",
      "1:-1", "1:4294967296", "1:99999999999", "-0",
    ]
    for text in wrong {
      expectRefused(try fixture.run("--user=\(text)", "users", "id", "-u"), "look up")
    }
    for text in ["1", "1:01", "01:1"] {
      let result = try fixture.run("-u", text, "users", "id", "-g")
      #expect(text == "1" || result.output == "1\n", "-u \(text): \(result)")
    }

    // Control: names first, and a number that overflows.
    for text in ["1", "-1", "4294967295", "4294967296"] {
      let control = try naive(["-u", text, tree, "id", "-u"])
      #expect(control.output == "0\n", "-u \(text): \(control)")
    }
    try expectNothingLeft()
  }
}
