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
