import Crypto
import Linux

/// The importing side: reads the source, hashes it, stores it, and tells the child that reads the blob how
/// far it may read.
struct BlobWriter {
  let blob: Int32
  /// Where the reading child is told.
  let announcements: Int32
  /// Can be read, or has ended, as soon as the unpacking child has a result.
  let channel: Int32
  let limits: ImportLimits
  /// The store, for messages.
  let name: String
  /// How many bytes of the source are the blob; nil for all.
  var length: Int64?
  /// How many there must be; more are an error at once.
  var expected: Int64?

  struct Received {
    var digest: Digest
    var size: Int64
    /// False when the child ended before the source did.
    var isComplete: Bool
  }

  private static let chunk = 512 << 10
  /// The child is told at least this often.
  private static let step: Int64 = 512 << 10

  /// Copies until the source or the child ends.
  func copy(
    _ head: [UInt8], _ source: Int32, _ progress: ((Int64) -> Void)?
  ) throws(Failure) -> Received {
    let buffer = UnsafeMutableRawBufferPointer.allocate(
      byteCount: Self.chunk, alignment: 4096)
    defer { buffer.deallocate() }
    let floor = try FreeSpace.floor(blob, limits)
    let mayBlock = try FileKind.of(source) != .regular
    var hasher = SHA256()
    var (total, announced, checked): (Int64, Int64, Int64) = (0, 0, 0)
    var pace = ProgressPace(progress)
    var count = head.count
    buffer.copyBytes(from: head)
    while true {
      if count > 0 {
        let bytes = UnsafeRawBufferPointer(rebasing: buffer[..<count])
        try store(bytes)
        hasher.update(bufferPointer: bytes)
        total += Int64(count)
      }
      if total - announced >= Self.step || (announced == 0 && total > 0) {
        guard try announce(UInt64(total)) else { break }
        announced = total
      }
      pace.advanced(to: total)
      if total - checked >= 32 << 20 {
        try FreeSpace.check(blob, floor: floor, "store", "layer in \(name)")
        checked = total
      }
      guard total <= limits.bytes else {
        throw Failure(
          .refused, "import", "layer", reason: "it is larger than \(limits.bytes) bytes")
      }
      if let expected, total > expected {
        throw Failure(
          .corrupt, "verify", "layer", reason: "it has more than the \(expected) bytes announced")
      }
      if mayBlock { try pace.beforeWaiting(for: source) }
      // A stalled source must not hide that the child has given up.
      if mayBlock, !(try FileBytes.waitReadable(source, or: channel)) { break }
      let left = Int(min(Int64(buffer.count), (length ?? .max) - total))
      count = try readBytes(source, into: UnsafeMutableRawBufferPointer(rebasing: buffer[..<left]))
      if count == 0 {
        if let length, total < length {
          throw Failure(
            .corrupt, "read", "layer", reason: "it is cut short after \(total) of \(length) bytes")
        }
        _ = try announce(UInt64(total) | 1 << 63)
        pace.finish()
        return Received(digest: Digest(finishing: hasher), size: total, isComplete: true)
      }
    }
    return Received(digest: Digest(finishing: hasher), size: total, isComplete: false)
  }

  private func store(_ bytes: UnsafeRawBufferPointer) throws(Failure) {
    do throws(Failure) {
      try writeAll(blob, bytes)
    } catch {
      throw error.during(
        "store", "layer in \(name)", remedy: "free some space or move the store with --root")
    }
  }

  /// False when the child has ended.
  private func announce(_ message: UInt64) throws(Failure) -> Bool {
    if FileBytes.isReadable(channel) { return false }
    var message = message
    do throws(Failure) {
      try withUnsafeBytes(of: &message) { Array($0) }.withBytes { (bytes) throws(Failure) in
        try FileBytes.send(announcements, bytes)
      }
      return true
    } catch  where error.errno == ErrorNumber.brokenPipe {
      return false
    }
  }
}
