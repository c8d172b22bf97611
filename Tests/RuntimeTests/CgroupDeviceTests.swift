import Linux
import TestSupport
import Testing

@testable import Runtime

/// Executes the instructions that ``DeviceFilter`` uses, and no others.
struct DeviceProgramInterpreter {
  let program: [BPFInstruction]

  /// The program's verdict; nil when it runs off its end or does something unknown.
  func allows(type: UInt32, access: UInt32, major: UInt32, minor: UInt32) -> Bool? {
    var registers = [UInt64](repeating: 0, count: 11)
    let context = [access << 16 | type, major, minor]
    var index = 0
    while index < program.count {
      let step = program[index]
      let to = Int(step.destination)
      let immediate = UInt64(bitPattern: Int64(step.immediate))
      index += 1
      switch step.code {
      case 0x61: registers[to] = UInt64(context[Int(step.offset) / 4])
      case 0xb4: registers[to] = immediate & 0xffff_ffff
      case 0xbc: registers[to] = registers[Int(step.source)] & 0xffff_ffff
      case 0x54: registers[to] = registers[to] & immediate & 0xffff_ffff
      case 0x74: registers[to] = (registers[to] & 0xffff_ffff) >> immediate
      case 0x55: if registers[to] != immediate { index += Int(step.offset) }
      case 0x15: if registers[to] == immediate { index += Int(step.offset) }
      case 0x5d: if registers[to] != registers[Int(step.source)] { index += Int(step.offset) }
      case 0x95: return registers[0] == 1
      default: return nil
      }
    }
    return nil
  }
}

@Suite struct CgroupDeviceTests {
  static let block: UInt32 = 1
  static let character: UInt32 = 2
  static let mknod: UInt32 = 1
  static let read: UInt32 = 2
  static let write: UInt32 = 4

  private func interpreter(_ rules: [DeviceRule]) throws -> DeviceProgramInterpreter {
    DeviceProgramInterpreter(program: DeviceFilter.program(for: try DevicePolicy(rules)))
  }

  @Test func `containers may open the standard devices, make any, and open no other`() throws {
    let filter = try interpreter(DeviceRule.containerDefaults)
    let readWrite = Self.read | Self.write
    for (major, minor) in [
      (1, 3), (1, 5), (1, 7), (1, 8), (1, 9), (5, 0), (5, 1), (5, 2), (136, 77),
    ]
      as [(UInt32, UInt32)]
    {
      #expect(
        filter.allows(type: Self.character, access: readWrite, major: major, minor: minor) == true)
      #expect(
        filter.allows(type: Self.block, access: Self.read, major: major, minor: minor) == false)
    }
    #expect(filter.allows(type: Self.block, access: Self.mknod, major: 8, minor: 0) == true)
    #expect(filter.allows(type: Self.character, access: Self.mknod, major: 10, minor: 1) == true)
    for access in [Self.read, Self.write, readWrite, Self.mknod | Self.read] {
      #expect(filter.allows(type: Self.block, access: access, major: 8, minor: 0) == false)
      #expect(filter.allows(type: Self.character, access: access, major: 1, minor: 1) == false)
      #expect(filter.allows(type: Self.character, access: access, major: 10, minor: 229) == false)
    }
  }

  @Test func `a device allowed for reading cannot be written`() throws {
    let filter = try interpreter([
      DeviceRule(allow: false),
      DeviceRule(allow: true, type: "b", major: 8, minor: 1, access: "r"),
    ])
    #expect(filter.allows(type: Self.block, access: Self.read, major: 8, minor: 1) == true)
    #expect(filter.allows(type: Self.block, access: Self.write, major: 8, minor: 1) == false)
    #expect(
      filter.allows(type: Self.block, access: Self.read | Self.write, major: 8, minor: 1) == false)
    #expect(filter.allows(type: Self.block, access: Self.read, major: 8, minor: 2) == false)
  }

  @Test func `one access denied on an otherwise open host is denied alone and combined`() throws {
    let filter = try interpreter([
      DeviceRule(allow: true),
      DeviceRule(allow: false, type: "c", major: 1, minor: -1, access: "w"),
    ])
    #expect(filter.allows(type: Self.character, access: Self.read, major: 1, minor: 3) == true)
    #expect(filter.allows(type: Self.character, access: Self.write, major: 1, minor: 3) == false)
    #expect(
      filter.allows(type: Self.character, access: Self.read | Self.write, major: 1, minor: 3)
        == false)
    #expect(filter.allows(type: Self.character, access: Self.write, major: 2, minor: 3) == true)
  }

  @Test func `numbers beyond 31 bits compare equal only to themselves`() throws {
    let filter = try interpreter([
      DeviceRule(allow: true, type: "c", major: 0xffff_fffe, minor: 1, access: "r")
    ])
    // The kernel's registers hold 64 bits, the immediate is sign-extended: majors have 12 bits in
    // the kernel, so such a rule can only ever deny.
    #expect(
      filter.allows(type: Self.character, access: Self.read, major: 0xfffe, minor: 1) == false)
  }

  @Test func `the last matching rule decides`() throws {
    let policy = try DevicePolicy([
      DeviceRule(allow: true, type: "c", major: 5, minor: 1, access: "rwm"),
      DeviceRule(allow: false, type: "c", major: 5, access: "w"),
      DeviceRule(allow: true, type: "b", major: 7, minor: 0, access: "r"),
      DeviceRule(allow: true, type: "b", major: 7, minor: 0, access: "m"),
    ])
    #expect(policy.exceptions.map(\.text) == ["c 5:1 rm", "b 7:0 rm"])
    let reset = try DevicePolicy([
      DeviceRule(allow: true, type: "c", major: 5, minor: 1), DeviceRule(allow: false, type: "a"),
    ])
    #expect(reset.exceptions.isEmpty && !reset.allowsByDefault)
    #expect(try DevicePolicy(DeviceRule.allowAll).allowsEverything)
  }

  @Test(arguments: [
    DeviceRule(allow: true, type: "x"), DeviceRule(allow: true, type: "c", access: "rx"),
    DeviceRule(allow: true, type: "c", major: -2),
    DeviceRule(allow: true, type: "c", minor: 1 << 32),
    DeviceRule(allow: false, type: "c", major: 136, minor: 3, access: "w"),
  ])
  func `rules that no mechanism could express are refused`(rule: DeviceRule) {
    let error = thrownBy { () throws(Failure) in
      _ = try DevicePolicy(DeviceRule.containerDefaults + [rule])
    }
    #expect(error?.code == .invalid)
  }

  @Test func `v1 denies all, then allows one by one`() throws {
    let group = try FakeGroup(["devices.deny": "", "devices.allow": "", "devices.list": ""])
    let policy = try DevicePolicy([
      DeviceRule(allow: false),
      DeviceRule(allow: true, type: "c", major: 1, minor: 3, access: "rw"),
    ])
    try DevicesController(group.path, .v1).apply(policy, isNew: true)
    #expect(group["devices.deny"] == "a")
    #expect(group["devices.allow"] == "c 1:3 rw")
  }

  @Test func `an update on v1 never denies what stays allowed`() throws {
    let group = try FakeGroup([
      "devices.deny": "", "devices.allow": "", "devices.list": "c 1:3 rwm\nc 5:0 rw\n",
    ])
    let policy = try DevicePolicy([
      DeviceRule(allow: true, type: "c", major: 1, minor: 3, access: "r")
    ])
    try DevicesController(group.path, .v1).apply(policy, isNew: false)
    #expect(group["devices.allow"] == "c 1:3 r")
    #expect(
      DevicesController.excess(of: ["c 1:3 rwm", "c 5:0 rw"], over: policy)
        == ["c 1:3 wm", "c 5:0 rw"])
    #expect(group["devices.deny"].hasPrefix("c 1:3 wm"))
  }

  @Test func `instructions have the kernel's layout`() {
    var bytes: [UInt8] = []
    BPFInstruction(0x55, destination: 4, source: 2, offset: -2, immediate: 0x0102_0304)
      .encode(into: &bytes)
    #expect(bytes == [0x55, 0x24, 0xfe, 0xff, 4, 3, 2, 1])
  }

  @Test(.enabled(if: isRoot, "needs root"))
  func `the kernel's verifier takes the programs of all kinds of policies`() throws {
    for rules in [
      DeviceRule.containerDefaults, DeviceRule.allowAll, [DeviceRule(allow: false)],
      [DeviceRule(allow: true), DeviceRule(allow: false, type: "b", access: "w")],
    ] {
      let program = DeviceFilter.program(for: try DevicePolicy(rules))
      let loaded = try BPF.loadDeviceProgram(program)
      #expect(loaded.raw >= 0)
    }
  }
}
