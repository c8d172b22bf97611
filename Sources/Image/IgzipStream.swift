import CArchive
import Linux

/// Intel's ISA-L (Debian: libisal2), where it is installed: its igzip decodes twice as fast as zlib.
struct IgzipLibrary {
  typealias Call = @convention(c) (UnsafeMutableRawPointer) -> Void
  typealias Inflate = @convention(c) (UnsafeMutableRawPointer) -> Int32

  /// isal_inflate_init(): all of the state is new.
  let start: Call
  /// isal_inflate_reset(): for the next member; input stays where it is.
  let reset: Call
  /// isal_inflate()
  let inflate: Inflate

  /// Nil when it is not installed. To be loaded before the process gives up its files.
  init?() {
    guard let library = DynamicLibrary("libisal.so.2"),
      let start = library.symbol("isal_inflate_init", as: Call.self),
      let reset = library.symbol("isal_inflate_reset", as: Call.self),
      let inflate = library.symbol("isal_inflate", as: Inflate.self)
    else { return nil }
    (self.start, self.reset, self.inflate) = (start, reset, inflate)
  }
}

/// gzip through ISA-L, with the same judgement as ``GzipStream``: member after member, each with its CRC and
/// length checked, then nothing or zeros.
final class IgzipStream: ByteStream {
  private let source: ByteStream
  private let library: IgzipLibrary
  /// More than the 87,368 bytes of the library's state; only their start has names here.
  private let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: 128 << 10, alignment: 64)
  private let buffer = UnsafeMutableRawBufferPointer.allocate(
    byteCount: SharedRing.slotSize, alignment: 4096)
  private let state: UnsafeMutablePointer<isal_inflate_state>
  private var sourceEnded = false
  /// What of the source's last bytes the library has not been given yet.
  private var pending = UnsafeRawBufferPointer(start: nil, count: 0)
  /// The library reads eight bytes ahead at the most.
  private static let kept = 64
  private let input = UnsafeMutableRawBufferPointer.allocate(
    byteCount: kept + (64 << 10), alignment: 64)
  private var inputEnd = kept
  private var isPadding = false
  private var memberIsOpen = true

  /// igzip_lib.h: ISAL_GZIP, header and trailer are the library's to read and to check.
  private static let gzip: UInt32 = 1
  /// igzip_lib.h: ISAL_BLOCK_FINISH, everything of a member is out and checked.
  private static let finished: UInt32 = 5

  init(_ source: ByteStream, _ library: IgzipLibrary) {
    self.source = source
    self.library = library
    memory.initializeMemory(as: UInt8.self, repeating: 0)
    input.initializeMemory(as: UInt8.self, repeating: 0)
    state = memory.baseAddress!.assumingMemoryBound(to: isal_inflate_state.self)
    super.init()
    library.start(state)
    state.pointee.crc_flag = Self.gzip
  }

  deinit {
    memory.deallocate()
    input.deallocate()
    buffer.deallocate()
  }

  override var stored: Int64 {
    source.stored - Int64(state.pointee.avail_in) - Int64(pending.count)
  }

  override func next() throws(Failure) -> UnsafeRawBufferPointer {
    UnsafeRawBufferPointer(rebasing: buffer[..<(try fill(buffer))])
  }

  override func fill(_ space: UnsafeMutableRawBufferPointer) throws(Failure) -> Int {
    while true {
      try takeInput()
      if state.pointee.avail_in == 0 && !holdsOutput {
        if memberIsOpen { throw problem("it is cut short") }
        return 0
      }
      if isPadding {
        try skipPadding()
        continue
      }
      let made = try decode(into: space)
      if made > 0 { return made }
    }
  }

  /// Whether a member that is open may still give bytes without further input: the library takes input in
  /// before there is room for what comes of it.
  private var holdsOutput = false

  private func decode(into space: UnsafeMutableRawBufferPointer) throws(Failure) -> Int {
    let before = (state.pointee.avail_in, state.pointee.block_state)
    state.pointee.next_out = space.baseAddress!.assumingMemoryBound(to: UInt8.self)
    state.pointee.avail_out = UInt32(space.count)
    let result = library.inflate(state)
    // 0 to 2: fine, out of input, out of room.
    guard (0...2).contains(result) else { throw problem(Self.reason(result)) }
    let made = space.count - Int(state.pointee.avail_out)
    holdsOutput = state.pointee.avail_out == 0
    if state.pointee.block_state == Self.finished {
      holdsOutput = false
      try finishMember()
    } else if made == 0, state.pointee.avail_in > 0,
      before == (state.pointee.avail_in, state.pointee.block_state)
    {
      throw problem("it leads nowhere")
    }
    return made
  }

  /// At the end of a stored block or a member the library gives bytes that it has read ahead back by moving
  /// next_in, also to before the input that it was given last: the bytes that came before are kept there.
  private func takeInput() throws(Failure) {
    guard state.pointee.avail_in == 0 else { return }
    if pending.isEmpty, !sourceEnded {
      pending = try source.next()
      sourceEnded = pending.isEmpty
    }
    guard !pending.isEmpty else { return }
    let count = min(pending.count, input.count - Self.kept)
    let space = input.baseAddress!
    space.copyMemory(from: space + inputEnd - Self.kept, byteCount: Self.kept)
    (space + Self.kept).copyMemory(from: pending.baseAddress!, byteCount: count)
    pending = UnsafeRawBufferPointer(rebasing: pending[count...])
    inputEnd = Self.kept + count
    state.pointee.next_in = (space + Self.kept).assumingMemoryBound(to: UInt8.self)
    state.pointee.avail_in = UInt32(count)
  }

  /// A further member may follow at once (pigz, bgzip), or zeros that fill a block.
  private func finishMember() throws(Failure) {
    memberIsOpen = false
    try takeInput()
    guard state.pointee.avail_in > 0 else { return }
    if state.pointee.next_in.pointee == 0 {
      isPadding = true
    } else {
      library.reset(state)
      state.pointee.crc_flag = Self.gzip
      memberIsOpen = true
    }
  }

  private func skipPadding() throws(Failure) {
    while state.pointee.avail_in > 0 {
      guard state.pointee.next_in.pointee == 0 else { throw problem("something follows its end") }
      state.pointee.next_in += 1
      state.pointee.avail_in -= 1
    }
  }

  /// igzip_lib.h, in zlib's words.
  private static func reason(_ result: Int32) -> String {
    switch result {
    case -1: "invalid block"
    case -2: "invalid code"
    case -3: "invalid distance too far back"
    case -4: "incorrect header check"
    case -5: "unknown compression method"
    case -6: "incorrect data check"
    default: "damaged data"
    }
  }

  private func problem(_ reason: String) -> Failure {
    Failure(.corrupt, "decompress", "gzip data", reason: reason)
  }
}
