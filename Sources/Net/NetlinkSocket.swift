import CMnl
import Linux

/// A netlink socket of the kernel, held by libmnl. It is the one owner, whatever thread it is used by.
public struct KernelTransport: ~Copyable, NetlinkTransport, @unchecked Sendable {
  private let socket: OpaquePointer

  /// Opens a socket in this process's network namespace.
  ///
  /// - Parameter bus: NETLINK_ROUTE or NETLINK_NETFILTER.
  /// - Throws: socket(2)'s failure, EPROTONOSUPPORT when the kernel has no such family.
  public init(bus: Int32) throws(Failure) {
    var opened: OpaquePointer?
    try check("open", "netlink socket") {
      opened = mnl_socket_open2(bus, Int32(bitPattern: SOCK_CLOEXEC.rawValue))
      return opened == nil ? -1 : 0
    }
    socket = opened!
    // Reasons in words (Linux 4.12), answers without a copy of the request (4.3), dumps filtered by
    // the kernel (4.20). An older kernel refuses the option, and everything still works.
    var on: Int32 = 1
    for option in [NETLINK_EXT_ACK, NETLINK_CAP_ACK, NETLINK_GET_STRICT_CHK] {
      mnl_socket_setsockopt(socket, option, &on, 4)
    }
  }

  deinit { mnl_socket_close(socket) }

  /// Sends one datagram to the kernel.
  public mutating func send(_ bytes: UnsafeRawBufferPointer) throws(Failure) {
    try checkCount("send", "netlink message") {
      mnl_socket_sendto(socket, bytes.baseAddress, bytes.count)
    }
  }

  /// Waits for one datagram; one that is larger than `space` is a failure (ENOSPC).
  public mutating func receive(into space: UnsafeMutableRawBufferPointer) throws(Failure) -> Int {
    try checkCount("receive", "netlink message") {
      mnl_socket_recvfrom(socket, space.baseAddress, space.count)
    }
  }
}

/// Requests to the kernel.
public typealias NetlinkSocket = NetlinkConnection<KernelTransport>

extension NetlinkConnection where Transport == KernelTransport {
  /// A socket for links, addresses and routes (rtnetlink(7)) of this process's network namespace.
  public static func route() throws(Failure) -> NetlinkSocket {
    NetlinkSocket(try KernelTransport(bus: NETLINK_ROUTE))
  }

  /// A socket for nf_tables.
  public static func netfilter() throws(Failure) -> NetlinkSocket {
    do throws(Failure) {
      return NetlinkSocket(try KernelTransport(bus: NETLINK_NETFILTER))
    } catch { throw error.withRemedy(Firewall.remedy) }
  }

  /// A socket for links, addresses and routes of the namespace behind `descriptor`, an open
  /// /proc/PID/ns/net (see ``NetworkNamespace``).
  public static func open(inNamespaceOf descriptor: Int32) throws(Failure) -> NetlinkSocket {
    try NetworkNamespace.inside(descriptor) { () throws(Failure) in try NetlinkSocket.route() }
  }
}
