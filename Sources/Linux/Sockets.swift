import CLinux
import Glibc

/// One end of a connection between two minidock processes that keeps message boundaries
/// (SOCK_SEQPACKET) and can carry descriptors.
public struct MessageSocket: ~Copyable, Sendable {
  /// The descriptor, for poll(2) and for handing the end to a child.
  public let descriptor: Descriptor
  /// The largest message that can be received.
  public static let capacity = 192 << 10

  /// Takes a connected SOCK_SEQPACKET socket.
  public init(_ descriptor: consuming Descriptor) { self.descriptor = descriptor }

  /// Two connected ends, both close-on-exec.
  public static func pair() throws(Failure) -> MessagePair {
    var fds: [Int32] = [-1, -1]
    try check("create socket pair") { clx_socketpair_seqpacket(&fds) }
    return MessagePair(
      near: MessageSocket(Descriptor(owning: fds[0])),
      far: MessageSocket(Descriptor(owning: fds[1])))
  }

  /// Sends one message, with at most 8 descriptors (which the sender keeps).
  public func send(_ message: [UInt8], descriptors: [Int32] = []) throws(Failure) {
    _ = try message.withBytes { (bytes) throws(Failure) in
      try checkCount("send", "message") {
        clx_send_fds(
          descriptor.raw, bytes.baseAddress, bytes.count, descriptors, Int32(descriptors.count))
      }
    }
  }

  /// Receives one message; nil when the other end is closed. The caller owns the descriptors.
  ///
  /// - Throws: EAGAIN when `wait` is false and no message is there.
  /// - Parameter limit: the largest message to take; a larger one fails with EMSGSIZE.
  public func receive(
    wait: Bool = true, limit: Int = 64 << 10
  ) throws(Failure) -> (bytes: [UInt8], descriptors: [Int32])? {
    var fds = [Int32](repeating: -1, count: 8)
    var fdCount: Int32 = 0
    let space = UnsafeMutableRawBufferPointer.allocate(
      byteCount: limit, alignment: 8)
    defer { space.deallocate() }
    let count: Int
    do throws(Failure) {
      count = try checkCount("receive", "message") {
        clx_receive_fds(descriptor.raw, space.baseAddress, space.count, &fds, &fdCount, !wait)
      }
    } catch  where error.errno == ECONNRESET {
      return nil
    }
    if count == 0 && fdCount == 0 { return nil }
    return ([UInt8](space[..<count]), Array(fds[..<Int(fdCount)]))
  }
}

/// Two connected message sockets.
@frozen
public struct MessagePair: ~Copyable, Sendable {
  /// The end that the creator keeps.
  public var near: MessageSocket
  /// The end that a child gets.
  public var far: MessageSocket

  @usableFromInline
  init(near: consuming MessageSocket, far: consuming MessageSocket) {
    self.near = near
    self.far = far
  }
}
