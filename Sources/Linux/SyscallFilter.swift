import CLinux
import Glibc

/// A seccomp filter that lets a helper process make a few system calls and kills it at any other.
///
/// It is written by hand as classic BPF (linux/filter.h): a list of numbers needs no compiler, and the
/// module that decodes archives stays free of libseccomp.
public enum SyscallFilter {
  /// One `struct sock_filter`.
  struct Instruction: Equatable {
    var code: UInt16
    var jumpTrue: UInt8
    var jumpFalse: UInt8
    var constant: UInt32
  }

  private static let load: UInt16 = 0x20  // BPF_LD | BPF_W | BPF_ABS
  private static let jumpEqual: UInt16 = 0x15  // BPF_JMP | BPF_JEQ | BPF_K
  private static let jumpGreaterOrEqual: UInt16 = 0x35  // BPF_JMP | BPF_JGE | BPF_K
  private static let jumpSet: UInt16 = 0x45  // BPF_JMP | BPF_JSET | BPF_K
  private static let giveBack: UInt16 = 0x06  // BPF_RET | BPF_K
  private static let allow: UInt32 = 0x7fff_0000
  private static let killProcess: UInt32 = 0x8000_0000

  /// Offsets in `struct seccomp_data`.
  private static let numberOffset: UInt32 = 0
  private static let architectureOffset: UInt32 = 4
  private static let thirdArgumentOffset: UInt32 = 32

  /// The program that allows exactly `numbers`. Memory that is `executable` (mmap and mprotect with
  /// PROT_EXEC) is never allowed, nor is another architecture's or x32's numbering.
  static func program(
    allowing numbers: [UInt32], architecture: UInt32, guardingProtection memory: [UInt32]
  ) -> [Instruction] {
    func step(
      _ code: UInt16, _ constant: UInt32, _ yes: UInt8 = 0, _ no: UInt8 = 0
    ) -> Instruction {
      Instruction(code: code, jumpTrue: yes, jumpFalse: no, constant: constant)
    }
    var steps = [
      step(load, architectureOffset),
      step(jumpEqual, architecture, 1, 0),
      step(giveBack, killProcess),
      step(load, numberOffset),
      step(jumpGreaterOrEqual, 0x4000_0000, 0, 1),
      step(giveBack, killProcess),
    ]
    for number in numbers {
      if memory.contains(number) {
        steps += [
          step(jumpEqual, number, 0, 4),
          step(load, thirdArgumentOffset),
          step(jumpSet, UInt32(PROT_EXEC), 0, 1),
          step(giveBack, killProcess),
          step(giveBack, allow),
        ]
      } else {
        steps += [step(jumpEqual, number, 0, 1), step(giveBack, allow)]
      }
    }
    steps.append(step(giveBack, killProcess))
    return steps
  }

  /// Confines this process for good to what a decoder of archives needs: bytes, entries of a tree,
  /// memory. No sockets, no exec, no new process, no mounts, no signals to others.
  ///
  /// Sets no_new_privs first (prctl(2)). Linux 4.14 (SECCOMP_RET_KILL_PROCESS).
  public static func confineToDecoding() throws(Failure) {
    var numbers = [UInt32](repeating: 0, count: 128)
    let count = Int(clx_decoder_syscalls(&numbers, UInt32(numbers.count)))
    let steps = program(
      allowing: Array(numbers[..<count]), architecture: clx_audit_architecture(),
      guardingProtection: memoryCalls)
    try check("set no_new_privs") { clx_prctl(38 /* PR_SET_NO_NEW_PRIVS */, 1, 0, 0, 0) }
    try steps.withUnsafeBytesTyped { (bytes) throws(Failure) in
      // struct sock_fprog { unsigned short len; struct sock_filter *filter; }
      var header = (UInt16(steps.count), UInt(bitPattern: bytes))
      try check("install seccomp filter") { clx_seccomp(1 /* SET_MODE_FILTER */, 0, &header) }
    }
  }

  private static var memoryCalls: [UInt32] {
    #if arch(x86_64)
      [9, 10]  // mmap, mprotect
    #else
      [222, 226]
    #endif
  }
}

extension [SyscallFilter.Instruction] {
  fileprivate func withUnsafeBytesTyped(
    _ body: (UnsafeRawPointer) throws(Failure) -> Void
  ) throws(Failure) {
    let outcome: Result<Void, Failure> = withUnsafeBytes { bytes in
      do throws(Failure) { return .success(try body(bytes.baseAddress!)) } catch {
        return .failure(error)
      }
    }
    try outcome.get()
  }
}
