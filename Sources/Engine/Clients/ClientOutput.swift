import Linux

/// What a client prints of a container.
enum ClientOutput: ~Copyable {
  /// Nothing: the monitor writes to this process's own standard output.
  case none
  /// The log, as it grows.
  case log(LogFollower)

  var interest: Watch? {
    switch self {
    case .none: nil
    case .log(let follower): follower.interest
    }
  }

  /// Prints what there is.
  mutating func pump() throws(Failure) {
    switch consume self {
    case .none: self = .none
    case .log(var follower):
      do throws(Failure) { try follower.pump() } catch {
        self = .none
        throw error
      }
      self = .log(follower)
    }
  }
}

/// A log that is printed from now on.
struct LogFollower: ~Copyable {
  private var reader: LogReader
  private var printer = LogPrinter(ContainerLogs.Query())
  private let watch: FileWatch

  /// Begins with what is printed next.
  init(directory: String) throws(Failure) {
    let watch = try FileWatch()
    try watch.add(directory)
    self.watch = watch
    reader = LogReader(followingFrom: directory)
    reader.joinsPieces = true
  }

  var interest: Watch { Watch(watch.descriptor.raw) }

  mutating func pump() throws(Failure) {
    watch.drain()
    _ = try printer.printAll(&reader)
  }
}
