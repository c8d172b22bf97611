import Linux

/// A number of bytes as docker's flags write it: "512m", "1g", "64k", "1.5GB", "-1" where allowed.
public struct ByteCount: Sendable, Equatable {
  /// -1 stands for no limit.
  public let bytes: Int64

  /// Parses a size; units are powers of 1024, upper or lower case, with or without "b" or "ib".
  ///
  /// - Parameter flag: the flag's name, for the error.
  public init(_ text: String, flag: String, allowUnlimited: Bool = false) throws(Failure) {
    func wrong(_ reason: String) -> Failure {
      Failure(
        .invalid, "parse", "\(flag)=\(text)", reason: reason,
        remedy: "write a number with k, m or g, such as 512m")
    }
    if allowUnlimited && text == "-1" {
      bytes = -1
      return
    }
    let lower = text.lowercased()
    var digits = lower[...]
    var shift = 0
    for suffix in ["ib", "b"] where digits.hasSuffix(suffix) {
      digits.removeLast(suffix.count)
      break
    }
    if let unit = digits.last, let index = "kmgtp".firstIndex(of: unit) {
      shift = 10 * ("kmgtp".distance(from: "kmgtp".startIndex, to: index) + 1)
      digits.removeLast()
    } else if lower.hasSuffix("ib") {
      throw wrong("it is not a size")
    }
    // Docker allows one space between number and unit.
    if digits.count < lower.count && digits.last == " " { digits.removeLast() }
    guard !digits.isEmpty, digits.allSatisfy({ $0.isASCII && ($0.isNumber || $0 == ".") }) else {
      throw wrong("it is not a size")
    }
    guard let number = Double(String(digits)), number.isFinite else {
      throw wrong("it is not a size")
    }
    let value = number * Double(Int64(1) << Int64(shift))
    guard value < 9.0e18 else { throw wrong("it is too large") }
    bytes = Int64(value)
  }

  /// The size as docker prints it: decimal units, at most four digits ("4.27MB").
  public static func decimal(_ bytes: Int64) -> String {
    units(Double(bytes), base: 1000, digits: 3, ["B", "kB", "MB", "GB", "TB", "PB"])
  }

  /// The size in powers of 1024, four digits as docker's: "15.58GiB".
  public static func binary(_ bytes: Int64) -> String {
    units(Double(bytes), base: 1024, digits: 4, ["B", "KiB", "MiB", "GiB", "TiB", "PiB"])
  }

  private static func units(
    _ value: Double, base: Double, digits: Int, _ names: [String]
  ) -> String {
    var value = value
    var index = 0
    while value >= base && index < names.count - 1 {
      value /= base
      index += 1
    }
    return significant(value, digits: index == 0 ? 4 : digits) + names[index]
  }

  // As C's "%.Ng" without an exponent: N significant digits, no zeros at the end.
  private static func significant(_ value: Double, digits: Int) -> String {
    var whole = 1
    var limit = 10.0
    while value >= limit {
      whole += 1
      limit *= 10
    }
    let decimals = max(0, digits - whole)
    var scale = 1.0
    for _ in 0..<decimals { scale *= 10 }
    let scaled = Int64((value * scale).rounded())
    let integer = scaled / Int64(scale)
    let fraction = scaled % Int64(scale)
    if fraction == 0 { return String(integer) }
    var text = String(fraction)
    text = String(repeating: "0", count: decimals - text.count) + text
    while text.hasSuffix("0") { text.removeLast() }
    return "\(integer).\(text)"
  }
}

/// Times as docker's tables print them.
public enum Elapsed {
  /// "About a minute", "3 hours", "2 weeks": docker's rounding.
  public static func words(seconds: Int64) -> String {
    let seconds = max(0, seconds)
    let minutes = seconds / 60
    let hours = Int64((Double(seconds) / 3600).rounded())
    switch true {
    case seconds < 1: return "Less than a second"
    case seconds == 1: return "1 second"
    case seconds < 60: return "\(seconds) seconds"
    case minutes == 1: return "About a minute"
    case minutes < 60: return "\(minutes) minutes"
    case hours == 1: return "About an hour"
    case hours < 48: return "\(hours) hours"
    case hours < 24 * 7 * 2: return "\(hours / 24) days"
    case hours < 24 * 30 * 2: return "\(hours / 24 / 7) weeks"
    case hours < 24 * 365 * 2: return "\(hours / 24 / 30) months"
    default: return "\(hours / 24 / 365) years"
    }
  }

  /// The time from `start` to now with " ago".
  public static func ago(_ start: Timestamp) -> String {
    words(seconds: Timestamp.now.seconds(since: start)) + " ago"
  }
}
