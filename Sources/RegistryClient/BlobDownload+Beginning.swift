import Linux
import NIOCore
import NIOPosix

extension BlobDownload {
  /// Sends what an earlier attempt has left, so that only the rest is asked for. Whether it is right shows
  /// in the digest of the whole, which minidock compares.
  func sendBeginning(_ place: Place) async throws {
    // More than there should be is no beginning of it.
    guard try await read(at: size, 1).readableBytes == 0 else { return }
    while place.value < size {
      let part = try await read(at: place.value, 1 << 20)
      guard part.readableBytes > 0 else { return }
      try await output.write(part)
      place.advance(Int64(part.readableBytes))
    }
  }

  private func read(at offset: Int64, _ count: Int) async throws -> ByteBuffer {
    let file = beginning
    return try await session.pool.runIfActive {
      let bytes = try [UInt8](unsafeUninitializedCapacity: count) { buffer, initialized in
        initialized = try FileBytes.read(
          file, into: UnsafeMutableRawBufferPointer(buffer), at: offset)
      }
      return ByteBuffer(bytes: bytes)
    }
  }
}
