import Linux
import TestSupport
import Testing

/// --cap-add, --cap-drop, --privileged, --security-opt, --device and --sysctl.
@Suite(.enabled(if: MinidockFixture.isAvailable, MinidockFixture.requirement))
struct RunRightsTests {
  let fixture: MinidockFixture

  init() throws { fixture = try MinidockFixture("rights") }

  private func capabilities(_ flags: [String]) throws -> UInt64 {
    let text = try fixture.inside(
      flags, "for s in Prm Eff Bnd; do grep Cap$s /proc/self/status | cut -f 2; done | sort -u")
    #expect(text.lines.count == 1, "permitted, effective and bounding differ: \(text)")
    let empty = try fixture.inside(
      flags, "for s in Inh Amb; do grep Cap$s /proc/self/status | cut -f 2; done | sort -u")
    #expect(empty == "0000000000000000")
    return UInt64(text, radix: 16) ?? 0
  }

  @Test func capabilitiesAreDockersAndChangedByTheFlags() throws {
    let standard: UInt64 = 0xa804_25fb
    let systemAdmin: UInt64 = 1 << 21
    #expect(try capabilities([]) == standard)
    #expect(
      try capabilities(["--cap-add", "SYS_ADMIN", "--cap-drop", "CAP_CHOWN"])
        == (standard | systemAdmin) & ~1)
    #expect(try capabilities(["--cap-drop", "ALL"]) == 0)
    #expect(try capabilities(["--cap-drop", "all", "--cap-add", "chown"]) == 1)
    #expect(
      try fixture.refuse(["run", "--cap-add", "FLY", "busybox", "true"], status: 125).contains(
        "FLY"))
  }

  @Test func aDroppedCapabilityIsMissed() throws {
    #expect(try fixture.inside([], "chown 1 /etc/profile && echo changed") == "changed")
    #expect(try fixture.inside(["--cap-drop", "CHOWN"], "chown 1 /etc/profile", status: 1) == "")
  }

  @Test func privilegedHasEveryCapabilityTheDevicesAndMount() throws {
    // Every one that this host has to give.
    let own = (Files.text("/proc/self/status") ?? "").lines.first { $0.hasPrefix("CapBnd:") }
    let all = UInt64(own?.split(separator: "\t").last ?? "", radix: 16)
    #expect(try capabilities(["--privileged"]) == all)
    let script =
      "mount -t tmpfs none /mnt && echo mounted; ls /dev/kmsg; grep Seccomp: /proc/self/status"
    let seen = try fixture.inside(["--privileged"], script)
    #expect(seen == "mounted\n/dev/kmsg\nSeccomp:\t0")
    // The control: without the flag the same is refused.
    #expect(try fixture.inside([], "mount -t tmpfs none /mnt || echo refused") == "refused")
  }

  @Test func seccompIsOnUnlessUnconfinedAndAFileReplacesIt() throws {
    let script = "grep Seccomp: /proc/self/status | cut -f 2"
    #expect(try fixture.inside([], script) == "2")
    #expect(try fixture.inside(["--security-opt", "seccomp=unconfined"], script) == "0")
    let profile = try fixture.write(
      "profile.json",
      """
      {"defaultAction": "SCMP_ACT_ALLOW",
       "syscalls": [{"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO", "errnoRet": 95}]}
      """)
    #expect(
      try fixture.inside(
        ["--security-opt", "seccomp=\(profile)"], "mkdir /x 2>&1; grep -c x /proc/self/status"
      )
      .contains("not supported"))
    #expect(try fixture.inside([], "mkdir /x && echo made") == "made")
    let broken = try fixture.write("broken.json", "{")
    for value in [broken, fixture.file("absent.json")] {
      try fixture.refuse(
        ["run", "--rm", "--security-opt", "seccomp=\(value)", "busybox", "true"], status: 125)
    }
    try fixture.refuse(["run", "--security-opt", "nonsense", "busybox", "true"], status: 125)
  }

  @Test func newPrivilegesCanBeForbidden() throws {
    let script = "grep NoNewPrivs /proc/self/status | cut -f 2"
    #expect(try fixture.inside([], script) == "0")
    for option in ["no-new-privileges", "no-new-privileges=true", "no-new-privileges:true"] {
      #expect(try fixture.inside(["--security-opt", option], script) == "1")
    }
  }

  @Test func deviceIsMadeAndItsRightsHold() throws {
    // A loop device that nothing is bound to: reading it gives no bytes, opening it needs the right.
    let loop = "/dev/loop7"
    guard Files.exists(loop) else { return }
    let read = "head -c 1 /dev/disk >/dev/null && echo read; true"
    let write = "true 2>/dev/null > /dev/disk && echo wrote; true"
    #expect(try fixture.inside(["--device", loop + ":/dev/disk:r"], read) == "read")
    #expect(try fixture.inside(["--device", loop + ":/dev/disk:r"], write) == "")
    #expect(
      try fixture.inside(["--device", loop + ":/dev/disk"], read + ";" + write) == "read\nwrote")
    // The control: a node made inside, as the capability MKNOD lets it, cannot be opened.
    #expect(try fixture.inside([], "mknod /dev/disk b 7 7 && \(read)") == "")
    for wrong in ["/dev/absent", "/etc/passwd", "\(loop):/dev/disk:q"] {
      try fixture.refuse(
        ["run", "--rm", "--network", "none", "--device", wrong, "busybox", "true"], status: 125)
    }
  }

  @Test func kernelParametersOfItsOwnNamespacesAreSet() throws {
    #expect(
      try fixture.inside(
        ["--sysctl", "net.ipv4.ip_forward=1", "--sysctl", "kernel.shmmni=77"],
        "cat /proc/sys/net/ipv4/ip_forward /proc/sys/kernel/shmmni") == "1\n77")
    #expect(try fixture.inside([], "cat /proc/sys/kernel/shmmni") != "77")
    let host = Files.text("/proc/sys/kernel/panic")
    for wrong in ["kernel.panic=99", "vm.swappiness=3", "nonsense", "net.absent.key=1"] {
      try fixture.refuse(
        ["run", "--rm", "--network", "none", "--sysctl", wrong, "busybox", "true"], status: 125)
    }
    try fixture.refuse(
      ["run", "--rm", "--network", "host", "--sysctl", "net.ipv4.ip_forward=1", "busybox", "true"],
      status: 125)
    #expect(Files.text("/proc/sys/kernel/panic") == host)
  }

  @Test func onlyThreeDescriptorsAreOpenInside() throws {
    let result = try fixture.shell(
      #"exec 7</etc/passwd 9</; exec "$MINIDOCK" run --rm --network none busybox ls /proc/self/fd"#)
    // ls itself has the directory open.
    #expect(result.output.lines == ["0", "1", "2", "3"])
  }

  @Test func signalDispositionsOfTheCallerStayOutside() throws {
    let result = try fixture.shell(
      #"trap '' INT QUIT HUP PIPE; "$MINIDOCK" run --rm --network none busybox grep SigIgn /proc/1/status"#
    )
    // The C library's own two signals above 31 are no caller's to choose.
    let ignored = UInt64(
      result.output.trimmingLineFeeds.split(separator: "\t").last ?? "", radix: 16)
    #expect(ignored.map { $0 & 0x7fff_ffff } == 0, "\(result.output)\(result.errors)")
  }
}
