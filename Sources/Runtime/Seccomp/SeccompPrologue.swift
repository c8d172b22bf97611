/// Instructions put in front of a compiled filter, for what libseccomp's rules cannot say:
///
/// - a call newer than any the profile knows fails with ENOSYS, so that a C library falls back to an
///   older call, where the default action's EPERM would make it give up;
/// - a call is refused for the lower 32 bits of an argument while it is otherwise allowed.
///
/// Classic BPF (linux/filter.h) over `struct seccomp_data { int nr; u32 arch; u64 ip; u64 args[6]; }`.
struct SeccompPrologue {
  /// What to check for calls of one architecture.
  struct Architecture: Equatable {
    /// AUDIT_ARCH_*.
    var token: UInt32
    /// Calls above this number do not exist for the profile; nil leaves them to the rules.
    var lastKnown: UInt32?
    var guards: [Guard]
  }

  struct Guard: Equatable {
    var number: UInt32
    var argument: UInt32
    var values: [UInt32]
  }

  /// A jump's target, resolved when all instructions are there.
  private enum Target { case next, rules, notImplemented, notPermitted, block(Int) }

  private struct Instruction {
    var code: UInt16
    var constant: UInt32
    var yes: Target = .next
    var no: Target = .next
  }

  private static let load: UInt16 = 0x20  // BPF_LD | BPF_W | BPF_ABS
  private static let jump: UInt16 = 0x05  // BPF_JMP | BPF_JA
  private static let jumpIfEqual: UInt16 = 0x15  // BPF_JMP | BPF_JEQ | BPF_K
  private static let jumpIfGreater: UInt16 = 0x25  // BPF_JMP | BPF_JGT | BPF_K
  private static let jumpIfNotLess: UInt16 = 0x35  // BPF_JMP | BPF_JGE | BPF_K
  private static let giveBack: UInt16 = 0x06  // BPF_RET | BPF_K

  private var program: [Instruction] = []

  /// The prologue's bytes; none when there is nothing to check.
  static func bytes(for architectures: [Architecture]) -> [UInt8] {
    let needed = architectures.filter { $0.lastKnown != nil || !$0.guards.isEmpty }
    if needed.isEmpty { return [] }
    var prologue = SeccompPrologue()
    prologue.program.append(Instruction(code: load, constant: 4))
    for architecture in needed { prologue.add(architecture) }
    return prologue.assemble()
  }

  private mutating func add(_ architecture: Architecture) {
    let start = program.count
    program.append(Instruction(code: SeccompPrologue.jumpIfEqual, constant: architecture.token))
    program.append(Instruction(code: SeccompPrologue.load, constant: 0))
    if architecture.token == 0xc000_003e {
      // x32 calls carry x86-64's architecture and this bit; the rules decide on them.
      program.append(
        Instruction(code: SeccompPrologue.jumpIfNotLess, constant: 0x4000_0000, yes: .rules))
    }
    if let last = architecture.lastKnown {
      program.append(
        Instruction(code: SeccompPrologue.jumpIfGreater, constant: last, yes: .notImplemented))
    }
    for entry in architecture.guards {
      let check = program.count
      program.append(Instruction(code: SeccompPrologue.jumpIfEqual, constant: entry.number))
      program.append(
        Instruction(code: SeccompPrologue.load, constant: 16 + 8 * entry.argument))
      for value in entry.values {
        program.append(
          Instruction(code: SeccompPrologue.jumpIfEqual, constant: value, yes: .notPermitted))
      }
      program.append(Instruction(code: SeccompPrologue.jump, constant: 0, yes: .rules))
      program[check].no = .block(program.count)
    }
    program.append(Instruction(code: SeccompPrologue.jump, constant: 0, yes: .rules))
    // The accumulator still holds the architecture where this leads.
    program[start].no = .block(program.count)
  }

  private func assemble() -> [UInt8] {
    // Behind the checks: ENOSYS, EPERM, then the rules. Without a match of any architecture the checks
    // end in a jump over the two.
    let end = program.count
    func distance(_ target: Target, from index: Int) -> Int {
      switch target {
      case .next: 0
      case .block(let block): block - index - 1
      case .notImplemented: end + 1 - index - 1
      case .notPermitted: end + 2 - index - 1
      case .rules: end + 3 - index - 1
      }
    }
    var bytes: [UInt8] = []
    func emit(_ code: UInt16, _ yes: Int, _ no: Int, _ constant: UInt32) {
      withUnsafeBytes(of: code) { bytes.append(contentsOf: $0) }
      bytes.append(UInt8(yes))
      bytes.append(UInt8(no))
      withUnsafeBytes(of: constant) { bytes.append(contentsOf: $0) }
    }
    for (index, instruction) in program.enumerated() {
      if instruction.code == SeccompPrologue.jump {
        emit(instruction.code, 0, 0, UInt32(distance(instruction.yes, from: index)))
      } else {
        emit(
          instruction.code, distance(instruction.yes, from: index),
          distance(instruction.no, from: index), instruction.constant)
      }
    }
    emit(SeccompPrologue.jump, 0, 0, 2)
    emit(SeccompPrologue.giveBack, 0, 0, ResolvedSeccomp.errno | 38 /* ENOSYS */)
    emit(SeccompPrologue.giveBack, 0, 0, ResolvedSeccomp.errno | 1 /* EPERM */)
    return bytes
  }
}
