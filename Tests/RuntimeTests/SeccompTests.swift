import Glibc
import Linux
import TestSupport
import Testing

@testable import Runtime

private let allow: UInt32 = 0x7fff_0000
private let notPermitted: UInt32 = 0x0005_0001
private let notImplemented: UInt32 = 0x0005_0026

#if arch(x86_64)
  @Suite struct SeccompDefaultTests {
    private func filter(_ capabilities: CapabilitySet = .containerDefaults) throws
      -> FilterInterpreter
    {
      FilterInterpreter(
        bytes: try SeccompCompiler.compile(
          .containerDefault(capabilities), capabilities: capabilities))
    }

    @Test func `ordinary calls are allowed on both architectures`() throws {
      let filter = try filter()
      // read, write, openat, execve, clone of a thread, exit_group, statx, futex, getrandom
      for number in [0, 1, 257, 59, 231, 332, 202, 318, 41] as [UInt32] {
        #expect(filter.action(number) == allow, "\(number)")
      }
      #expect(filter.action(56, [0x3d0f00]) == allow)
      // i386: read, write, execve
      for number in [3, 4, 11] as [UInt32] {
        #expect(filter.action(number, architecture: FilterInterpreter.i386) == allow)
      }
    }

    @Test func `calls that reach the host are refused`() throws {
      let filter = try filter()
      // mount, umount2, unshare, setns, reboot, init_module, kexec_load, bpf, keyctl, add_key,
      // perf_event_open, settimeofday, swapon, open_by_handle_at, acct, pivot_root, userfaultfd,
      // io_uring_setup
      for number in [
        165, 166, 272, 308, 169, 175, 246, 321, 250, 248, 298, 164, 167, 304, 163, 155, 323, 425,
      ] as [UInt32] {
        #expect(filter.action(number) == notPermitted, "\(number)")
      }
    }

    @Test func `a new namespace needs CAP_SYS_ADMIN, and clone3 does not exist without it`() throws
    {
      let plain = try filter()
      let admin = try filter(CapabilitySet.containerDefaults.union(CapabilitySet([.sysAdmin])))
      for flag in [
        0x20000, 0x200_0000, 0x400_0000, 0x800_0000, 0x1000_0000, 0x2000_0000, 0x4000_0000,
      ]
        as [UInt64]
      {
        #expect(plain.action(56, [flag | 17]) == notPermitted)
        #expect(admin.action(56, [flag | 17]) == allow)
      }
      #expect(plain.action(435) == notImplemented)
      #expect(admin.action(435) == allow)
      #expect(admin.action(165) == allow)
    }

    @Test func `capabilities bring their calls and no others`() throws {
      let cases: [(Capability, UInt32)] = [
        (.sysTime, 227), (.sysModule, 175), (.sysBoot, 169), (.dacReadSearch, 304),
        (.sysPacct, 163),
        (.bpf, 321), (.perfmon, 298), (.syslog, 103), (.sysRawio, 172), (.sysTTYConfig, 153),
        (.sysNice, 237), (.sysPtrace, 312),
      ]
      let plain = try filter()
      for (capability, number) in cases {
        #expect(plain.action(number) == notPermitted, "\(capability)")
        let more = try filter(CapabilitySet.containerDefaults.union(CapabilitySet([capability])))
        #expect(more.action(number) == allow, "\(capability)")
        #expect(more.action(165) == notPermitted, "\(capability) does not mount")
      }
      // chroot comes with a default capability and goes with it.
      #expect(plain.action(161) == allow)
      #expect(try filter([]).action(161) == notPermitted)
    }

    @Test func `calls newer than the list do not exist`() throws {
      let filter = try filter()
      for number in [500, 1000, 0x3fff_ffff] as [UInt32] {
        #expect(filter.action(number) == notImplemented)
        #expect(
          filter.action(number, architecture: FilterInterpreter.i386) == notImplemented)
      }
      // x32 calls and unknown architectures
      #expect(filter.action(0x4000_0001) == notImplemented)
      #expect(filter.action(0, architecture: 0x1234) == notImplemented)
    }

    @Test func `sec36_CVE_2017_5226_tiocsti in any of its forms is refused, other ioctls are not`()
      throws
    {
      let filter = try filter()
      for request in [0x5412, 0x541c] as [UInt64] {
        for upper in [0, 1 << 32, 0xffff_ffff << 32] as [UInt64] {
          #expect(filter.action(16, [0, upper | request]) == notPermitted)
          #expect(
            filter.action(54, [0, request], architecture: FilterInterpreter.i386) == notPermitted)
        }
      }
      for request in [0x5401, 0x5410, 0x5413, 0x541b, 0x541d, 0] as [UInt64] {
        #expect(filter.action(16, [0, request]) == allow)
      }
      // The control: without the guard the same filter allows it.
      var open = SeccompProfile.containerDefault(.containerDefaults)
      open.guards = []
      let unguarded = FilterInterpreter(
        bytes: try SeccompCompiler.compile(open, capabilities: .containerDefaults))
      #expect(unguarded.action(16, [0, 0x5412]) == allow)
    }

    @Test func `vsock is refused whatever the upper bits, personality is limited`() throws {
      let filter = try filter()
      #expect(filter.action(41, [40, 1, 0]) == notPermitted)
      #expect(filter.action(41, [40 | 1 << 32, 1, 0]) == notPermitted)
      for family in [1, 2, 10, 16, 17] as [UInt64] {
        #expect(filter.action(41, [family, 1, 0]) == allow)
      }
      for persona in [0, 8, 0x20000, 0x20008, 0xffff_ffff] as [UInt64] {
        #expect(filter.action(135, [persona]) == allow)
      }
      #expect(filter.action(135, [0x0040000]) == notPermitted)
    }

    @Test(.enabled(if: isRoot, "needs root"))
    func `sec36_CVE_2017_5226 the kernel enforces the filter`() throws {
      let program = try SeccompCompiler.compile(
        .containerDefault(.containerDefaults), capabilities: .containerDefaults)
      func probe() -> [String] {
        var byte: UInt8 = 65
        let terminal = open("/dev/ptmx", O_RDWR | O_NOCTTY)
        return [
          ForkedChild.result(Int(ioctl(terminal, 0x5412, &byte))),
          ForkedChild.result(Int(ioctl(terminal, 0x1_0000_5412, &byte))),
          thrownBy { () throws(Failure) in try Namespaces.uts.unshare() }
            .map { errorName($0.errno) } ?? "ok",
          ForkedChild.result(Int(chdir("/"))),
          ForkedChild.result(Int(getppid())),
        ]
      }
      let filtered = try ForkedChild.output { () throws(Failure) in
        try Seccomp.install(program)
        return probe() + ForkedChild.statusLines("Seccomp:")
      }
      #expect(filtered == ["EPERM", "EPERM", "EPERM", "ok", "ok", "Seccomp:\t2"])
      // The control: the same calls without the filter are at least not stopped by it.
      let free = try ForkedChild.output { () throws(Failure) in
        probe() + ForkedChild.statusLines("Seccomp:")
      }
      #expect(free[2...] == ["ok", "ok", "ok", "Seccomp:\t0"])
    }
  }
#endif

@Suite struct SeccompProfileTests {
  private func compile(_ json: String, _ capabilities: CapabilitySet = []) throws
    -> FilterInterpreter
  {
    let profile = try SeccompProfile(json: Array(json.utf8), name: "test.json")
    return FilterInterpreter(
      bytes: try SeccompCompiler.compile(profile, capabilities: capabilities))
  }

  #if arch(x86_64)
    @Test func `docker's form with conditions`() throws {
      let json = """
        {"defaultAction": "SCMP_ACT_ERRNO", "defaultErrnoRet": 1,
         "archMap": [{"architecture": "SCMP_ARCH_X86_64", "subArchitectures": ["SCMP_ARCH_X86"]},
                     {"architecture": "SCMP_ARCH_LOONGARCH64", "subArchitectures": null}],
         "syscalls": [
          {"names": ["read", "no_such_call_xyz"], "action": "SCMP_ACT_ALLOW"},
          {"names": ["mount"], "action": "SCMP_ACT_ALLOW", "args": [],
           "includes": {"caps": ["CAP_SYS_ADMIN"]}},
          {"names": ["chroot"], "action": "SCMP_ACT_ALLOW", "excludes": {"caps": ["CAP_SYS_ADMIN"]}},
          {"names": ["ptrace"], "action": "SCMP_ACT_ALLOW", "includes": {"minKernel": "4.8"}},
          {"names": ["acct"], "action": "SCMP_ACT_ALLOW", "includes": {"minKernel": "99.1"}},
          {"names": ["write"], "action": "SCMP_ACT_ALLOW", "includes": {"arches": ["s390x"]}},
          {"names": ["clone3"], "action": "SCMP_ACT_ERRNO", "errnoRet": 38},
          {"name": "personality", "action": "SCMP_ACT_ALLOW",
           "args": [{"index": 0, "value": 8, "valueTwo": 0, "op": "SCMP_CMP_EQ"}]}]}
        """
      let plain = try compile(json)
      #expect(plain.action(0) == allow)
      #expect(plain.action(3, architecture: FilterInterpreter.i386) == allow)
      #expect(plain.action(165) == notPermitted)
      #expect(plain.action(161) == allow)
      #expect(plain.action(101) == allow)
      #expect(plain.action(163) == notPermitted)
      #expect(plain.action(1) == notPermitted)
      #expect(plain.action(435) == notImplemented)
      #expect(plain.action(135, [8]) == allow)
      #expect(plain.action(135, [9]) == notPermitted)
      let admin = try compile(json, CapabilitySet([.sysAdmin]))
      #expect(admin.action(165) == allow)
      #expect(admin.action(161) == notPermitted)
    }

    @Test func `OCI's form, a deny list, keeps new calls and several conditions are alternatives`()
      throws
    {
      let filter = try compile(
        """
        {"defaultAction": "SCMP_ACT_ALLOW", "architectures": ["SCMP_ARCH_X86_64"],
         "syscalls": [
          {"names": ["socket"], "action": "SCMP_ACT_ERRNO", "errnoRet": 97, "args": [
            {"index": 0, "value": 16, "op": "SCMP_CMP_EQ"},
            {"index": 0, "value": 17, "op": "SCMP_CMP_EQ"}]},
          {"names": ["chmod"], "action": "SCMP_ACT_KILL_PROCESS", "args": [
            {"index": 1, "value": 2048, "valueTwo": 2048, "op": "SCMP_CMP_MASKED_EQ"}]}]}
        """)
      #expect(filter.action(41, [16]) == 0x0005_0061)
      #expect(filter.action(41, [17]) == 0x0005_0061)
      #expect(filter.action(41, [2]) == allow)
      #expect(filter.action(90, [0, 0o4755]) == 0x8000_0000)
      #expect(filter.action(90, [0, 0o755]) == allow)
      #expect(filter.action(2000) == allow)
    }
  #endif

  @Test(arguments: [
    ("[]", "a list stands where an object"), ("{", "line 1"),
    (#"{"syscalls": []}"#, "defaultAction: it is missing"),
    (#"{"defaultAction": "SCMP_ACT_NICE"}"#, "SCMP_ACT_NICE"),
    (#"{"defaultAction": "SCMP_ACT_NOTIFY"}"#, "listener"),
    (#"{"defaultAction": "SCMP_ACT_ALLOW", "architectures": ["SCMP_ARCH_Z80"]}"#, "SCMP_ARCH_Z80"),
    (#"{"defaultAction": "SCMP_ACT_ALLOW", "defaultErrnoRet": 5}"#, "errnoRet"),
    (
      #"{"defaultAction": "SCMP_ACT_ALLOW", "architectures": [], "archMap": []}"#, "archMap"
    ),
    (
      #"{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ["x"], "action": "DENY"}]}"#,
      "DENY"
    ),
    (
      #"{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"action": "SCMP_ACT_LOG"}]}"#,
      "names no call"
    ),
    (
      #"{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ["read"], "action": "SCMP_ACT_TRAP", "args": [{"index": 6, "value": 1, "op": "SCMP_CMP_EQ"}]}]}"#,
      "argument 6"
    ),
    (
      #"{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ["read"], "action": "SCMP_ACT_TRAP", "args": [{"index": 0, "value": 1, "op": "=="}]}]}"#,
      "operator"
    ),
    (
      #"{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ["read"], "action": "SCMP_ACT_LOG", "includes": {"caps": ["CAP_FLY"]}}]}"#,
      "CAP_FLY"
    ),
    (
      #"{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ["read"], "action": "SCMP_ACT_ERRNO", "errnoRet": 5000}]}"#,
      "5000"
    ),
  ])
  func `a wrong profile is an error that says what is wrong`(json: String, words: String) {
    let error = thrownBy { () throws(Failure) in
      let profile = try SeccompProfile(json: Array(json.utf8), name: "test.json")
      _ = try SeccompCompiler.compile(profile, capabilities: [])
    }
    let text = error?.description ?? "no error"
    #expect(words.split(separator: "|").contains { text.contains($0) }, "\(text)")
  }

  @Test func `flags of the profile`() throws {
    var profile = SeccompProfile(defaultAction: "SCMP_ACT_ALLOW")
    profile.flags = ["SECCOMP_FILTER_FLAG_LOG", "SECCOMP_FILTER_FLAG_SPEC_ALLOW"]
    #expect(try profile.loadFlags() == [.log, .allowSpeculation])
    profile.flags = ["SECCOMP_FILTER_FLAG_NEW_LISTENER"]
    let wrong = profile
    #expect(
      thrownBy { () throws(Failure) in _ = try wrong.loadFlags() }?.code == .unsupported)
  }

  @Test(arguments: [0, 4, 12, 4097 * 8])
  func `a program the kernel would not take is refused before`(size: Int) {
    #expect(
      thrownBy { () throws(Failure) in
        try Seccomp.install([UInt8](repeating: 0, count: size))
      }?.code == .invalid)
  }
}

@Suite struct SeccompCacheTests {
  private func entries(_ path: String) throws -> [String] { try Files.list(path) }

  @Test func `a hit equals what was compiled, and capabilities that do not matter share it`() throws
  {
    let directory = try TemporaryDirectory("seccomp")
    let path = directory.file("cache/seccomp")
    let cache = SeccompCache(directory: path)
    let mask = CapabilitySet.containerDefaults.rawValue
    let first = try cache.standard(capabilities: mask)
    let compiled = try SeccompCompiler.compile(
      .containerDefault(.containerDefaults), capabilities: .containerDefaults)
    #expect(first == compiled)
    #expect(try cache.standard(capabilities: mask) == compiled)
    #expect(try entries(path).count == 1)
    #expect(try cache.standard(capabilities: mask & ~Capability.kill.mask) == compiled)
    #expect(try entries(path).count == 1)
    #expect(try cache.standard(capabilities: mask | Capability.sysAdmin.mask) != compiled)
    #expect(try entries(path).count == 2)
  }

  @Test func `a hit is read and not compiled`() throws {
    let directory = try TemporaryDirectory("seccomp")
    let cache = SeccompCache(directory: directory.path)
    _ = try cache.standard(capabilities: 0)
    let name = try #require(try entries(directory.path).first)
    let planted: [UInt8] = [6, 0, 0, 0, 0, 0, 0xff, 0x7f]
    try Files.replace(directory.file(name), with: SeccompCache.pack(planted), mode: 0o600)
    #expect(try cache.standard(capabilities: 0) == planted)
  }

  @Test func `a damaged, foreign-writable or linked file is not used`() throws {
    let directory = try TemporaryDirectory("seccomp")
    let cache = SeccompCache(directory: directory.path)
    let good = try cache.standard(capabilities: 0)
    let name = try #require(try entries(directory.path).first)
    let file = directory.file(name)
    let packed = try #require(try Files.read(file))
    let planted = SeccompCache.pack([6, 0, 0, 0, 0, 0, 0xff, 0x7f])
    var flipped = packed
    flipped[100] ^= 1
    for (bytes, mode) in [
      (Array(packed.dropLast(8)), 0o600), (flipped, 0o600), ([], 0o600), (planted, 0o622),
      (planted, 0o644),
    ] as [([UInt8], UInt32)] {
      try Files.removeTree(file)
      try Files.replace(file, with: bytes, mode: mode)
      chmod(file, mode)
      #expect(try cache.standard(capabilities: 0) == good)
    }
    try Files.replace(directory.file("elsewhere"), with: planted, mode: 0o600)
    unlink(file)
    symlink("elsewhere", file)
    #expect(try cache.standard(capabilities: 0) == good)
  }

  @Test func `profiles are told apart by content and capabilities`() throws {
    let directory = try TemporaryDirectory("seccomp")
    let cache = SeccompCache(directory: directory.path)
    let one = Array(#"{"defaultAction": "SCMP_ACT_ALLOW"}"#.utf8)
    let other = Array(#"{"defaultAction": "SCMP_ACT_LOG"}"#.utf8)
    let a = try cache.program(json: one, name: "a", capabilities: 0)
    let b = try cache.program(json: other, name: "b", capabilities: 0)
    #expect(a != b)
    #expect(try cache.program(json: one, name: "c", capabilities: 0) == a)
    #expect(try entries(directory.path).count == 2)
    _ = try cache.program(json: one, name: "a", capabilities: 1)
    #expect(try entries(directory.path).count == 3)
    let profile = try SeccompProfile(json: one, name: "a")
    #expect(try cache.program(profile, capabilities: 0) == a)
  }

  @Test func `a directory that cannot be written costs the cache, not the filter`() throws {
    let cache = SeccompCache(directory: "/proc/none/seccomp")
    #expect(try !cache.standard(capabilities: 0).isEmpty)
  }
}
