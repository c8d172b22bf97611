import CArchive
import Linux

/// gzip (RFC 1952), member after member, through zlib: libarchive's own filter skips the CRC and the
/// length at the end of a member, so that a flipped bit could change a file unnoticed.
final class GzipStream: ByteStream {
  private let source: ByteStream
  private var state = z_stream()
  private let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 256 << 10, alignment: 4096)
  private var isOpen = false
  private var sourceEnded = false
  private var isPadding = false

  init(_ source: ByteStream) throws(Failure) {
    self.source = source
    super.init()
    // 15: the largest window; 16: gzip framing and nothing else.
    let opened = inflateInit2_(&state, 15 + 16, ZLIB_VERSION, Int32(MemoryLayout<z_stream>.size))
    guard opened == Z_OK else { throw problem("no memory") }
    isOpen = true
  }

  deinit {
    if isOpen { inflateEnd(&state) }
    buffer.deallocate()
  }

  override var stored: Int64 { source.stored - Int64(state.avail_in) }

  override func next() throws(Failure) -> UnsafeRawBufferPointer {
    UnsafeRawBufferPointer(rebasing: buffer[..<(try fill(buffer))])
  }

  override func fill(_ space: UnsafeMutableRawBufferPointer) throws(Failure) -> Int {
    while true {
      try takeInput()
      if state.avail_in == 0 {
        if memberIsOpen { throw problem("it is cut short") }
        return 0
      }
      if isPadding {
        try skipPadding()
        continue
      }
      state.next_out = space.baseAddress!.assumingMemoryBound(to: UInt8.self)
      state.avail_out = UInt32(space.count)
      let result = inflate(&state, Z_NO_FLUSH)
      let made = space.count - Int(state.avail_out)
      switch result {
      case Z_OK, Z_BUF_ERROR: break
      case Z_STREAM_END: try finishMember()
      default:
        throw problem(state.msg.map { String(cString: $0) } ?? "damaged data")
      }
      if made > 0 { return made }
    }
  }

  private func takeInput() throws(Failure) {
    guard state.avail_in == 0, !sourceEnded else { return }
    let bytes = try source.next()
    sourceEnded = bytes.isEmpty
    // zlib does not write through next_in, whatever its type says.
    state.next_in = UnsafeMutablePointer(
      mutating: bytes.baseAddress?.assumingMemoryBound(to: UInt8.self))
    state.avail_in = UInt32(bytes.count)
  }

  private var memberIsOpen = true

  /// A further member may follow at once (pigz, bgzip), or zeros that fill a block.
  private func finishMember() throws(Failure) {
    memberIsOpen = false
    try takeInput()
    guard state.avail_in > 0 else { return }
    if state.next_in.pointee == 0 {
      isPadding = true
    } else {
      guard inflateReset(&state) == Z_OK else { throw problem("no memory") }
      memberIsOpen = true
    }
  }

  private func skipPadding() throws(Failure) {
    while state.avail_in > 0 {
      guard state.next_in.pointee == 0 else { throw problem("something follows its end") }
      state.next_in += 1
      state.avail_in -= 1
    }
  }

  private func problem(_ reason: String) -> Failure {
    Failure(.corrupt, "decompress", "gzip data", reason: reason)
  }
}
