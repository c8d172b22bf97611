/// What a group used so far and uses now. A figure whose controller has no group is 0 or nil.
public struct CgroupStatistics: Sendable, Equatable {
  /// Nanoseconds of CPU time.
  public var cpuUsage: UInt64 = 0
  /// Nanoseconds of it in user mode.
  public var cpuUser: UInt64 = 0
  /// Nanoseconds of it in the kernel.
  public var cpuSystem: UInt64 = 0
  /// How often the CPU quota held processes back.
  public var throttledPeriods: UInt64 = 0
  /// Nanoseconds it held them back.
  public var throttledTime: UInt64 = 0
  /// Bytes, page cache included.
  public var memoryUsage: UInt64 = 0
  /// Bytes; nil is unlimited.
  public var memoryLimit: UInt64?
  /// The highest usage in bytes; nil where the kernel does not keep it (v2 before Linux 5.19).
  public var memoryPeak: UInt64?
  /// Bytes of page cache that could be reclaimed at once; `docker stats` shows usage without them.
  public var inactiveFile: UInt64 = 0
  /// How often the kernel killed a process for want of memory.
  public var oomKills = 0
  /// Tasks (threads) now.
  public var pids: UInt64 = 0
  /// nil is unlimited.
  public var pidsLimit: UInt64?
  /// Bytes read from block devices.
  public var ioReadBytes: UInt64 = 0
  /// Bytes written to block devices.
  public var ioWriteBytes: UInt64 = 0
  /// Read operations on block devices.
  public var ioReads: UInt64 = 0
  /// Write operations on block devices.
  public var ioWrites: UInt64 = 0

  /// No usage.
  public init() {}

  /// `docker stats`' memory usage: without page cache that nobody misses.
  public var memoryInUse: UInt64 {
    memoryUsage > inactiveFile ? memoryUsage - inactiveFile : memoryUsage
  }
}
