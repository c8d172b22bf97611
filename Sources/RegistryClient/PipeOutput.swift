import Linux
import NIOCore
import NIOPosix

/// The pipe to minidock. A full one is waited for by a thread of a pool, never by one of the few that
/// everything else runs on.
final class PipeOutput: Sendable {
  private let descriptor: Int32
  private let pool: NIOThreadPool

  init(_ descriptor: Int32, _ pool: NIOThreadPool) {
    self.descriptor = descriptor
    self.pool = pool
    try? PendingOutput.makeImmediate(descriptor)
  }

  /// Writes everything.
  ///
  /// - Throws: EPIPE when minidock has given the request up.
  func write(_ buffer: ByteBuffer) async throws {
    var buffer = buffer
    while buffer.readableBytes > 0 {
      let descriptor = descriptor
      let count = try buffer.withUnsafeReadableBytes { bytes in
        try PendingOutput.write(descriptor, bytes)
      }
      buffer.moveReaderIndex(forwardBy: count)
      if count == 0 {
        try await pool.runIfActive { PendingOutput.wait(descriptor) }
      }
    }
  }
}
