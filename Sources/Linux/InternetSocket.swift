import CLinux
import Glibc

/// An address and port that an internet socket is bound to or speaks with (ip(7), ipv6(7)).
public struct SocketAddress: Sendable, Equatable {
  /// A `sockaddr_in` or `sockaddr_in6`, as the kernel takes it.
  fileprivate var bytes: [UInt8]

  /// The address `text` (IPv4, or IPv6 with or without a zone) and a port; nil when it is neither.
  public init?(_ text: String, port: UInt16) {
    guard !text.utf8.contains(0) else { return nil }
    var four = sockaddr_in()
    if inet_pton(AF_INET, text, &four.sin_addr) == 1 {
      four.sin_family = sa_family_t(AF_INET)
      four.sin_port = port.bigEndian
      bytes = withUnsafeBytes(of: four, Array.init)
      return
    }
    let parts = text.split(separator: "%", maxSplits: 1, omittingEmptySubsequences: false)
    var six = sockaddr_in6()
    guard inet_pton(AF_INET6, String(parts[0]), &six.sin6_addr) == 1 else { return nil }
    six.sin6_family = sa_family_t(AF_INET6)
    six.sin6_port = port.bigEndian
    if parts.count == 2 { six.sin6_scope_id = if_nametoindex(String(parts[1])) }
    bytes = withUnsafeBytes(of: six, Array.init)
  }

  init(bytes: [UInt8]) { self.bytes = bytes }

  /// Whether it is ::1.
  public var isLoopback6: Bool {
    guard family == AF_INET6, bytes.count >= MemoryLayout<sockaddr_in6>.size else { return false }
    var address = bytes.withUnsafeBytes { $0.loadUnaligned(as: sockaddr_in6.self) }.sin6_addr
    return withUnsafeBytes(of: &address) { $0.dropLast().allSatisfy { $0 == 0 } && $0[15] == 1 }
  }

  fileprivate var family: Int32 {
    Int32(bytes.withUnsafeBytes { $0.loadUnaligned(as: sa_family_t.self) })
  }

  fileprivate func withPointer<Result>(
    _ body: (UnsafePointer<sockaddr>, socklen_t) -> Result
  ) -> Result {
    bytes.withUnsafeBytes {
      body($0.assumingMemoryBound(to: sockaddr.self).baseAddress!, socklen_t($0.count))
    }
  }
}

/// A UDP or TCP socket that never waits: every call answers at once, and poll(2) (``Watch``) says when to
/// try again.
public struct InternetSocket: ~Copyable, Sendable {
  /// The descriptor, for ``Watch`` and for keeping it at an exec.
  public let descriptor: Descriptor

  /// Takes over a socket that another program of this process has made with one of the calls below.
  public init(adopting descriptor: consuming Descriptor) { self.descriptor = descriptor }

  private static func open(_ family: Int32, _ type: __socket_type) throws(Failure) -> Descriptor {
    Descriptor(
      owning: try check("create", "internet socket") {
        socket(family, Int32(type.rawValue | SOCK_CLOEXEC.rawValue | SOCK_NONBLOCK.rawValue), 0)
      })
  }

  /// A UDP socket bound to an address, in the calling thread's network namespace.
  ///
  /// - Throws: bind(2)'s failure, EADDRINUSE when somebody has the port.
  public static func datagrams(at address: SocketAddress) throws(Failure) -> InternetSocket {
    let descriptor = try open(address.family, SOCK_DGRAM)
    try bind(descriptor, address)
    return InternetSocket(adopting: descriptor)
  }

  /// A TCP socket that listens at an address, in the calling thread's network namespace.
  ///
  /// - Throws: bind(2)'s failure, EADDRINUSE when somebody has the port.
  public static func listening(at address: SocketAddress) throws(Failure) -> InternetSocket {
    let descriptor = try open(address.family, SOCK_STREAM)
    var on: Int32 = 1
    setsockopt(descriptor.raw, SOL_SOCKET, SO_REUSEADDR, &on, socklen_t(MemoryLayout<Int32>.size))
    try bind(descriptor, address)
    try check("listen", "internet socket") { listen(descriptor.raw, 16) }
    return InternetSocket(adopting: descriptor)
  }

  /// A UDP socket of its own random port that hears nobody but `address`.
  public static func datagrams(to address: SocketAddress) throws(Failure) -> InternetSocket {
    let descriptor = try open(address.family, SOCK_DGRAM)
    try check("connect", "internet socket") {
      address.withPointer { connect(descriptor.raw, $0, $1) }
    }
    return InternetSocket(adopting: descriptor)
  }

  /// A TCP connection to `address` that is being made: when poll(2) says that it takes output, it is
  /// there or has failed, and the next call says which.
  public static func connecting(to address: SocketAddress) throws(Failure) -> InternetSocket {
    let descriptor = try open(address.family, SOCK_STREAM)
    let result = address.withPointer { connect(descriptor.raw, $0, $1) }
    if result < 0 && Glibc.errno != EINPROGRESS { throw .last("connect", "internet socket") }
    return InternetSocket(adopting: descriptor)
  }

  private static func bind(
    _ descriptor: borrowing Descriptor, _ address: SocketAddress
  ) throws(Failure) {
    let raw = descriptor.raw
    try check("bind", "internet socket") { address.withPointer { Glibc.bind(raw, $0, $1) } }
  }

  /// A socket that holds a port: bound, and listening where the protocol knows that. A port that others
  /// wait for to be free again (TIME_WAIT) can be held.
  ///
  /// - Parameters:
  ///   - address: an address of the host; an IPv6 one holds nothing of IPv4.
  ///   - port: 0 takes a free one.
  ///   - transport: IPPROTO_TCP, IPPROTO_UDP or IPPROTO_SCTP.
  /// - Returns: nil where the kernel has no such sockets.
  /// - Throws: bind(2)'s failure: EADDRINUSE, EADDRNOTAVAIL.
  public static func reserving(
    address text: String, port: UInt16, transport: Int32
  ) throws(Failure) -> InternetSocket? {
    guard let address = SocketAddress(text, port: port) else {
      throw Failure(.invalid, "reserve port", text, reason: "it is no address")
    }
    let listens = transport != Int32(IPPROTO_UDP)
    let type = listens ? SOCK_STREAM : SOCK_DGRAM
    let number = socket(
      address.family, Int32(type.rawValue | SOCK_CLOEXEC.rawValue | SOCK_NONBLOCK.rawValue),
      transport)
    if number < 0 {
      if [EPROTONOSUPPORT, ESOCKTNOSUPPORT, EAFNOSUPPORT].contains(Glibc.errno) { return nil }
      throw .last("reserve port", "\(text):\(port)")
    }
    let descriptor = Descriptor(owning: number)
    var on: Int32 = 1
    let size = socklen_t(MemoryLayout<Int32>.size)
    if listens { setsockopt(number, SOL_SOCKET, SO_REUSEADDR, &on, size) }
    if address.family == AF_INET6 {
      setsockopt(number, Int32(IPPROTO_IPV6), IPV6_V6ONLY, &on, size)
    }
    try check("reserve port", "\(text):\(port)") {
      address.withPointer { Glibc.bind(number, $0, $1) }
    }
    if listens { try check("reserve port", "\(text):\(port)") { listen(number, 128) } }
    return InternetSocket(adopting: descriptor)
  }

  /// Hands the descriptor over to the caller.
  public consuming func release() -> Int32 { descriptor.release() }

  /// The port that the socket is bound to; 0 when it is not.
  public var port: UInt16 { InternetSocket.port(of: descriptor.raw) }

  /// The next connection made to a listening socket; nil when there is none.
  public func accept() -> InternetSocket? { InternetSocket.accept(from: descriptor.raw) }

  /// The next datagram and its sender; nil when there is none. A longer one is cut at `limit` bytes.
  public func receive(limit: Int) -> (bytes: [UInt8], sender: SocketAddress)? {
    InternetSocket.receive(from: descriptor.raw, limit: limit)
  }

  /// The same of a socket by its descriptor.
  public static func receive(
    from number: Int32, limit: Int
  ) -> (bytes: [UInt8], sender: SocketAddress)? {
    var storage = sockaddr_storage()
    var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
    var count = -1
    let bytes = [UInt8](unsafeUninitializedCapacity: limit) { space, filled in
      count = withUnsafeMutablePointer(to: &storage) {
        $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
          recvfrom(number, space.baseAddress, space.count, 0, $0, &length)
        }
      }
      filled = max(0, count)
    }
    guard count >= 0 else { return nil }
    let sender = withUnsafeBytes(of: storage) { Array($0.prefix(Int(length))) }
    return (bytes, SocketAddress(bytes: sender))
  }

  /// Sends a datagram; one that cannot be sent at once is lost, as it might be on its way.
  public func send(_ bytes: [UInt8], to address: SocketAddress) {
    InternetSocket.send(bytes, from: descriptor.raw, to: address)
  }

  /// The same from a socket by its descriptor.
  public static func send(_ bytes: [UInt8], from number: Int32, to address: SocketAddress) {
    _ = bytes.withUnsafeBytes { space in
      address.withPointer {
        sendto(number, space.baseAddress, space.count, Int32(MSG_NOSIGNAL), $0, $1)
      }
    }
  }

  /// What a call on a connection came to.
  public enum Progress: Sendable, Equatable {
    /// Bytes that were read.
    case bytes([UInt8])
    /// So many bytes were taken.
    case wrote(Int)
    /// Nothing now: wait with ``Watch``.
    case notNow
    /// The other side has ended.
    case ended
    /// The connection is broken.
    case failed
  }

  /// Reads at most `limit` bytes of a connection, or a datagram of a connected socket.
  public func read(limit: Int) -> Progress {
    var count = -1
    let bytes = [UInt8](unsafeUninitializedCapacity: limit) { space, filled in
      count = recv(descriptor.raw, space.baseAddress, space.count, 0)
      filled = max(0, count)
    }
    if count > 0 { return .bytes(bytes) }
    if count < 0 && (Glibc.errno == EAGAIN || Glibc.errno == EINTR) { return .notNow }
    return count == 0 ? .ended : .failed
  }

  /// Writes as many bytes as a connection takes, or one datagram.
  public func write(_ bytes: ArraySlice<UInt8>) -> Progress {
    let count = bytes.withUnsafeBytes {
      Glibc.send(descriptor.raw, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
    }
    if count >= 0 { return .wrote(count) }
    if Glibc.errno == EAGAIN || Glibc.errno == EINTR { return .notNow }
    return .failed
  }
}
