extension WireWriter {
  /// Appends a failure with all its parts.
  public mutating func put(_ failure: Failure) {
    put(failure.code.rawValue)
    put(failure.operation)
    put(failure.object)
    put(failure.errno)
    put(failure.reason)
    put(failure.remedy)
  }
}

extension Failure {
  /// Reads what ``WireWriter`` wrote.
  public init(_ reader: inout WireReader) throws(Failure) {
    let code = Failure.Code(rawValue: try reader.getString()) ?? .system
    self.init(code, try reader.getString(), try reader.getString(), reason: "")
    errno = try reader.get()
    reason = try reader.getString()
    remedy = try reader.getString()
  }
}
