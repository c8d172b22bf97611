import CLinux
import Glibc

/// Moves what a container prints to where it is wanted: a reader (the terminal or pipe of whoever started
/// it), a log, both, or nowhere. It never waits.
///
/// Pipes are moved inside the kernel: spliced to the reader or into the log file, and with both
/// duplicated by tee(2) first, so that the bytes are copied once, into the log. What is no pipe goes
/// through a buffer. A reader that is slow holds the container back, as a pipe would; a log never does.
public struct OutputPump: ~Copyable {
  private var source: Descriptor
  private let sourceIsPipe: Bool
  private var sink: Int32
  /// The sink opened anew, when it is a terminal.
  private var ownSink: Descriptor?
  private var sinkKind: FileStatus.Kind?
  /// Bytes in the log already but not yet at the reader.
  private var pending: [UInt8] = []
  private var pendingOffset = 0
  private var isSinkFull = false
  private var isWide = false
  /// Whether the reader has gone away with output still to come.
  public private(set) var isSinkBroken = false
  /// Whether nobody can print any more.
  public private(set) var isFinished = false

  /// Where bytes are kept.
  public protocol Log: ~Copyable {
    /// Appends up to `limit` bytes of a pipe that has some; returns how many, 0 when the pipe is empty.
    mutating func append(pipe: Int32, limit: Int) -> Int
    /// Appends bytes.
    mutating func append(_ bytes: [UInt8])
  }

  /// From a pipe's reading end or a terminal's master.
  ///
  /// - Parameter sink: a descriptor of the caller's; -1 for no reader.
  public init(source: consuming Descriptor, sink: Int32) {
    sourceIsPipe = FileStatus.kind(of: source.raw) == .fifo
    self.source = source
    let kind = sink >= 0 ? FileStatus.kind(of: sink) : nil
    sinkKind = kind
    var number = sink
    if kind == .characterDevice {
      // A terminal that takes a part only makes the writer wait for the rest, whatever poll has said. Not
      // waiting is a matter of the open file, and this one is others' as well: so one of our own.
      let flags = O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC
      let opened = clx_open(AT_FDCWD, "/proc/self/fd/\(sink)", flags, 0)
      if opened >= 0 {
        ownSink = Descriptor(owning: opened)
        number = opened
      }
    }
    self.sink = number
  }

  /// A stream that has ended.
  public static var none: OutputPump {
    var pump = OutputPump(source: Descriptor(owning: -1), sink: -1)
    pump.isFinished = true
    return pump
  }

  /// The source's descriptor.
  public var sourceNumber: Int32 { source.raw }

  /// Whether there is a reader.
  public var hasSink: Bool { sink >= 0 }

  /// Lets go of the reader; the log goes on.
  public mutating func dropSink() {
    sink = -1
    ownSink = nil
    sinkKind = nil
    pending = []
    pendingOffset = 0
    isSinkFull = false
  }

  /// Closes the source: whoever prints gets SIGPIPE, as in a pipeline whose reader has gone.
  public mutating func closeSource() {
    dropSink()
    isFinished = true
    source = Descriptor(owning: -1)
  }

  /// What to wait for before the next ``pump(_:)``; nil when it is finished.
  public var interest: Watch? {
    if isFinished && pending.count == pendingOffset { return nil }
    let waitsForSink = isSinkFull || pendingOffset < pending.count
    return waitsForSink ? Watch(sink, forOutput: true) : Watch(source.raw)
  }

  /// Whether everything has been passed on.
  public var isDrained: Bool { isFinished && pending.count == pendingOffset }

  /// Takes what the source still has, which is all there will be: whoever could print more has ended. The
  /// log is complete then; what the reader has not taken yet waits here.
  public mutating func drain<L: Log & ~Copyable>(_ log: inout L?) {
    // A pipe holds a mebibyte at most; more comes only from a stranger who has a copy of it.
    var left = 4 << 20
    while !isFinished && left > 0 && Watch.hasInput(source.raw) {
      let bytes = readMore()
      left -= bytes.count
      log?.append(bytes)
      if sink >= 0 { pending += bytes }
    }
    isFinished = true
    source = Descriptor(owning: -1)
  }

  /// Moves what can be moved now.
  public mutating func pump<L: Log & ~Copyable>(_ log: inout L?) {
    isSinkFull = false
    // A bound on the rounds keeps one busy stream from starving the others.
    for _ in 0..<16 {
      guard step(&log) else { return }
    }
  }

  private mutating func step<L: Log & ~Copyable>(_ log: inout L?) -> Bool {
    if pendingOffset < pending.count { return flush() }
    if isFinished { return false }
    let sinkIsPipe = sinkKind == .fifo
    if sourceIsPipe && sink < 0 { return log == nil ? discard() : store(&log!) }
    if sourceIsPipe && log == nil && (sinkIsPipe || sinkKind == .socket) { return passOn() }
    if sourceIsPipe && sinkIsPipe, log != nil { return duplicate(&log!) }
    return copy(&log)
  }

  // MARK: - Inside the kernel

  // SPLICE_F_MOVE | SPLICE_F_NONBLOCK
  private static let flags: UInt32 = 1 | 2

  private mutating func passOn() -> Bool {
    let count = clx_splice(source.raw, sink, 1 << 20, OutputPump.flags)
    return settle(count)
  }

  private mutating func duplicate<L: Log & ~Copyable>(_ log: inout L) -> Bool {
    let count = clx_tee(source.raw, sink, 1 << 20, OutputPump.flags)
    guard settle(count) else { return false }
    var left = count
    while left > 0 {
      let moved = log.append(pipe: source.raw, limit: left)
      if moved <= 0 { break }
      left -= moved
    }
    return true
  }

  private mutating func store<L: Log & ~Copyable>(_ log: inout L) -> Bool {
    guard Watch.hasInput(source.raw) else { return false }
    let count = log.append(pipe: source.raw, limit: 1 << 20)
    if count == 0 {
      isFinished = true
      return false
    }
    widen(after: count)
    return true
  }

  // True when bytes were moved.
  private mutating func settle(_ count: Int) -> Bool {
    if count > 0 {
      widen(after: count)
      return true
    }
    if count == 0 {
      isFinished = true
      return false
    }
    switch errno {
    case EINTR: return true
    case EAGAIN: isSinkFull = Watch.hasInput(source.raw)
    default: breakSink()
    }
    return false
  }

  // MARK: - Through a buffer

  private mutating func discard() -> Bool {
    guard Watch.hasInput(source.raw) else { return false }
    return !readMore().isEmpty
  }

  private mutating func copy<L: Log & ~Copyable>(_ log: inout L?) -> Bool {
    guard Watch.hasInput(source.raw) else { return false }
    let bytes = readMore()
    if bytes.isEmpty { return false }
    log?.append(bytes)
    if sink >= 0 {
      pending = bytes
      pendingOffset = 0
    }
    return true
  }

  private mutating func readMore() -> [UInt8] {
    var space = [UInt8](repeating: 0, count: 64 << 10)
    let count = read(source.raw, &space, space.count)
    if count < 0 && (errno == EINTR || errno == EAGAIN) { return [] }
    // EIO: every process has closed the terminal.
    if count <= 0 {
      isFinished = true
      return []
    }
    space.removeLast(space.count - count)
    return space
  }

  // Only when poll says so, and to anything but a file one page at a time: a pipe or terminal then takes
  // it without waiting.
  private mutating func flush() -> Bool {
    guard Watch.takesOutput(sink) else {
      isSinkFull = true
      return false
    }
    let most = sinkKind == .regular ? pending.count : 4096
    let count = pending.withUnsafeBytes {
      write(sink, $0.baseAddress! + pendingOffset, min(most, pending.count - pendingOffset))
    }
    if count < 0 {
      if errno == EINTR { return true }
      if errno == EAGAIN {
        isSinkFull = true
        return false
      }
      breakSink()
      return true
    }
    pendingOffset += count
    if pendingOffset == pending.count {
      pending = []
      pendingOffset = 0
    }
    return true
  }

  private mutating func breakSink() {
    isSinkBroken = true
    dropSink()
  }

  // A stream that fills its pipe gets a larger one: fewer switches between the processes.
  private mutating func widen(after count: Int) {
    guard !isWide, count >= 32 << 10, sourceIsPipe else { return }
    isWide = true
    _ = clx_fcntl(source.raw, 1031 /* F_SETPIPE_SZ */, 1 << 20)
  }
}
