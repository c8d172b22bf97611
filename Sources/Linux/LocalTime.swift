import CLinux
import Glibc

/// A moment in the host's time zone (localtime_r(3)).
public struct LocalTime: Sendable, Equatable {
  /// The year of our era.
  public var year = 1970
  /// 1 to 12.
  public var month = 1
  /// 1 to 31.
  public var day = 1
  /// 0 is Sunday.
  public var weekday = 0
  /// 0 to 23.
  public var hour = 0
  /// 0 to 59.
  public var minute = 0
  /// 0 to 60.
  public var second = 0

  /// The beginning of 1970.
  public init() {}

  /// A moment.
  public init(_ moment: Timestamp) {
    var seconds = time_t(moment.nanoseconds / 1_000_000_000)
    var fields = tm()
    localtime_r(&seconds, &fields)
    year = Int(fields.tm_year) + 1900
    month = Int(fields.tm_mon) + 1
    day = Int(fields.tm_mday)
    weekday = Int(fields.tm_wday)
    hour = Int(fields.tm_hour)
    minute = Int(fields.tm_min)
    second = Int(fields.tm_sec)
  }
}

extension SystemLimits {
  /// Clock ticks in a second, in which /proc counts CPU time and start times (USER_HZ).
  public static var ticksPerSecond: UInt64 { UInt64(max(1, sysconf(Int32(_SC_CLK_TCK)))) }

  /// Bytes of a page of memory.
  public static var pageSize: Int64 { Int64(sysconf(Int32(_SC_PAGESIZE))) }
}

extension Timestamp {
  /// Nanoseconds since the machine's boot, the time in suspend included: /proc's start times count from
  /// there (CLOCK_BOOTTIME).
  public static var sinceBoot: UInt64 {
    var time = timespec()
    clock_gettime(CLOCK_BOOTTIME, &time)
    return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
  }
}
