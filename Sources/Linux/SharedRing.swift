import Glibc

/// Bytes that one process makes and another one uses up, in memory that both have, so that none is copied
/// on the way.
///
/// ```
/// producer ── filled: kind, count, a number ──> consumer
///          <── free: one byte for each slot ────
/// ```
/// Made before the fork(2) of both. Two pipes say which slots hold something and which are free again: an
/// end of either process is the end of its pipe, so that the other one never waits for the dead.
/// What is in a slot may change under a consumer whose producer is hostile: it is bytes of a stranger, to be
/// read once, or copied before it is judged.
public struct SharedRing: ~Copyable {
  /// Bytes of a slot.
  public static let slotSize = 256 << 10
  static let slots = 16

  private let memory: UnsafeMutableRawPointer
  private let filled: Pipe
  private let free: Pipe

  /// Maps the memory (mmap(2), MAP_SHARED) and makes the pipes.
  public init() throws(Failure) {
    let records = try Descriptor.pipe()
    let credits = try Descriptor.pipe()
    let size = Self.slots * Self.slotSize
    let place = mmap(nil, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0)
    guard let place, place != MAP_FAILED else { throw .last("map", "shared memory") }
    memory = place
    filled = records
    free = credits
  }

  deinit { munmap(memory, Self.slots * Self.slotSize) }

  /// What the producing process keeps open.
  public var producerDescriptors: [Int32] { [filled.write.raw, free.read.raw] }
  /// What the consuming process keeps open.
  public var consumerDescriptors: [Int32] { [filled.read.raw, free.write.raw] }

  /// The producing end; valid as long as the ring.
  public var producer: Producer {
    Producer(memory: memory, filled: filled.write.raw, free: free.read.raw)
  }

  /// The consuming end; valid as long as the ring.
  public var consumer: Consumer {
    Consumer(memory: memory, filled: filled.read.raw, free: free.write.raw)
  }

  /// What is said of a slot.
  public struct Record: Equatable, Sendable {
    /// What the bytes are: the two sides agree.
    public var kind: UInt32
    /// How many there are.
    public var count: UInt32
    /// A number that goes with them.
    public var number: Int64
  }

  /// The side that fills slots.
  public struct Producer {
    let memory: UnsafeMutableRawPointer
    let filled: Int32
    let free: Int32
    private var credit = SharedRing.slots
    private var slot = 0

    init(memory: UnsafeMutableRawPointer, filled: Int32, free: Int32) {
      (self.memory, self.filled, self.free) = (memory, filled, free)
    }

    /// The next slot, as soon as it is free.
    ///
    /// - Throws: EPIPE when the consumer has ended.
    public mutating func space() throws(Failure) -> UnsafeMutableRawBufferPointer {
      if credit == 0 {
        var bytes = (UInt64(0), UInt64(0))
        credit = try withUnsafeMutableBytes(of: &bytes) { Result.reading(free, into: $0) }.get()
        guard credit > 0 else {
          throw Failure(errno: ErrorNumber.brokenPipe, "write", "shared memory")
        }
      }
      return UnsafeMutableRawBufferPointer(
        start: memory + slot * SharedRing.slotSize, count: SharedRing.slotSize)
    }

    /// Hands the slot of the last ``space()`` over with its first `count` bytes.
    public mutating func give(kind: UInt32, count: Int, number: Int64) throws(Failure) {
      let record = Record(kind: kind, count: UInt32(count), number: number)
      try withUnsafeBytes(of: record) { Array($0) }.withBytes { (bytes) throws(Failure) in
        // Less than PIPE_BUF: whole or not at all (pipe(7)).
        try writeAll(filled, bytes)
      }
      credit -= 1
      slot = (slot + 1) % SharedRing.slots
    }
  }

  /// The side that uses slots up.
  public struct Consumer {
    let memory: UnsafeMutableRawPointer
    let filled: Int32
    let free: Int32
    private var slot = -1

    init(memory: UnsafeMutableRawPointer, filled: Int32, free: Int32) {
      (self.memory, self.filled, self.free) = (memory, filled, free)
    }

    /// Gives the slot of the last call back, and waits for the next one.
    ///
    /// - Returns: nil when the producer has ended.
    /// - Throws: ``Failure/Code/corrupt`` for a record that cannot be.
    public mutating func next() throws(Failure) -> (Record, UnsafeRawBufferPointer)? {
      if slot >= 0 {
        // A producer that is through does not listen any more.
        var byte: UInt8 = 1
        while write(free, &byte, 1) < 0 && Glibc.errno == EINTR {}
      }
      slot = (slot + 1) % SharedRing.slots
      var record = Record(kind: 0, count: 0, number: 0)
      let got = try withUnsafeMutableBytes(of: &record) { Result.reading(filled, into: $0) }.get()
      if got == 0 { return nil }
      guard got == MemoryLayout<Record>.size, record.count <= SharedRing.slotSize else {
        throw Failure(.corrupt, "read", "shared memory", reason: "the other side writes nonsense")
      }
      let bytes = UnsafeRawBufferPointer(
        start: memory + slot * SharedRing.slotSize, count: Int(record.count))
      return (record, bytes)
    }
  }
}

extension Result where Success == Int, Failure == Linux.Failure {
  /// `readBytes` for closures that cannot throw typed errors.
  fileprivate static func reading(
    _ descriptor: Int32, into space: UnsafeMutableRawBufferPointer
  ) -> Self {
    do throws(Failure) { return .success(try readBytes(descriptor, into: space)) } catch {
      return .failure(error)
    }
  }
}
