import Linux

/// The child that turns a compressed blob into plain tar for the unpacking one.
///
/// It sees the blob, its parent's announcements and the ring, and no other file at all: what a hostile
/// stream might make of a decoder ends here.
enum DecodeChild {
  /// What a slot of the ring holds.
  enum Kind {
    /// Bytes of the tar; the number is how much of the blob has gone into all that was made so far.
    static let data: UInt32 = 1
    /// Nothing: the blob has been decoded to its end.
    static let end: UInt32 = 2
    /// The failure that ended the decoding, as ``UnpackChild/message(_:)`` writes it.
    static let failure: UInt32 = 3
  }

  /// The body: returns its exit status.
  static func run(
    parent: Int32, blob: Int32, channel: Int32, ring: SharedRing.Producer,
    ringDescriptors: [Int32], directory: Int32, kind: ArchiveKind, limits: ImportLimits
  ) -> Int32 {
    var ring = ring
    do throws(Failure) {
      let igzip = kind == .gzip ? IgzipLibrary() : nil
      _ = try UnpackChild.confine(
        parent: parent, keeping: ringDescriptors + [blob, channel, directory],
        directory: directory, limits: limits)
      let stream = try UnpackChild.decoder(
        kind, GrowingBlob(blob: blob, channel: channel), igzip)
      while true {
        let count = try stream.fill(try ring.space())
        try ring.give(
          kind: count > 0 ? Kind.data : Kind.end, count: count, number: stream.stored)
        if count == 0 { return 0 }
      }
    } catch {
      do throws(Failure) {
        let space = try ring.space()
        let message = UnpackChild.message(.failure(error))
        space.copyBytes(from: message.prefix(space.count))
        try ring.give(kind: Kind.failure, count: min(message.count, space.count), number: 0)
      } catch {
        // The unpacking child has gone, and with it whoever wanted to know.
      }
      return 1
    }
  }
}

/// The tar as it comes out of a ``DecodeChild``.
final class RingStream: ByteStream {
  private var ring: SharedRing.Consumer
  private var used: Int64 = 0
  private var isOver = false

  init(_ ring: SharedRing.Consumer) { self.ring = ring }

  override var stored: Int64 { used }

  override func next() throws(Failure) -> UnsafeRawBufferPointer {
    if isOver { return UnsafeRawBufferPointer(start: nil, count: 0) }
    guard let (record, bytes) = try ring.next() else {
      throw Failure(
        .corrupt, "unpack", "layer", reason: "the decoder ended without a result",
        remedy: "the archive may be damaged or hostile")
    }
    switch record.kind {
    case DecodeChild.Kind.data where !bytes.isEmpty:
      used = max(used, record.number)
      return bytes
    case DecodeChild.Kind.end:
      isOver = true
      return UnsafeRawBufferPointer(start: nil, count: 0)
    default:
      // What ends in no failure of the decoder's is none of its records.
      _ = try UnpackChild.result([UInt8](bytes))
      throw Failure(.corrupt, "unpack", "layer", reason: "the decoder answered nonsense")
    }
  }
}
