import Linux
import TestSupport
import Testing

@testable import Runtime

#if arch(x86_64)
  /// What the compiled filters do for each action and operator, executed as the kernel would and held against what
  /// libseccomp makes of the same profile, and against the specification.
  @Suite struct SeccompConditionTests {
    private static let fchmod: UInt32 = 91
    private static let refused: UInt32 = 0x0005_0063
    private static let allowed: UInt32 = 0x7fff_0000
    // Around the ends of 32 and 64 bits and of the sign.
    private static let values: [UInt64] = [
      0, 1, 5, 6, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff, 0x1_0000_0000, 0x1_0000_0005,
      0x5_0000_0000, 0x7fff_ffff_ffff_ffff, 0x8000_0000_0000_0000, 0xffff_ffff_0000_0005, .max,
    ]

    private typealias Condition = SeccompProfile.Argument

    /// The shortened filter and libseccomp's own.
    private func filters(
      _ args: [Condition], default action: String = "SCMP_ACT_ALLOW"
    ) throws -> [FilterInterpreter] {
      var profile = SeccompProfile(defaultAction: action)
      profile.syscalls = [
        SeccompProfile.Rule(["fchmod"], "SCMP_ACT_ERRNO", errnoRet: 0x63, args: args)
      ]
      let resolved = try profile.resolve(capabilities: [])
      return [
        FilterInterpreter(bytes: try SeccompCompiler.compile(resolved)),
        FilterInterpreter(bytes: try SeccompCompiler.translate(resolved)),
      ]
    }

    private static func holds(_ condition: Condition, _ argument: UInt64) -> Bool {
      switch condition.op {
      case "SCMP_CMP_NE": argument != condition.value
      case "SCMP_CMP_LT": argument < condition.value
      case "SCMP_CMP_LE": argument <= condition.value
      case "SCMP_CMP_EQ": argument == condition.value
      case "SCMP_CMP_GE": argument >= condition.value
      case "SCMP_CMP_GT": argument > condition.value
      default: argument & condition.value == condition.valueTwo
      }
    }

    @Test(arguments: [
      "SCMP_CMP_NE", "SCMP_CMP_LT", "SCMP_CMP_LE", "SCMP_CMP_EQ", "SCMP_CMP_GE", "SCMP_CMP_GT",
    ])
    func `an operator compares all 64 bits, without a sign`(name: String) throws {
      for index in [0, 5] as [UInt32] {
        for value in SeccompConditionTests.values {
          let condition = Condition(index: index, value: value, op: name)
          for filter in try filters([condition]) {
            for argument in SeccompConditionTests.values {
              var arguments = [UInt64](repeating: 7, count: 6)
              arguments[Int(index)] = argument
              let expected =
                SeccompConditionTests.holds(condition, argument)
                ? SeccompConditionTests.refused : SeccompConditionTests.allowed
              #expect(
                filter.action(SeccompConditionTests.fchmod, arguments) == expected,
                "\(argument) \(name) \(value) of \(index)")
            }
            // Another call is not the rule's.
            #expect(filter.action(90, [value]) == SeccompConditionTests.allowed)
          }
        }
      }
    }

    @Test func `a mask takes its bits of all 64`() throws {
      let masks: [UInt64] = [0xf, 0xffff_ffff, 0xffff_ffff_0000_0000, 0x8000_0000_0000_0001, .max]
      for mask in masks {
        for value in SeccompConditionTests.values {
          let condition = Condition(
            index: 1, value: mask, valueTwo: value & mask, op: "SCMP_CMP_MASKED_EQ")
          for filter in try filters([condition]) {
            for argument in SeccompConditionTests.values {
              let expected =
                SeccompConditionTests.holds(condition, argument)
                ? SeccompConditionTests.refused : SeccompConditionTests.allowed
              #expect(
                filter.action(SeccompConditionTests.fchmod, [0, argument]) == expected,
                "\(argument) & \(mask) == \(value & mask)")
            }
          }
        }
      }
    }

    @Test func `conditions on several arguments must all hold, on one they are alternatives`()
      throws
    {
      let all = [
        Condition(index: 0, value: 5, op: "SCMP_CMP_GE"),
        Condition(index: 1, value: 0x1_0000_0000, op: "SCMP_CMP_LT"),
        Condition(index: 2, value: 0xff, valueTwo: 0x12, op: "SCMP_CMP_MASKED_EQ"),
      ]
      let either = [
        Condition(index: 0, value: 5, op: "SCMP_CMP_LT"),
        Condition(index: 0, value: 0xffff_ffff, op: "SCMP_CMP_GT"),
      ]
      for (conditions, isEvery) in [(all, true), (either, false)] {
        for filter in try filters(conditions) {
          for first in SeccompConditionTests.values {
            for second in [5, 0xffff_ffff, 0x1_0000_0000] as [UInt64] {
              for third in [0x12, 0x13, 0x7712] as [UInt64] {
                let arguments = [first, second, third]
                let held = conditions.map {
                  SeccompConditionTests.holds($0, arguments[Int($0.index)])
                }
                let isHeld = isEvery ? held.allSatisfy { $0 } : held.contains(true)
                #expect(
                  filter.action(SeccompConditionTests.fchmod, arguments)
                    == (isHeld ? SeccompConditionTests.refused : SeccompConditionTests.allowed),
                  "\(arguments)")
              }
            }
          }
        }
      }
    }

    @Test(
      arguments: [
        ("SCMP_ACT_KILL", nil, 0), ("SCMP_ACT_KILL_THREAD", nil, 0),
        ("SCMP_ACT_KILL_PROCESS", nil, 0x8000_0000), ("SCMP_ACT_TRAP", nil, 0x0003_0000),
        ("SCMP_ACT_ERRNO", nil, 0x0005_0001), ("SCMP_ACT_ERRNO", 0, 0x0005_0000),
        ("SCMP_ACT_ERRNO", 4094, 0x0005_0ffe), ("SCMP_ACT_TRACE", nil, 0x7ff0_0001),
        ("SCMP_ACT_TRACE", 65535, 0x7ff0_ffff), ("SCMP_ACT_ALLOW", nil, 0x7fff_0000),
        ("SCMP_ACT_LOG", nil, 0x7ffc_0000), ("SCMP_ACT_NOTIFY", nil, 0x7fc0_0000),
      ] as [(String, UInt32?, UInt32)])
    func `each action, of a rule and by default`(
      name: String, number: UInt32?, expected: UInt32
    ) throws {
      // The default differs from each, or libseccomp would have nothing to do.
      var profile = SeccompProfile(defaultAction: "SCMP_ACT_ERRNO", defaultErrnoRet: 98)
      profile.listenerPath = "/listener"
      profile.syscalls = [SeccompProfile.Rule(["fchmod"], name, errnoRet: number)]
      let resolved = try profile.resolve(capabilities: [], allowsListener: true)
      for bytes in [try SeccompCompiler.compile(resolved), try SeccompCompiler.translate(resolved)]
      {
        let filter = FilterInterpreter(bytes: bytes)
        #expect(filter.action(SeccompConditionTests.fchmod) == expected)
        #expect(filter.action(90) == 0x0005_0062)
      }
      if name == "SCMP_ACT_NOTIFY" { return }
      var reverse = SeccompProfile(defaultAction: name, defaultErrnoRet: number)
      reverse.syscalls = [SeccompProfile.Rule(["fchmod"], "SCMP_ACT_ERRNO", errnoRet: 98)]
      let filter = FilterInterpreter(
        bytes: try SeccompCompiler.compile(reverse, capabilities: []))
      #expect(filter.action(SeccompConditionTests.fchmod) == 0x0005_0062)
      #expect(filter.action(90) == expected)
    }

    @Test
    func `an architecture that is not listed is killed, a listed one filtered by its numbers`()
      throws
    {
      for isListed in [true, false] {
        var profile = SeccompProfile(defaultAction: "SCMP_ACT_ALLOW")
        profile.architectures = ["SCMP_ARCH_X86_64"] + (isListed ? ["SCMP_ARCH_X86"] : [])
        profile.syscalls = [SeccompProfile.Rule(["fchmod"], "SCMP_ACT_ERRNO", errnoRet: 0x63)]
        let filter = FilterInterpreter(
          bytes: try SeccompCompiler.compile(profile, capabilities: []))
        #expect(filter.action(91) == SeccompConditionTests.refused)
        // 94 is fchmod of i386, and lchown of x86-64.
        #expect(filter.action(94) == SeccompConditionTests.allowed)
        #expect(
          filter.action(94, architecture: FilterInterpreter.i386)
            == (isListed ? SeccompConditionTests.refused : 0))
        #expect(
          filter.action(91, architecture: FilterInterpreter.i386)
            == (isListed ? SeccompConditionTests.allowed : 0))
      }
    }
  }
#endif
