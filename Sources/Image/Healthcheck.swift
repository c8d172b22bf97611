/// An image's HEALTHCHECK, as docker puts it into the configuration (OCI has no such field).
public struct Healthcheck: Sendable, Equatable, Codable {
  /// ["CMD", program, argument …], ["CMD-SHELL", text] or ["NONE"]; empty inherits.
  public var test: [String]?
  /// Nanoseconds between two tests; nil or 0 for docker's default, as for the others.
  public var interval: Int64?
  /// Nanoseconds that a test may take.
  public var timeout: Int64?
  /// Nanoseconds in which failures do not count.
  public var startPeriod: Int64?
  /// Nanoseconds between two tests in that time.
  public var startInterval: Int64?
  /// Failures in a row that make it unhealthy.
  public var retries: Int?

  enum CodingKeys: String, CodingKey {
    case test = "Test"
    case interval = "Interval"
    case timeout = "Timeout"
    case startPeriod = "StartPeriod"
    case startInterval = "StartInterval"
    case retries = "Retries"
  }

  /// A test with docker's default times.
  public init(test: [String]) { self.test = test }
}
