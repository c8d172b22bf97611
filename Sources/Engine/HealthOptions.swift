import Image
import Linux

/// How a container's health is tested: `--health-cmd` and its like, or an image's HEALTHCHECK.
public struct HealthOptions: Sendable, Equatable {
  /// What is done with a container that has become unhealthy.
  public enum Action: String, Sendable {
    case none
    case kill
    case restart
    case stop
  }

  /// The command with its arguments; empty when there is none.
  public var command: [String] = []
  /// `--no-healthcheck`: not even the image's.
  public var isOff = false
  /// Nanoseconds between two tests; 0 is docker's 30 seconds.
  public var interval: Int64 = 0
  /// Nanoseconds that one test may take; 0 is docker's 30 seconds.
  public var timeout: Int64 = 0
  /// Nanoseconds in which failures do not count; 0 is none.
  public var startPeriod: Int64 = 0
  /// Nanoseconds between two tests during the start period; 0 is docker's 5 seconds.
  public var startInterval: Int64 = 0
  /// Failures in a row that make it unhealthy; 0 is docker's 3.
  public var retries = 0
  /// `--health-on-failure`.
  public var onFailure = Action.none

  /// None.
  public init() {}

  /// What an image asks for.
  init(_ check: Healthcheck?) {
    guard let check, let kind = check.test?.first else { return }
    let rest = Array(check.test!.dropFirst())
    switch kind {
    case "NONE": isOff = true
    case "CMD": command = rest
    case "CMD-SHELL": command = ["/bin/sh", "-c"] + rest
    default: return
    }
    interval = check.interval ?? 0
    timeout = check.timeout ?? 0
    startPeriod = check.startPeriod ?? 0
    startInterval = check.startInterval ?? 0
    retries = check.retries ?? 0
  }

  /// What an image would say to have this test.
  var healthcheck: Healthcheck? {
    if isOff { return Healthcheck(test: ["NONE"]) }
    guard isActive else { return nil }
    var check = Healthcheck(
      test: command.prefix(2) == ["/bin/sh", "-c"] && command.count == 3
        ? ["CMD-SHELL", command[2]] : ["CMD"] + command)
    check.interval = interval == 0 ? nil : interval
    check.timeout = timeout == 0 ? nil : timeout
    check.startPeriod = startPeriod == 0 ? nil : startPeriod
    check.startInterval = startInterval == 0 ? nil : startInterval
    check.retries = retries == 0 ? nil : retries
    return check
  }

  /// Whether there is anything to test.
  public var isActive: Bool { !isOff && !command.isEmpty }

  /// The options with docker's defaults in the place of zeros.
  var resolved: HealthOptions {
    var copy = self
    if copy.interval == 0 { copy.interval = 30_000_000_000 }
    if copy.timeout == 0 { copy.timeout = 30_000_000_000 }
    if copy.startInterval == 0 { copy.startInterval = 5_000_000_000 }
    if copy.retries == 0 { copy.retries = 3 }
    return copy
  }

  /// What is said here on top of what the image says.
  func merged(over image: HealthOptions) -> HealthOptions {
    if isOff { return self }
    var result = image
    if !command.isEmpty {
      result.command = command
      result.isOff = false
    }
    if interval != 0 { result.interval = interval }
    if timeout != 0 { result.timeout = timeout }
    if startPeriod != 0 { result.startPeriod = startPeriod }
    if startInterval != 0 { result.startInterval = startInterval }
    if retries != 0 { result.retries = retries }
    result.onFailure = onFailure
    return result
  }
}

/// A length of time as docker's flags write it: "1m30s", "500ms", "2h".
public enum Duration {
  /// Nanoseconds; a bare number is seconds where `bareSeconds` says so.
  ///
  /// - Throws: ``Failure/Code/invalid`` naming the flag.
  public static func nanoseconds(
    _ text: String, flag: String, bareSeconds: Bool = false
  ) throws(Failure) -> Int64 {
    func wrong() -> Failure {
      Failure(
        .invalid, "parse", "\(flag)=\(text)", reason: "it is not a length of time",
        remedy: "write it as 30s, 1m30s or 500ms")
    }
    if bareSeconds, let seconds = Double(text), seconds.isFinite, abs(seconds) < 9e9 {
      return Int64(seconds * 1e9)
    }
    if text == "0" { return 0 }
    var total = 0.0
    var rest = text[...]
    guard !rest.isEmpty else { throw wrong() }
    while !rest.isEmpty {
      let digits = rest.prefix { $0.isASCII && ($0.isNumber || $0 == ".") }
      rest = rest.dropFirst(digits.count)
      let unit = rest.prefix { $0.isLetter }
      rest = rest.dropFirst(unit.count)
      guard let number = Double(digits), let scale = scale(of: unit) else { throw wrong() }
      total += number * scale
    }
    guard total < 9e18 else { throw wrong() }
    return Int64(total)
  }

  private static func scale(of unit: Substring) -> Double? {
    switch unit {
    case "ns": 1
    case "us", "µs", "μs": 1e3
    case "ms": 1e6
    case "s": 1e9
    case "m": 60e9
    case "h": 3600e9
    default: nil
    }
  }
}
