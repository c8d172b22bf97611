import CLinux
import Glibc

/// What is needed to pass on a TCP connection.
extension InternetSocket {
  /// Whether a socket, by its descriptor, waits for connections.
  public static func listens(_ number: Int32) -> Bool {
    option(number, SO_ACCEPTCONN) == 1
  }

  /// Whether a socket, by its descriptor, takes UDP at an IPv6 address.
  public static func takesDatagrams6(_ number: Int32) -> Bool {
    option(number, SO_TYPE) == Int32(SOCK_DGRAM.rawValue)
      && Int32(name(number).sin6_family) == AF_INET6
  }

  /// The port that a socket, by its descriptor, is bound to; 0 when it is not.
  public static func port(of number: Int32) -> UInt16 {
    // The port stands at the same place in both families.
    UInt16(bigEndian: name(number).sin6_port)
  }

  /// The next connection made to a listening socket, by its descriptor; nil when there is none.
  public static func accept(from number: Int32) -> InternetSocket? {
    let accepted = clx_accept(number)
    guard accepted >= 0 else { return nil }
    _ = fcntl(accepted, F_SETFL, O_NONBLOCK)
    return InternetSocket(adopting: Descriptor(owning: accepted))
  }

  /// Whether the connection was made to ::1.
  public var isAtLoopback6: Bool {
    SocketAddress(bytes: withUnsafeBytes(of: InternetSocket.name(descriptor.raw), Array.init))
      .isLoopback6
  }

  /// Whether a connection that was being made is there, once poll(2) says that it takes output.
  public var hasConnected: Bool { InternetSocket.option(descriptor.raw, SO_ERROR) == 0 }

  /// Tells the other side that nothing more is sent; what it sends can still be read.
  public func endOutput() { _ = shutdown(descriptor.raw, Int32(SHUT_WR)) }

  /// Has the other side see the connection broken (RST), not ended, when it is closed.
  public func breakAtClose() {
    var linger = linger(l_onoff: 1, l_linger: 0)
    setsockopt(
      descriptor.raw, SOL_SOCKET, SO_LINGER, &linger, socklen_t(MemoryLayout<linger>.size))
  }

  private static func option(_ number: Int32, _ name: Int32) -> Int32? {
    var value: Int32 = 0
    var length = socklen_t(MemoryLayout<Int32>.size)
    return getsockopt(number, SOL_SOCKET, name, &value, &length) == 0 ? value : nil
  }

  private static func name(_ number: Int32) -> sockaddr_in6 {
    var storage = sockaddr_in6()
    var length = socklen_t(MemoryLayout<sockaddr_in6>.size)
    let result = withUnsafeMutablePointer(to: &storage) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { getsockname(number, $0, &length) }
    }
    return result == 0 ? storage : sockaddr_in6()
  }
}
