import Linux

/// `--log-driver` and `--log-opt`: what is kept of a container's output.
public struct LogOptions: Sendable, Equatable {
  /// False for `--log-driver none`.
  public var isOn = true
  /// nil until `--log-driver` says it: a foreground `run --rm` then keeps no log.
  public var isExplicit = false
  /// Bytes of one log file before the next is begun.
  public var maximumSize: Int64 = 10 << 20
  /// How many files are kept.
  public var maximumFiles = 3

  /// Docker's local driver: 10 MiB in each of 3 files.
  public init() {}

  /// Sets the driver; minidock has one of its own, which stands for docker's json-file and local.
  ///
  /// - Throws: ``Failure/Code/unsupported``.
  public mutating func setDriver(_ name: String) throws(Failure) {
    switch name {
    case "none": isOn = false
    case "local", "json-file", "k8s-file": isOn = true
    default:
      throw Failure(
        .unsupported, "use", "--log-driver=\(name)", reason: "there is no such driver",
        remedy: "use local or none, and minidock logs -f to pass a log on")
    }
    isExplicit = true
  }

  /// Sets an option "max-size=10m" or "max-file=3".
  ///
  /// - Throws: ``Failure/Code/invalid``.
  public mutating func set(_ text: String) throws(Failure) {
    let parts = text.split(separator: "=", maxSplits: 1).map(String.init)
    func wrong(_ reason: String) -> Failure {
      Failure(
        .invalid, "parse", "--log-opt=\(text)", reason: reason,
        remedy: "use max-size=SIZE or max-file=NUMBER")
    }
    guard parts.count == 2 else { throw wrong("it is not NAME=VALUE") }
    switch parts[0] {
    case "max-size":
      maximumSize = try ByteCount(parts[1], flag: "--log-opt max-size").bytes
      guard maximumSize >= 4096 else { throw wrong("the least is 4k") }
    case "max-file":
      guard let number = Int(parts[1]), (1...1000).contains(number) else {
        throw wrong("it is not from 1 to 1000")
      }
      maximumFiles = number
    // Docker's json-file and local know these; they change nothing that can be seen here.
    case "compress", "mode", "max-buffer-size": break
    default: throw wrong("unknown option \"\(parts[0])\"")
    }
    isExplicit = true
  }
}
