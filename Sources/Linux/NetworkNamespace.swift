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

  /// Brings the loopback link of the caller's network namespace up, with 127.0.0.1 and ::1 (netdevice(7)).
  ///
  /// - Throws: SIOCSIFFLAGS's failure: EPERM without CAP_NET_ADMIN in the namespace's user namespace.
  public static func raiseLoopback() throws(Failure) {
    // Any socket will do for the call; this one needs no internet protocol.
    let socket = Descriptor(
      owning: try check("create", "socket") {
        Glibc.socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
      })
    // struct ifreq: the name in 16 bytes, then the flags. Those that a caller cannot change stay.
    var request = [UInt8](repeating: 0, count: MemoryLayout<ifreq>.size)
    request.replaceSubrange(0..<2, with: Array("lo".utf8))
    request.withUnsafeMutableBytes { $0.storeBytes(of: Int16(1), toByteOffset: 16, as: Int16.self) }
    try check("bring up", "link lo") {
      request.withUnsafeMutableBytes { clx_ioctl(socket.raw, UInt(SIOCSIFFLAGS), $0.baseAddress) }
    }
  }
}
