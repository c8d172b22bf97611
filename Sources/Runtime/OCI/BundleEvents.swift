import Linux

/// The documents of `events`, in runc's form.
public enum BundleEvents {
  /// An event without figures.
  public static func event(_ type: String, _ id: String) -> JSONValue {
    .object([(key: "type", value: .string(type)), (key: "id", value: .string(id))])
  }

  /// The figures of a container.
  public static func statistics(_ id: String, _ figures: CgroupStatistics) -> JSONValue {
    func object(_ members: [(String, UInt64)]) -> JSONValue {
      .object(members.map { (key: $0.0, value: .unsigned($0.1)) })
    }
    func io(_ read: UInt64, _ write: UInt64) -> JSONValue {
      .array(
        [("Read", read), ("Write", write)].map { name, value in
          .object([(key: "op", value: .string(name)), (key: "value", value: .unsigned(value))])
        })
    }
    return .object([
      (key: "type", value: .string("stats")), (key: "id", value: .string(id)),
      (
        key: "data",
        value: .object([
          (
            key: "cpu",
            value: .object([
              (
                key: "usage",
                value: object([
                  ("total", figures.cpuUsage), ("kernel", figures.cpuSystem),
                  ("user", figures.cpuUser),
                ])
              ),
              (
                key: "throttling",
                value: object([
                  ("throttledPeriods", figures.throttledPeriods),
                  ("throttledTime", figures.throttledTime),
                ])
              ),
            ])
          ),
          (
            key: "memory",
            value: .object([
              (key: "cache", value: .unsigned(figures.inactiveFile)),
              (
                key: "usage",
                value: object([
                  ("limit", figures.memoryLimit ?? .max), ("usage", figures.memoryUsage),
                  ("max", figures.memoryPeak ?? 0), ("failcnt", UInt64(figures.oomKills)),
                ])
              ),
            ])
          ),
          (
            key: "pids",
            value: object([("current", figures.pids), ("limit", figures.pidsLimit ?? 0)])
          ),
          (
            key: "blkio",
            value: .object([
              (
                key: "ioServiceBytesRecursive",
                value: io(figures.ioReadBytes, figures.ioWriteBytes)
              ),
              (key: "ioServicedRecursive", value: io(figures.ioReads, figures.ioWrites)),
            ])
          ),
        ])
      ),
    ])
  }
}
