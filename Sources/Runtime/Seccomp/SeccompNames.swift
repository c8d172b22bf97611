import CSeccomp
import Linux

/// Names of system calls, for messages.
public enum SeccompNames {
  /// The name of a call by its number and the architecture in which that counts (AUDIT_ARCH_*, as the
  /// kernel's log writes it); nil when libseccomp does not know it.
  public static func name(call number: Int32, architecture: UInt32) -> String? {
    guard let text = seccomp_syscall_resolve_num_arch(architecture, number) else { return nil }
    return takeCString(text)
  }
}

extension SeccompNames {
  /// The architectures of runtime-spec that this libseccomp knows: "SCMP_ARCH_X86_64".
  static var architectures: [String] {
    [
      "X86", "X86_64", "X32", "ARM", "AARCH64", "MIPS", "MIPS64", "MIPS64N32", "MIPSEL",
      "MIPSEL64", "MIPSEL64N32", "PPC", "PPC64", "PPC64LE", "S390", "S390X", "PARISC", "PARISC64",
      "RISCV64", "LOONGARCH64", "M68K", "SH", "SHEB",
    ].filter { seccomp_arch_resolve_name($0.lowercased()) != 0 }.map { "SCMP_ARCH_" + $0 }
  }
}
