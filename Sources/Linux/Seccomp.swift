import CLinux
import Glibc

/// Loading a classic BPF program as the calling thread's system call filter (seccomp(2)).
public enum Seccomp {
  /// The most instructions that the kernel takes (BPF_MAXINSNS).
  public static let maximumInstructions = 4096

  /// SECCOMP_FILTER_FLAG_*: how a filter is loaded.
  public struct Flags: OptionSet, Sendable, Hashable {
    /// The kernel's numbers.
    public let rawValue: UInt32
    /// Flags by the kernel's numbers.
    public init(rawValue: UInt32) { self.rawValue = rawValue }
    /// The filter is for all threads (Linux 3.17).
    public static let threadSynchronize = Flags(rawValue: 1)
    /// Actions other than allow are logged (Linux 4.14).
    public static let log = Flags(rawValue: 2)
    /// Speculative store bypass stays on (Linux 4.17).
    public static let allowSpeculation = Flags(rawValue: 4)
    /// A descriptor comes back that reads what the filter asks about (Linux 5.0).
    public static let newListener = Flags(rawValue: 8)
    /// Only a fatal signal ends the wait for an answer (Linux 5.19).
    public static let waitKillable = Flags(rawValue: 32)
  }

  /// Installs a program of 8-byte `struct sock_filter`s for this thread and its future children.
  ///
  /// Needs no_new_privs or CAP_SYS_ADMIN. There is no way back: afterwards every call of this process
  /// is filtered.
  /// - Throws: ``Failure/Code/invalid`` for an empty, cut or too long program; the call's failure.
  /// - Returns: the listener, with ``Flags/newListener``.
  @discardableResult
  public static func install(_ bpf: [UInt8], flags: Flags = []) throws(Failure) -> Descriptor? {
    let count = bpf.count / 8
    guard bpf.count % 8 == 0, count > 0, count <= maximumInstructions else {
      throw Failure(
        .invalid, "load seccomp filter", "",
        reason: "a program of \(bpf.count) bytes is none the kernel takes",
        remedy: "a filter has at most \(maximumInstructions) instructions of 8 bytes")
    }
    // Plain error numbers inside the closures: this runs once in each container's first process, where a
    // generic result type would cost more than the rest.
    var listener: Int32 = -1
    let number = bpf.withUnsafeBytes { bytes -> Int32 in
      // struct sock_fprog: a 16-bit count, then at pointer alignment the address of the program.
      withUnsafeTemporaryAllocation(byteCount: 16, alignment: 8) { space -> Int32 in
        space.initializeMemory(as: UInt8.self, repeating: 0)
        space.storeBytes(of: UInt16(count), as: UInt16.self)
        space.storeBytes(
          of: UInt(bitPattern: bytes.baseAddress), toByteOffset: 8, as: UInt.self)
        let setModeFilter: UInt32 = 1
        let result = clx_seccomp(setModeFilter, flags.rawValue, space.baseAddress)
        listener = result
        return result < 0 ? errno : 0
      }
    }
    if number != 0 {
      throw Failure(
        errno: number, "load seccomp filter", "",
        remedy: number == EACCES ? "it needs no_new_privs or CAP_SYS_ADMIN" : "")
    }
    return flags.contains(.newListener) ? Descriptor(owning: listener) : nil
  }
}
