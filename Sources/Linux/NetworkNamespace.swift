import CLinux
import Glibc

/// Work inside another network namespace (network_namespaces(7)) without a process of its own there.
public enum NetworkNamespace {
  /// Runs `body` while the calling thread is in the network namespace behind `descriptor` (an open
  /// /proc/PID/ns/net). Sockets opened there stay there; /proc/sys/net shows that namespace's values.
  ///
  /// Should the way back be barred (no known kernel does that), the process ends: going on in a
  /// container's network would be worse.
  ///
  /// - Throws: setns(2)'s failure (EPERM without CAP_SYS_ADMIN), or what `body` throws.
  public static func inside<Result: ~Copyable>(
    _ descriptor: Int32, _ body: () throws(Failure) -> Result
  ) throws(Failure) -> Result {
    // Not /proc/self, which is the first thread's: a program with several may embed minidock.
    let home = try Descriptor.open("/proc/thread-self/ns/net", .read)
    try check("join network namespace", "descriptor \(descriptor)") {
      clx_setns(descriptor, Int32(bitPattern: UInt32(Namespaces.network.rawValue)))
    }
    defer {
      if clx_setns(home.raw, Int32(bitPattern: UInt32(Namespaces.network.rawValue))) < 0 {
        fatalError("cannot leave the container's network namespace")
      }
    }
    return try body()
  }
}
