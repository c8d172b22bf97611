import CLinux
import Glibc

/// A connection to another program's socket (unix(7), SOCK_STREAM) that waits for nobody longer than its
/// owner allows.
public struct StreamConnection: ~Copyable, Sendable {
  /// The descriptor.
  public let descriptor: Descriptor
  /// Whom it reaches, for failures.
  public let name: String
  private let deadline: UInt64

  /// Takes over a connected socket.
  ///
  /// - Parameter milliseconds: how long the whole exchange may take from now on.
  public init(
    adopting descriptor: consuming Descriptor, name: String, milliseconds: UInt64
  ) throws(Failure) {
    let number = descriptor.raw
    try check("set up socket", name) { clx_set_nonblocking(number, true) }
    self.descriptor = descriptor
    self.name = name
    deadline = Timestamp.monotonic + milliseconds * 1_000_000
  }

  /// A connection to whoever listens at a host path.
  public static func open(_ path: String, milliseconds: UInt64) throws(Failure) -> StreamConnection
  {
    // By a descriptor of the folder: the path may be longer than an address can be.
    let folder = try Descriptor.open(Files.parent(of: path), .path)
    let socket = Descriptor(
      owning: try check("connect to", path) {
        clx_connect_stream("/proc/self/fd/\(folder.raw)/\(Files.name(of: path))")
      })
    return try StreamConnection(adopting: socket, name: path, milliseconds: milliseconds)
  }

  /// Sends all bytes.
  public func send(_ bytes: [UInt8]) throws(Failure) {
    var sent = 0
    while sent < bytes.count {
      do throws(Failure) {
        sent += try bytes.withBytes { (it) throws(Failure) in
          try checkCount("send to", name) {
            clx_send_fds(descriptor.raw, it.baseAddress! + sent, it.count - sent, nil, 0)
          }
        }
      } catch  where error.errno == EAGAIN {
        try wait(forOutput: true)
      }
    }
  }

  /// What has come, at most `limit` bytes; waits for the first.
  ///
  /// - Throws: ``Failure/Code/system`` with ETIMEDOUT when the time is over, ``Failure/Code/corrupt`` when the
  ///   other side has closed the connection.
  public func receive(limit: Int) throws(Failure) -> [UInt8] {
    while true {
      do throws(Failure) {
        let bytes = try readSome(descriptor.raw, limit: limit)
        if !bytes.isEmpty { return bytes }
        throw Failure(.corrupt, "read from", name, reason: "the connection was closed")
      } catch  where error.errno == EAGAIN {
        try wait(forOutput: false)
      } catch  where error.errno == ECONNRESET {
        throw Failure(.corrupt, "read from", name, reason: "the connection was closed")
      }
    }
  }

  private func wait(forOutput: Bool) throws(Failure) {
    let now = Timestamp.monotonic
    guard now < deadline else {
      throw Failure(errno: ETIMEDOUT, "wait for", name, reason: "no answer came in time")
    }
    var watches = [Watch(descriptor.raw, forOutput: forOutput)]
    // Rounded up, so that the last part of a millisecond is no busy loop.
    let rest = min((deadline - now) / 1_000_000 + 1, 1_000_000)
    try Watch.wait(&watches, milliseconds: Int32(rest))
  }
}
