import Linux

/// Writes the eBPF program (BPF_PROG_TYPE_CGROUP_DEVICE, Linux 4.15) that decides on device accesses of
/// a v2 group.
///
/// The kernel passes `struct bpf_cgroup_dev_ctx { u32 access_type, major, minor }`, where access_type
/// holds the access in its upper and the type in its lower half; 1 returned allows, 0 denies.
struct DeviceFilter {
  // Opcodes of linux/bpf.h: class | source or size | operation.
  static let loadWord: UInt8 = 0x61  // BPF_LDX | BPF_MEM | BPF_W
  static let moveImmediate: UInt8 = 0xb4  // BPF_ALU | BPF_K | BPF_MOV, 32 bits
  static let moveRegister: UInt8 = 0xbc  // BPF_ALU | BPF_X | BPF_MOV
  static let andImmediate: UInt8 = 0x54  // BPF_ALU | BPF_K | BPF_AND
  static let shiftRight: UInt8 = 0x74  // BPF_ALU | BPF_K | BPF_RSH
  static let jumpUnlessEqual: UInt8 = 0x55  // BPF_JMP | BPF_K | BPF_JNE
  static let jumpIfEqual: UInt8 = 0x15  // BPF_JMP | BPF_K | BPF_JEQ
  static let jumpUnlessSame: UInt8 = 0x5d  // BPF_JMP | BPF_X | BPF_JNE
  static let exit: UInt8 = 0x95

  // Registers: 1 the context, then scratch; 2 type, 3 access, 4 major, 5 minor.
  private var program: [BPFInstruction] = []

  /// The program of a policy.
  static func program(for policy: DevicePolicy) -> [BPFInstruction] {
    var filter = DeviceFilter()
    filter.loadContext()
    for exception in policy.exceptions {
      filter.add(exception, allowing: !policy.allowsByDefault)
    }
    filter.returning(policy.allowsByDefault)
    return filter.program
  }

  private mutating func loadContext() {
    program.append(BPFInstruction(DeviceFilter.loadWord, destination: 2, source: 1, offset: 0))
    program.append(BPFInstruction(DeviceFilter.moveRegister, destination: 3, source: 2))
    program.append(BPFInstruction(DeviceFilter.andImmediate, destination: 2, immediate: 0xffff))
    program.append(BPFInstruction(DeviceFilter.shiftRight, destination: 3, immediate: 16))
    program.append(BPFInstruction(DeviceFilter.loadWord, destination: 4, source: 1, offset: 4))
    program.append(BPFInstruction(DeviceFilter.loadWord, destination: 5, source: 1, offset: 8))
  }

  private mutating func add(_ exception: DevicePolicy.Exception, allowing: Bool) {
    let start = program.count
    var skips: [Int] = []
    func unlessEqual(_ register: UInt8, _ value: UInt32) -> BPFInstruction {
      BPFInstruction(
        DeviceFilter.jumpUnlessEqual, destination: register,
        immediate: Int32(bitPattern: value))
    }
    skips.append(program.count)
    program.append(unlessEqual(2, exception.device.kind.rawValue))
    if exception.access != .all {
      program.append(BPFInstruction(DeviceFilter.moveRegister, destination: 1, source: 3))
      program.append(
        BPFInstruction(
          DeviceFilter.andImmediate, destination: 1,
          immediate: Int32(exception.access.rawValue)))
      skips.append(program.count)
      // Allowing needs all of the requested accesses in the rule; denying, one of them.
      program.append(
        allowing
          ? BPFInstruction(DeviceFilter.jumpUnlessSame, destination: 1, source: 3)
          : BPFInstruction(DeviceFilter.jumpIfEqual, destination: 1, immediate: 0))
    }
    if let major = exception.device.major {
      skips.append(program.count)
      program.append(unlessEqual(4, major))
    }
    if let minor = exception.device.minor {
      skips.append(program.count)
      program.append(unlessEqual(5, minor))
    }
    returning(allowing)
    for index in skips { program[index].offset = Int16(program.count - index - 1) }
    assert(program.count - start < 16)
  }

  private mutating func returning(_ allowed: Bool) {
    program.append(
      BPFInstruction(DeviceFilter.moveImmediate, destination: 0, immediate: allowed ? 1 : 0))
    program.append(BPFInstruction(DeviceFilter.exit))
  }
}
