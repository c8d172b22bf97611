import CLinux
import Glibc

/// Moves bytes from one descriptor to another without ever waiting, in kernel memory where the kernel
/// can (splice(2)), through a buffer where it cannot (terminals, files opened for appending).
public struct StreamRelay: ~Copyable {
  private var source: Descriptor?
  private let borrowedSource: Int32
  private let target: Int32
  private var ownedTarget: Descriptor?
  private var canSplice: Bool
  private let targetKind: FileStatus.Kind?
  private var isWide = false
  /// Bytes read but not yet written, when splicing is not possible.
  private var pending: [UInt8] = []
  private var pendingOffset = 0
  private var isTargetFull = false
  /// Whether the stream has ended.
  public private(set) var isFinished = false

  /// From a pipe of the container's to a descriptor of the caller's.
  public init(from source: consuming Descriptor, to target: Int32) {
    borrowedSource = source.raw
    self.source = consume source
    self.target = target
    targetKind = FileStatus.kind(of: target)
    canSplice = StreamRelay.isSpliceable(targetKind)
  }

  /// From a descriptor of the caller's into a pipe of the container's, which is closed at the end.
  public init(from source: Int32, into target: consuming Descriptor) {
    borrowedSource = source
    self.target = target.raw
    ownedTarget = consume target
    targetKind = .fifo
    canSplice = StreamRelay.isSpliceable(FileStatus.kind(of: source))
  }

  // Only where no offset is involved: splice(2) moves a file's offset without the lock that read(2) and
  // write(2) take, so that of several processes with one output file some would overwrite the others.
  private static func isSpliceable(_ kind: FileStatus.Kind?) -> Bool {
    kind == .fifo || kind == .socket
  }

  private init() {
    borrowedSource = -1
    target = -1
    targetKind = nil
    canSplice = false
    isFinished = true
  }

  /// A stream that has ended.
  public static var none: StreamRelay { StreamRelay() }

  /// What to wait for before the next ``pump()``; nil when it is finished.
  public var interest: Watch? {
    if isFinished { return nil }
    return isTargetFull ? Watch(target, forOutput: true) : Watch(borrowedSource)
  }

  /// Moves what can be moved now.
  public mutating func pump() {
    guard !isFinished else { return }
    isTargetFull = false
    // A bound on the rounds keeps one busy stream from starving the others.
    for _ in 0..<16 {
      let progressed = canSplice ? spliceOnce() : copyOnce()
      if !progressed { return }
    }
  }

  /// Ends the stream: its pipe is closed, so that the other side sees the end.
  public mutating func finish() {
    isFinished = true
    source = nil
    ownedTarget = nil
  }

  private mutating func spliceOnce() -> Bool {
    // SPLICE_F_MOVE | SPLICE_F_NONBLOCK
    let count = clx_splice(borrowedSource, target, 1 << 20, 1 | 2)
    if count > 0 {
      widen(after: count)
      return true
    }
    if count == 0 {
      finish()
      return false
    }
    switch errno {
    case EINTR: return true
    case EAGAIN:
      isTargetFull = hasInput
      return false
    case EINVAL, ENOSYS, EBADF:
      canSplice = false
      return true
    default:
      finish()
      return false
    }
  }

  private mutating func copyOnce() -> Bool {
    if pendingOffset == pending.count {
      guard hasInput else { return false }
      pending = [UInt8](repeating: 0, count: 64 << 10)
      let count = read(borrowedSource, &pending, pending.count)
      if count < 0 && (errno == EINTR || errno == EAGAIN) {
        pending = []
        pendingOffset = 0
        return false
      }
      if count <= 0 {
        finish()
        return false
      }
      pending.removeLast(pending.count - count)
      pendingOffset = 0
    }
    return flush()
  }

  // Only when poll says so, and to anything but a file one page at a time: a pipe or terminal then takes it
  // without waiting.
  private mutating func flush() -> Bool {
    guard Watch.takesOutput(target) else {
      isTargetFull = true
      return false
    }
    let most = targetKind == .regular ? pending.count : 4096
    let count = pending.withUnsafeBytes {
      write(target, $0.baseAddress! + pendingOffset, min(most, pending.count - pendingOffset))
    }
    if count < 0 {
      if errno == EINTR { return true }
      if errno == EAGAIN {
        isTargetFull = true
        return false
      }
      finish()
      return false
    }
    pendingOffset += count
    return true
  }

  /// Whether bytes are waiting for the target.
  public var hasBacklog: Bool { !isFinished && (pendingOffset < pending.count || hasInput) }

  private var hasInput: Bool { Watch.hasInput(borrowedSource) }

  // A stream that fills its pipe gets a larger one: fewer switches between the two processes.
  private mutating func widen(after count: Int) {
    guard !isWide, count >= 32 << 10 else { return }
    isWide = true
    _ = clx_fcntl(borrowedSource, 1031 /* F_SETPIPE_SZ */, 1 << 20)
  }
}
