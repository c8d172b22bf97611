import Linux

/// Where the runtime's messages go: `--log` and `--log-format`.
struct OCILog: Sendable {
  /// The file that lines are appended to; nil for none.
  var path: String?
  /// Whether a line is a JSON object rather than text.
  var isJSON = false

  /// A failure: to the file, where engines look for it, and to standard error.
  func report(_ failure: Failure) {
    append("error", failure.description)
    Console.error("minidock-oci: \(failure.description)")
  }

  /// A warning: to the file. Only without one to standard error, which is the container's already.
  func warn(_ text: String) {
    if !append("warning", text) { Console.error("minidock-oci: warning: \(text)") }
  }

  @discardableResult
  private func append(_ level: String, _ text: String) -> Bool {
    guard let path, let file = try? Descriptor.open(path, .append(mode: 0o644)) else {
      return false
    }
    let time = Timestamp.now.description
    let line =
      isJSON
      ? JSONValue.object([
        (key: "level", value: .string(level)), (key: "msg", value: .string(text)),
        (key: "time", value: .string(time)),
      ]).compact
      : "time=\"\(time)\" level=\(level) msg=\(JSONValue.string(text).compact)"
    return (try? file.write(Array((line + "\n").utf8), object: path)) != nil
  }
}
