import Linux
import TestSupport
import Testing

@testable import Runtime

#if arch(x86_64)
  @Suite struct SeccompCompactionTests {
    private static let arguments: [[UInt64]] = [
      [], [40, 0x5412], [8, 0x541c], [0x20008, 0x5401], [0x1000_0000, 0x1_0000_5412],
      [0xffff_ffff, 1], [1 << 32 | 40, 2], [17, 0x541b], [0x7e02_0000, 0],
    ]

    /// The two filters must agree on every number with every set of arguments.
    private func expectSame(_ whole: [UInt8], _ compact: [UInt8]) {
      let before = FilterInterpreter(bytes: whole)
      let after = FilterInterpreter(bytes: compact)
      let numbers: [UInt32] =
        Array(0...600) + [0x3fff_ffff, 0x4000_0000, 0x4000_0010, 0x4000_0202, .max]
      for architecture: UInt32 in [
        FilterInterpreter.x86_64, FilterInterpreter.i386, 0xc000_00b7, 0,
      ] {
        for number in numbers {
          for values in Self.arguments {
            let expected = before.action(number, values, architecture: architecture)
            let found = after.action(number, values, architecture: architecture)
            if expected == nil || expected != found {
              Issue.record("\(architecture) \(number) \(values): \(expected ?? 1) \(found ?? 1)")
              return
            }
          }
        }
      }
    }

    @Test(arguments: [
      CapabilitySet.containerDefaults, [], CapabilitySet([.sysAdmin, .sysTime, .bpf]),
    ])
    func `the short form of the default does the same`(capabilities: CapabilitySet) throws {
      let profile = try SeccompProfile.containerDefault(capabilities)
        .resolve(capabilities: capabilities)
      let whole = try SeccompCompiler.translate(profile)
      let compact = try SeccompCompiler.compile(profile)
      #expect(compact.count < whole.count / 3)
      expectSame(whole, compact)
    }

    @Test func `profiles of users do the same, short or not`() throws {
      let documents = [
        #"{"defaultAction": "SCMP_ACT_ALLOW"}"#,
        #"""
        {"defaultAction": "SCMP_ACT_ALLOW", "architectures": ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86"],
         "syscalls": [{"names": ["socket"], "action": "SCMP_ACT_ERRNO", "args":
           [{"index": 0, "value": 40, "op": "SCMP_CMP_EQ"}]},
          {"names": ["mount", "umount2"], "action": "SCMP_ACT_KILL_PROCESS"}]}
        """#,
        #"""
        {"defaultAction": "SCMP_ACT_KILL", "architectures": ["SCMP_ARCH_X86_64", "SCMP_ARCH_X32"],
         "syscalls": [{"names": ["read", "write", "exit"], "action": "SCMP_ACT_ALLOW"},
          {"names": ["ioctl"], "action": "SCMP_ACT_ALLOW", "args":
           [{"index": 1, "value": 21505, "op": "SCMP_CMP_NE"},
            {"index": 0, "value": 41, "op": "SCMP_CMP_LT"}]}]}
        """#,
      ]
      for text in documents {
        let profile = try SeccompProfile(json: Array(text.utf8), name: "test")
          .resolve(capabilities: [])
        expectSame(
          try SeccompCompiler.translate(profile),
          try SeccompCompiler.compile(profile))
      }
    }

    @Test func `a single range and a range of one number are found`() {
      // ld nr; jeq 5 → kill; allow
      let bytes = [
        SeccompCompaction.Instruction(code: 0x20, constant: 0),
        .init(code: 0x15, yes: 1, no: 0, constant: 5), .init(code: 0x06, constant: 0x7fff_0000),
        .init(code: 0x06, constant: 0),
      ].flatMap(\.bytes)
      let ranges = SeccompCompaction(bytes).ranges(architecture: 1)
      #expect(
        ranges == [
          .init(first: 0, outcome: .action(0x7fff_0000)), .init(first: 5, outcome: .action(0)),
          .init(first: 6, outcome: .action(0x7fff_0000)),
        ])
      let all = SeccompCompaction([6, 0, 0, 0, 0, 0, 0, 0]).ranges(architecture: 1)
      #expect(all == [.init(first: 0, outcome: .action(0))])
      let one = SeccompCompaction.assemble(
        [(FilterInterpreter.x86_64, all ?? [])], otherwise: 1, rules: [])
      #expect(FilterInterpreter(bytes: one ?? []).action(7) == 0)
      #expect(FilterInterpreter(bytes: one ?? []).action(7, architecture: 9) == 1)
    }
  }
#endif
