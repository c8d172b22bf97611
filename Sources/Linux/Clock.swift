import CLinux
import Glibc

/// A moment in nanoseconds since 1970-01-01 UTC, printed as RFC 3339.
public struct Timestamp: Sendable, Equatable, Comparable, Hashable {
  public let nanoseconds: Int64

  /// A moment by its nanoseconds since 1970.
  public init(nanoseconds: Int64) { self.nanoseconds = nanoseconds }

  /// The time of the system clock.
  public static var now: Timestamp {
    var time = timespec()
    clock_gettime(CLOCK_REALTIME, &time)
    return Timestamp(nanoseconds: Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec))
  }

  /// Docker's and OCI's form: "2026-11-23T14:34:00.123456789Z".
  public var description: String {
    var seconds = time_t(nanoseconds / 1_000_000_000)
    var part = nanoseconds % 1_000_000_000
    if part < 0 {
      part += 1_000_000_000
      seconds -= 1
    }
    var fields = tm()
    gmtime_r(&seconds, &fields)
    func pad(_ number: Int, _ width: Int) -> String {
      let digits = String(number)
      return String(repeating: "0", count: max(0, width - digits.count)) + digits
    }
    let date = "\(pad(Int(fields.tm_year) + 1900, 4))-\(pad(Int(fields.tm_mon) + 1, 2))-\(pad(Int(fields.tm_mday), 2))"
    let time = "\(pad(Int(fields.tm_hour), 2)):\(pad(Int(fields.tm_min), 2)):\(pad(Int(fields.tm_sec), 2))"
    return "\(date)T\(time).\(pad(Int(part), 9))Z"
  }

  /// Parses RFC 3339 with any number of fraction digits and "Z" or a numeric offset.
  public init?(_ text: String) {
    let bytes = Array(text.utf8)
    func number(_ range: Range<Int>) -> Int? {
      guard range.upperBound <= bytes.count else { return nil }
      return Int(String(decoding: bytes[range], as: UTF8.self))
    }
    guard bytes.count >= 20, let year = number(0..<4), let month = number(5..<7),
      let day = number(8..<10), let hour = number(11..<13), let minute = number(14..<16),
      let second = number(17..<19)
    else { return nil }
    var fields = tm()
    fields.tm_year = Int32(year - 1900)
    fields.tm_mon = Int32(month - 1)
    fields.tm_mday = Int32(day)
    fields.tm_hour = Int32(hour)
    fields.tm_min = Int32(minute)
    fields.tm_sec = Int32(second)
    var index = 19
    var fraction: Int64 = 0
    if bytes[index] == UInt8(ascii: ".") {
      index += 1
      var scale: Int64 = 100_000_000
      while index < bytes.count, (48...57).contains(bytes[index]) {
        fraction += Int64(bytes[index] - 48) * scale
        scale /= 10
        index += 1
      }
    }
    var offset = 0
    if index < bytes.count, bytes[index] == UInt8(ascii: "+") || bytes[index] == UInt8(ascii: "-") {
      guard let hours = number((index + 1)..<(index + 3)),
        let minutes = number((index + 4)..<(index + 6))
      else { return nil }
      offset = (hours * 60 + minutes) * 60 * (bytes[index] == UInt8(ascii: "+") ? 1 : -1)
    }
    nanoseconds = (Int64(timegm(&fields)) - Int64(offset)) * 1_000_000_000 + fraction
  }

  public static func < (a: Timestamp, b: Timestamp) -> Bool { a.nanoseconds < b.nanoseconds }

  /// Nanoseconds of a clock that never jumps, for measuring.
  public static var monotonic: UInt64 {
    var time = timespec()
    clock_gettime(CLOCK_MONOTONIC, &time)
    return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
  }
}

extension Timestamp: CustomStringConvertible {}

/// Random bytes from the kernel (getrandom(2)) in lower-case hexadecimal.
public func randomHex(bytes count: Int) -> String {
  var space = [UInt8](repeating: 0, count: count)
  clx_getrandom(&space, count)
  return hex(space)
}

/// Lower-case hexadecimal.
public func hex(_ bytes: some Sequence<UInt8>) -> String {
  let digits = Array("0123456789abcdef".utf8)
  var result: [UInt8] = []
  for byte in bytes {
    result.append(digits[Int(byte >> 4)])
    result.append(digits[Int(byte & 15)])
  }
  return String(decoding: result, as: UTF8.self)
}
