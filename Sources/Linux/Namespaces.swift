import CLinux
import Glibc

/// Kinds of namespaces, as the flags of clone(2), unshare(2) and setns(2).
public struct Namespaces: OptionSet, Sendable, Hashable {
  /// The CLONE_NEW* bits.
  public let rawValue: UInt64

  /// Namespaces by their CLONE_NEW* bits.
  public init(rawValue: UInt64) { self.rawValue = rawValue }

  /// Offsets of the monotonic and boot clocks (time_namespaces(7), Linux 5.6); unshare(2) moves
  /// later children only.
  public static let time = Namespaces(rawValue: 0x80)
  /// The list of mounts (mount_namespaces(7)).
  public static let mount = Namespaces(rawValue: 0x20000)
  /// The cgroup that shows as the root of each hierarchy (cgroup_namespaces(7), Linux 4.6).
  public static let cgroup = Namespaces(rawValue: 0x200_0000)
  /// Host name and NIS domain name (uts_namespaces(7)).
  public static let uts = Namespaces(rawValue: 0x400_0000)
  /// System V IPC and POSIX message queues (ipc_namespaces(7)).
  public static let ipc = Namespaces(rawValue: 0x800_0000)
  /// User and group ids, capabilities and keys (user_namespaces(7)).
  public static let user = Namespaces(rawValue: 0x1000_0000)
  /// Process ids (pid_namespaces(7)), for later children only: the caller keeps its own.
  public static let pid = Namespaces(rawValue: 0x2000_0000)
  /// Links, addresses, routes, ports and packet filters (network_namespaces(7)).
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
