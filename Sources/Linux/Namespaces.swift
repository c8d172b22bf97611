import CLinux
import Glibc

/// Kinds of namespaces, as the flags of clone(2), unshare(2) and setns(2).
public struct Namespaces: OptionSet, Sendable, Hashable {
  public let rawValue: UInt64

  /// Namespaces by their CLONE_NEW* bits.
  public init(rawValue: UInt64) { self.rawValue = rawValue }

  public static let time = Namespaces(rawValue: 0x80)
  public static let mount = Namespaces(rawValue: 0x20000)
  public static let cgroup = Namespaces(rawValue: 0x200_0000)
  public static let uts = Namespaces(rawValue: 0x400_0000)
  public static let ipc = Namespaces(rawValue: 0x800_0000)
  public static let user = Namespaces(rawValue: 0x1000_0000)
  public static let pid = Namespaces(rawValue: 0x2000_0000)
  public static let network = Namespaces(rawValue: 0x4000_0000)

  /// Moves this process into new namespaces of these kinds (unshare(2)). It must have no thread.
  public func unshare() throws(Failure) {
    try check("create namespaces") { clx_unshare(Int32(bitPattern: UInt32(rawValue))) }
  }

  /// Moves this process into the namespace behind a descriptor of /proc/PID/ns/* or, with several
  /// kinds, into those of the process behind a pidfd (Linux 5.8). It must have no thread.
  public func join(_ descriptor: borrowing Descriptor, object: String = "") throws(Failure) {
    try check("join namespace", object) {
      clx_setns(descriptor.raw, Int32(bitPattern: UInt32(rawValue)))
    }
  }
}
