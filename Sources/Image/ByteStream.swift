import CArchive
import Crypto
import Linux

/// A source of bytes that a decoder pulls from; runs in the confined child.
class ByteStream {
  /// The next bytes, valid until the next call; empty at the end.
  func next() throws(Failure) -> UnsafeRawBufferPointer {
    UnsafeRawBufferPointer(start: nil, count: 0)
  }
  /// Puts the next bytes into `space` instead, and returns their number; 0 at the end. Either this is used
  /// or ``next()``, and `space` has room for whatever that would give.
  func fill(_ space: UnsafeMutableRawBufferPointer) throws(Failure) -> Int {
    let bytes = try next()
    space.copyMemory(from: bytes)
    return bytes.count
  }
  /// Bytes of the stored blob used up so far.
  var stored: Int64 { 0 }
}

/// The blob as the parent writes it: never further than the parent says.
final class GrowingBlob: ByteStream {
  private let blob: Int32
  private let channel: Int32
  private let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 20, alignment: 4096)
  private var offset: Int64 = 0
  private var available: Int64 = 0
  private var isComplete = false

  /// Reads `blob` by offset; each message on `channel` is the number of bytes there, its top bit set
  /// when there will be no more.
  init(blob: Int32, channel: Int32) {
    self.blob = blob
    self.channel = channel
  }

  deinit { buffer.deallocate() }

  override var stored: Int64 { offset }

  override func next() throws(Failure) -> UnsafeRawBufferPointer {
    while offset == available && !isComplete { try waitForMore() }
    let count = Int(min(Int64(buffer.count), available - offset))
    guard count > 0 else { return UnsafeRawBufferPointer(start: nil, count: 0) }
    let space = UnsafeMutableRawBufferPointer(rebasing: buffer[..<count])
    let got = try FileBytes.read(blob, into: space, at: offset)
    guard got > 0 else {
      throw Failure(.corrupt, "read", "layer blob", reason: "it is shorter than announced")
    }
    offset += Int64(got)
    return UnsafeRawBufferPointer(rebasing: buffer[..<got])
  }

  private func waitForMore() throws(Failure) {
    var message: UInt64 = 0
    var failure: Failure?
    let got = withUnsafeMutableBytes(of: &message) { space -> Int in
      do throws(Failure) { return try readBytes(channel, into: space) } catch {
        failure = error
        return -1
      }
    }
    if let failure { throw failure }
    guard got == 8 else {
      throw Failure(.system, "read", "layer blob", reason: "the import was given up")
    }
    isComplete = message >> 63 == 1
    available = Int64(message & ~(1 << 63))
  }
}

/// The bytes of a descriptor after some that were read from it before.
final class DescriptorStream: ByteStream {
  private let descriptor: Int32
  private var head: [UInt8]
  private var headIsGiven = false
  private let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 256 << 10, alignment: 4096)
  private var given: Int64 = 0

  init(head: [UInt8], then descriptor: Int32) {
    self.head = head
    self.descriptor = descriptor
  }

  deinit { buffer.deallocate() }

  override var stored: Int64 { given }

  override func next() throws(Failure) -> UnsafeRawBufferPointer {
    var count: Int
    if !headIsGiven && !head.isEmpty {
      headIsGiven = true
      count = head.count
      buffer.copyBytes(from: head)
      head = []
    } else {
      count = try readBytes(descriptor, into: buffer)
    }
    given += Int64(count)
    return UnsafeRawBufferPointer(rebasing: buffer[..<count])
  }
}

/// What a decoder delivers, counted, optionally hashed, and kept within bounds.
final class CheckedStream: ByteStream {
  private let source: ByteStream
  let limits: ImportLimits
  private let isCompressed: Bool
  private var hasher: SHA256?
  private var kept: UnsafeRawBufferPointer?
  /// Bytes delivered so far.
  private(set) var count: Int64 = 0
  /// Where the last byte that is not zero ends.
  private(set) var contentEnd: Int64 = 0

  init(_ source: ByteStream, limits: ImportLimits, isCompressed: Bool) {
    self.source = source
    self.limits = limits
    self.isCompressed = isCompressed
    hasher = isCompressed ? SHA256() : nil
  }

  override var stored: Int64 { source.stored }

  /// Shows the first bytes to `look`; the next call of ``next()`` delivers them again.
  func lookAhead(_ look: (UnsafeRawBufferPointer) throws(Failure) -> Void) throws(Failure) {
    let bytes = try next()
    try look(bytes)
    kept = bytes
  }

  override func next() throws(Failure) -> UnsafeRawBufferPointer {
    if let bytes = kept {
      kept = nil
      return bytes
    }
    let bytes = try source.next()
    if bytes.isEmpty { return bytes }
    hasher?.update(bufferPointer: bytes)
    let content = bytes.lengthWithoutTrailingZeros
    if content > 0 { contentEnd = count + Int64(content) }
    count += Int64(bytes.count)
    guard count <= limits.bytes else {
      throw Failure(
        .refused, "unpack", "layer", reason: "it holds more than \(limits.bytes) bytes")
    }
    if isCompressed, count > limits.ratioFloor, count / max(1, stored) > limits.ratio {
      throw Failure(
        .refused, "unpack", "layer",
        reason: "it grows more than \(limits.ratio)-fold: a decompression bomb")
    }
    return bytes
  }

  /// The digest of everything delivered, when it was compressed.
  var digest: Digest? { hasher.map(Digest.init(finishing:)) }
}

extension UnsafeRawBufferPointer {
  /// Where the last byte that is not zero ends; eight bytes at a time, as whole chunks may be zeros.
  var lengthWithoutTrailingZeros: Int {
    var end = count
    while end >= 8, loadUnaligned(fromByteOffset: end - 8, as: UInt64.self) == 0 { end -= 8 }
    while end > 0, self[end - 1] == 0 { end -= 1 }
    return end
  }
}
