import Glibc
import Linux
import TestSupport
import Testing

// The kernel's and the host's interfaces that a container must not reach.
extension SecurityRows {
  @Test func sec10_CVE_2022_0492_cgroupsCannotBeMountedFromANewNamespace() throws {
    let result = try run("busybox", "/tools/tool", "namespaces")
    #expect(
      result.output == """
        mount cgroup: EPERM
        mount cgroup2: EPERM
        unshare mount: EPERM
        unshare user: EPERM
        mount tmpfs: EPERM

        """, "\(result)")
    let user = try run("-u", "1000", "busybox", "/tools/tool", "namespaces")
    #expect(!user.output.contains("OK"), "\(user)")
    let state = try run("busybox", "grep", "^Seccomp:", "/proc/self/status")
    #expect(state.output == "Seccomp:\t2\n", "\(state)")
    // The groups that are in sight are read-only, release_agent among them.
    let groups = try run(
      "busybox", "sh", "-c",
      """
      find /sys/fs/cgroup \\( -name release_agent -o -name cgroup.procs -o -name memory.max \\
        -o -name memory.limit_in_bytes \\) | while read file; do
        (: > "$file") 2>&1 | grep -v 'Read-only file system'; done
      find /sys/fs/cgroup -mindepth 1 -maxdepth 2 -type d | while read folder; do
        mkdir "$folder/made" 2>&1 | grep -v 'Read-only file system'; done
      awk '$3 ~ /^cgroup/ { print $4 }' /proc/mounts | grep -v '^ro,' | grep -vw tmpfs
      true
      """)
    #expect(groups.output == "" && groups.status == 0, "\(groups)")

    // Control: without the filter a new user namespace may mount, and with all rights the cgroups.
    let unfiltered = try run(
      "--security-opt", "seccomp=unconfined", "busybox", "/tools/tool", "namespaces")
    #expect(unfiltered.output.contains("unshare user: OK\nmount tmpfs: OK\n"), "\(unfiltered)")
    let privileged = try run("--privileged", "busybox", "/tools/tool", "namespaces")
    #expect(
      privileged.output.contains("mount cgroup: OK") || privileged.output.contains("cgroup2: OK"),
      "\(privileged)")
    try expectNothingLeft()
  }

  @Test func sec32_CVE_2024_25621_nobodyReachesTheStateDirectories() throws {
    let container = try fixture.start(
      "run", "--rm", "--network", "none", "--name", "setuid", "busybox", "sh", "-c",
      "cp /bin/busybox /shell; chmod 4755 /shell; echo ready; exec sleep 1000")
    try #require(try container.wait(untilOutput: { $0.contains("ready") }), "\(container.errors)")
    let reach = """
      find "$DIRECTORY/root" "$DIRECTORY/run" -mindepth 1 > "$DIRECTORY/paths"
      "$1" reach < "$DIRECTORY/paths"
      """
    let paths = try fixture.shell(reach, tools.tool)
    let lines = paths.output.split(separator: "\n")
    #expect(lines.count == 1 && (Int(lines[0].split(separator: " ")[0]) ?? 0) > 300, "\(paths)")

    // Control: a root that is open to others shows the container's setuid file.
    try #require(chmod(fixture.root, 0o755) == 0 && chmod(fixture.root + "/containers", 0o755) == 0)
    _ = try fixture.shell(#"chmod 755 "$DIRECTORY"/root/containers/*"#)
    let open = try fixture.shell(reach, tools.tool)
    #expect(open.output.contains("/upper/shell\n"), "\(open.output.suffix(500))")

    // The next command closes it again, and one that belongs to somebody else is not used at all.
    try fixture.minidock("ps")
    let closed = try fixture.shell(reach, tools.tool)
    #expect(closed.output.split(separator: "\n").count == 1, "\(closed.output.suffix(500))")
    for path in [fixture.root, fixture.runRoot] {
      chown(path, 1000, 1000)
      let foreign = try fixture.run("busybox", "true")
      expectRefused(foreign, path)
      chown(path, 0, 0)
      chmod(path, 0o777)
      expectRefused(try fixture.run("busybox", "true"), path)
      chmod(path, 0o700)
    }
    try fixture.minidock("rm", "-f", "setuid")
    try container.wait()
    try expectNothingLeft()
  }

  @Test func sec34_crun_1_28_namesAndGroupPathsCannotLeaveTheirFolders() throws {
    let state = {
      try self.fixture.shell(
        #"cd "$DIRECTORY" && ls -A . root run root/names root/containers run/containers ../x"#
      ).output
    }
    try fixture.minidock("ps", "-a")
    let before = try state()
    let long = String(repeating: "x", count: 129)
    for name in ["../../x", "..", ".", "a/b", "/x", "-x", ".x", "_x", long, "a b", "a\nb", "é", ""]
    {
      expectRefused(try fixture.run("--name=\(name)", "busybox", "true"))
    }
    for path in ["../..", "/../..", "a/../../b", "/minidock/../../x", ".."] {
      let result = try fixture.run("--cgroup-parent", path, "busybox", "true")
      expectRefused(result, "cgroup")
    }
    for arguments in [
      ["rm", "../../x"], ["inspect", "../root"], ["rm", "-f", ".."], ["rm", "."],
    ] {
      let result = try fixture.minidock(arguments)
      #expect(result.status <= 1 && result.errors.hasPrefix("minidock: "), "\(result)")
    }
    #expect(try state() == before)
    let most = String(repeating: "x", count: 128)
    #expect(try fixture.run("--name", most, "busybox", "true").status == 0)

    // Control: the same name and group joined to a folder's path lead out of it.
    #expect(symlink("id", fixture.root + "/names/../../x") == 0)
    #expect(try state() != before)
    try #require(unlink(fixture.file("x")) == 0)
    try expectNothingLeft()
  }

  @Test func sec36_CVE_2017_5226_aTerminalsInputCannotBeFakedFromInside() throws {
    // On the container's own terminal, and on the caller's where that is the standard input.
    let own = try run("-t", "busybox", "/tools/tool", "inject")
    #expect(own.output == "TIOCSTI: EPERM\r\nTIOCLINUX: EPERM\r\n", "\(own)")
    let callers = try fixture.shell(
      #"script -qec "'$MINIDOCK' run --rm -i --network none -v '$1:/tools:ro' busybox /tools/tool inject" /dev/null"#,
      tools.directory)
    #expect(callers.output.contains("TIOCSTI: EPERM\r\nTIOCLINUX: EPERM\r\n"), "\(callers)")
    let session = try fixture.shell(
      #"script -qec "'$MINIDOCK' run --rm -i --network none busybox sh -c ': < /dev/tty'" /dev/null"#
    )
    #expect(session.status != 0 && session.output.contains("/dev/tty"), "\(session)")

    // Control: without the filter the container's own terminal takes it (unless the kernel's
    // dev.tty.legacy_tiocsti forbids it to all: EIO), and without an own session the caller's does.
    let kernelForbids = Files.text("/proc/sys/dev/tty/legacy_tiocsti")?.hasPrefix("0") ?? false
    let expected = kernelForbids ? "TIOCSTI: EIO" : "TIOCSTI: OK"
    let unfiltered = try run(
      "-t", "--security-opt", "seccomp=unconfined", "busybox", "/tools/tool", "inject")
    #expect(unfiltered.output.contains(expected), "\(unfiltered)")
    #expect(!unfiltered.output.contains("TIOCLINUX: EPERM"), "\(unfiltered)")
    let tree = try fixture.makeTree("tree", changes: "mkdir tools")
    let naive = try fixture.shell(
      #"script -qec "'$1/tool' naive -b '$1:tools' '$2' /tools/tool inject" /dev/null"#,
      tools.directory, tree)
    #expect(naive.output.contains(kernelForbids ? "TIOCSTI" : "TIOCSTI: OK"), "\(naive)")
    try expectNothingLeft()
  }

  @Test func sec37_CVE_2018_10892_maskedPathsAreEmptyAndReadOnlyOnesStaySo() throws {
    let masked = [
      "/proc/asound", "/proc/acpi", "/proc/interrupts", "/proc/kcore", "/proc/keys",
      "/proc/latency_stats", "/proc/timer_list", "/proc/timer_stats", "/proc/sched_debug",
      "/proc/scsi", "/sys/firmware", "/sys/devices/virtual/powercap",
    ]
    let readOnly = [
      "/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger",
      "/proc/sys/kernel/core_pattern", "/sys/kernel", "/proc/sys/kernel/hostname",
    ]
    for flags in [[], ["--cap-add", "ALL"], ["--security-opt", "seccomp=unconfined"]] {
      let result = try fixture.run(
        flags + ["-v", toolsVolume, "busybox", "/tools/tool", "look"] + masked + readOnly)
      let lines = result.output.split(separator: "\n").map { $0.split(separator: " ") }
      #expect(lines.count == masked.count + readOnly.count, "\(result)")
      for line in lines {
        let state = line.dropFirst().joined(separator: " ")
        let isMasked = masked.contains(String(line[0]))
        let allowed = isMasked ? ["absent", "empty EROFS", "empty null"] : ["absent"]
        #expect(
          allowed.contains(state) || (!isMasked && state.hasSuffix(" EROFS")), "\(flags) \(line)")
      }
    }

    // Control: with nothing masked there is content, and the host's parameters are writable.
    let all = try fixture.run(
      ["--privileged", "-v", toolsVolume, "busybox", "/tools/tool", "look"] + masked + readOnly)
    let open = all.output.split(separator: "\n").filter { line in
      masked.contains { line.hasPrefix($0 + " content") }
    }
    #expect(!open.isEmpty, "\(all)")
    #expect(all.output.contains("/proc/sys/kernel/core_pattern content writable"), "\(all)")
    try expectNothingLeft()
  }
}
