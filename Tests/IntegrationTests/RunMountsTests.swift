import Linux
import TestSupport
import Testing

/// -v, --mount, --tmpfs, --read-only and --shm-size.
@Suite(.enabled(if: MinidockFixture.isAvailable, MinidockFixture.requirement))
struct RunMountsTests {
  let fixture: MinidockFixture
  let folder: String

  init() throws {
    fixture = try MinidockFixture("mounts")
    folder = fixture.file("shared")
    try Files.claimDirectory(folder, mode: 0o777)
    try Files.replace(folder + "/given", with: Array("from the host".utf8), mode: 0o644)
  }

  @Test func volumeIsReadAndWrittenByBoth() throws {
    #expect(
      try fixture.inside(["-v", folder + ":/data"], "cat /data/given; echo back > /data/made")
        == "from the host")
    #expect(Files.text(folder + "/made") == "back")
    #expect(
      try fixture.inside(["--volume", folder + ":/data:rw"], "touch /data/x; ls /data/x")
        == "/data/x")
  }

  @Test func readOnlyVolumeRefusesWrites() throws {
    for flags in [
      ["-v", folder + ":/data:ro"],
      ["--mount", "type=bind,source=\(folder),target=/data,readonly"],
    ] {
      let seen = try fixture.inside(
        flags,
        "cat /data/given; echo x > /data/made && echo written; mount -o remount,rw /data; true")
      #expect(seen.hasPrefix("from the host") && !seen.contains("written"))
      #expect(!Files.exists(folder + "/made"))
    }
  }

  @Test func oneFileCanBeAVolume() throws {
    let flag = folder + "/given:/etc/motd:ro"
    #expect(try fixture.inside(["-v", flag], "cat /etc/motd") == "from the host")
  }

  @Test func missingSourceIsMadeForVolumeAndRefusedForMount() throws {
    _ = try fixture.inside(["-v", fixture.file("new/deep") + ":/data"], "echo x > /data/file")
    #expect(Files.text(fixture.file("new/deep/file")) == "x")
    let absent = fixture.file("absent")
    let line = try fixture.refuse(
      ["run", "--rm", "--mount", "type=bind,src=\(absent),dst=/data", "busybox", "true"],
      status: 125)
    #expect(line.contains(absent))
    #expect(!Files.exists(absent))
  }

  @Test func mountTakesDockersFields() throws {
    #expect(
      try fixture.inside(["--mount", "type=bind,src=\(folder),dst=/data"], "cat /data/given")
        == "from the host")
    #expect(
      try fixture.inside(
        ["--mount", "type=tmpfs,target=/t,tmpfs-size=1m,tmpfs-mode=700"],
        "stat -c %a /t; df -k /t | tail -n 1 | tr -s ' ' | cut -d ' ' -f 2") == "700\n1024")
  }

  @Test func tmpfsIsEmptyLimitedAndGone() throws {
    let seen = try fixture.inside(
      ["--tmpfs", "/var/cache:size=2m,mode=1777"],
      "ls -A /var/cache; stat -c %a /var/cache; dd if=/dev/zero of=/var/cache/f bs=1M count=3 2>&1 "
        + "| grep -c 'No space'")
    #expect(seen == "1777\n1")
    let options = try fixture.inside(
      ["--tmpfs", "/t"], "grep ' /t ' /proc/mounts | cut -d ' ' -f 3,4")
    for option in ["tmpfs", "nosuid", "nodev", "noexec"] { #expect(options.contains(option)) }
  }

  @Test func readOnlyRootStillHasItsWritableMounts() throws {
    let seen = try fixture.inside(
      ["--read-only", "--tmpfs", "/t", "-v", folder + ":/data"],
      """
      for path in /x /etc/x /root/x /t/x /data/x /dev/shm/x; do
        touch $path 2>/dev/null && echo $path
      done; true
      """)
    #expect(seen == "/t/x\n/data/x\n/dev/shm/x")
  }

  @Test func sharedMemoryHasItsSize() throws {
    let script = "df -k /dev/shm | tail -n 1 | tr -s ' ' | cut -d ' ' -f 2"
    #expect(try fixture.inside([], script) == "65536")
    #expect(try fixture.inside(["--shm-size", "8m"], script) == "8192")
    for wrong in ["0", "-1", "8q", "much"] {
      try fixture.refuse(["run", "--shm-size=\(wrong)", "busybox", "true"], status: 125)
    }
  }

  @Test func nothingOfTheHostsMountsIsVisible() throws {
    let mounts = try fixture.inside([], "cat /proc/self/mountinfo")
    #expect(!mounts.contains(fixture.directory))
    #expect(!mounts.contains("/dev/vda"))
    let root = try fixture.inside([], "ls -A /")
    #expect(root.lines.sorted() == root.lines && root.contains("proc") && !root.contains("oldroot"))
  }

  @Test func writesStayInTheContainersOwnLayer() throws {
    _ = try fixture.inside([], "rm /etc/profile /usr/bin/wget; echo x > /etc/passwd; true")
    #expect(try fixture.inside([], "head -n 1 /etc/passwd") == "root:x:0:0:root:/root:/bin/sh")
  }

  @Test func wrongMountsAreRefusedByName() throws {
    try fixture.importBusybox()
    let wrong = [
      ["-v", "/"], ["-v", "a/b:/data"], ["-v", "name:relative"], ["-v", "\(folder):relative"],
      ["-v", "\(folder):/data:nonsense"], ["-v", "\(folder):/"], ["--mount", "type=nfs,target=/x"],
      ["--mount", "type=bind,source=\(folder)"],
      ["--mount", "type=bind,source=\(folder),target=/x,y=z"],
      ["--tmpfs", "relative"], ["--tmpfs", "/t:nonsense=1"],
      ["-v", "\(folder):/a", "--tmpfs", "/a"],
    ]
    for flags in wrong {
      try fixture.refuse(
        ["run", "--rm", "--network", "none"] + flags + ["busybox", "true"], status: 125)
    }
    try fixture.expectNoLeaks()
  }
}
