import CLinux
import Glibc

/// A moment in nanoseconds since 1970-01-01 UTC, printed as RFC 3339.
public struct Timestamp: Sendable, Equatable, Comparable, Hashable {
  /// Negative before 1970; 64 bits reach from 1677 to 2262.
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
    var text: [UInt8] = []
    text.reserveCapacity(30)
    func put(_ number: Int, _ width: Int, _ end: Unicode.Scalar) {
      var divisor = 1
      for _ in 1..<width { divisor *= 10 }
      while divisor > 0 {
        text.append(UInt8(ascii: "0") + UInt8(number / divisor % 10))
        divisor /= 10
      }
      text.append(UInt8(ascii: end))
    }
    put(Int(fields.tm_year) + 1900, 4, "-")
    put(Int(fields.tm_mon) + 1, 2, "-")
    put(Int(fields.tm_mday), 2, "T")
    put(Int(fields.tm_hour), 2, ":")
    put(Int(fields.tm_min), 2, ":")
    put(Int(fields.tm_sec), 2, ".")
    put(Int(part), 9, "Z")
    return String(decoding: text, as: UTF8.self)
  }

  /// Parses RFC 3339 with any number of fraction digits and "Z" or a numeric offset; nil for anything
  /// else. A moment that 64 bits cannot count in nanoseconds becomes the nearest that they can: images
  /// carry Go's zero time, "0001-01-01T00:00:00Z".
  public init?(_ text: String) {
    var rest = Array(text.utf8)[...]
    func number(_ digits: Int, _ range: ClosedRange<Int>) -> Int? {
      let part = rest.prefix(digits)
      guard part.count == digits, part.allSatisfy({ (48...57).contains($0) }) else { return nil }
      rest.removeFirst(digits)
      let value = part.reduce(0) { $0 * 10 + Int($1 - 48) }
      return range.contains(value) ? value : nil
    }
    func take(_ choice: String) -> Bool {
      guard let first = rest.first, choice.utf8.contains(first) else { return false }
      rest.removeFirst()
      return true
    }
    guard let year = number(4, 0...9999), take("-"), let month = number(2, 1...12), take("-"),
      let day = number(2, 1...31), take("Tt "), let hour = number(2, 0...23), take(":"),
      let minute = number(2, 0...59), take(":"), let second = number(2, 0...60)
    else { return nil }
    var fields = tm()
    fields.tm_year = Int32(year - 1900)
    fields.tm_mon = Int32(month - 1)
    fields.tm_mday = Int32(day)
    fields.tm_hour = Int32(hour)
    fields.tm_min = Int32(minute)
    fields.tm_sec = Int32(second)
    var fraction: Int64 = 0
    if take(".") {
      var scale: Int64 = 100_000_000
      guard let first = rest.first, (48...57).contains(first) else { return nil }
      while let digit = rest.first, (48...57).contains(digit) {
        rest.removeFirst()
        fraction += Int64(digit - 48) * scale
        scale /= 10
      }
    }
    var offset = 0
    let isEast = rest.first == UInt8(ascii: "+")
    if take("+-") {
      guard let hours = number(2, 0...23), take(":"), let minutes = number(2, 0...59) else {
        return nil
      }
      offset = (hours * 60 + minutes) * (isEast ? 60 : -60)
    } else if !take("Zz") {
      return nil
    }
    guard rest.isEmpty else { return nil }
    let seconds = Int64(timegm(&fields)) - Int64(offset)
    let limit = Int64.max / 1_000_000_000
    nanoseconds =
      seconds >= limit
      ? .max : seconds < -limit ? .min : seconds * 1_000_000_000 + fraction
  }

  /// The earlier moment is the smaller.
  public static func < (a: Timestamp, b: Timestamp) -> Bool { a.nanoseconds < b.nanoseconds }

  /// Whole seconds from another moment to this one, however far apart the two are.
  public func seconds(since other: Timestamp) -> Int64 {
    let (difference, isTooFar) = nanoseconds.subtractingReportingOverflow(other.nanoseconds)
    return isTooFar
      ? nanoseconds / 1_000_000_000 - other.nanoseconds / 1_000_000_000
      : difference / 1_000_000_000
  }

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
