import Linux

/// `minidock logs`: what a container has printed.
public struct ContainerLogs {
  /// What to show.
  public struct Query: Sendable {
    /// `-f`: goes on until the container has ended.
    public var follows = false
    /// `-t`: a time in front of each line.
    public var timestamps = false
    /// `-n`: only the last lines; nil for all.
    public var tail: Int?
    /// `--since`.
    public var since: Timestamp?
    /// `--until`.
    public var until: Timestamp?

    /// Everything.
    public init() {}
  }

  let installation: Installation

  /// The logs of an installation.
  public init(_ installation: Installation) { self.installation = installation }

  /// Writes a container's output to standard output and standard error.
  ///
  /// - Throws: ``Failure/Code/notFound``; ``Failure/Code/unsupported`` when it keeps no log; EPIPE when
  ///   the reader has gone.
  public func show(_ text: String, _ query: Query) throws(Failure) {
    let store = ContainerStore(installation)
    let record = try store.find(text)
    let directory = LogFormat.directory(of: store.directory(record.id))
    if !Files.exists(directory), !store.options(of: record).log.isOn {
      throw Failure(
        .unsupported, "read log of", text, reason: "it keeps none",
        remedy: "a container with --log-driver none keeps none, nor does a foreground run --rm; "
          + "give that one --log-driver local")
    }
    var reader =
      if let lines = query.tail {
        LogReader(directory: directory, lines: lines)
      } else {
        LogReader(directory: directory)
      }
    reader.joinsPieces = !query.timestamps && query.since == nil && query.until == nil
    var printer = LogPrinter(query)
    if try printer.printAll(&reader) || !query.follows { return }
    try follow(store, record, directory, &reader, &printer, until: query.until)
  }

  private func follow(
    _ store: ContainerStore, _ record: ContainerRecord, _ directory: String,
    _ reader: inout LogReader, _ printer: inout LogPrinter, until: Timestamp?
  ) throws(Failure) {
    let watch = try FileWatch()
    try? Files.makeDirectories(directory)
    try watch.add(directory)
    var monitor: ProcessIdentity?
    while true {
      // Of a container that has ended the monitor may still have something to write.
      monitor = store.runFile(of: record.id)?.monitor ?? monitor
      var handle = Descriptor(owning: -1)
      if let pid = monitor?.pid, let opened = try? Processes.open(pid: pid) { handle = opened }
      // Whatever the monitor wrote is there before it ends: alive first, then the rest.
      let isAlive = monitor?.isAlive ?? false
      if try printer.printAll(&reader) || !isAlive { return }
      var watches = [Watch(watch.descriptor.raw), Watch(handle.raw)]
      let left = until.map { ($0.nanoseconds - Timestamp.now.nanoseconds) / 1_000_000 }
      if let left, left <= 0 { return }
      try Watch.wait(&watches, milliseconds: Int32(clamping: min(left ?? 60_000, 60_000)))
      watch.drain()
    }
  }
}

/// Writes pieces of a log to the standard streams.
struct LogPrinter {
  private let query: ContainerLogs.Query
  // Whether the next byte of a stream begins a line.
  private var startsLine: [Bool] = [true, true, true]
  private var canSend = true

  init(_ query: ContainerLogs.Query) { self.query = query }

  /// Prints what there is now; true when the end that was asked for has been reached.
  mutating func printAll(_ reader: inout LogReader) throws(Failure) -> Bool {
    while let piece = reader.next() {
      if let since = query.since, piece.entry.time < since { continue }
      if let until = query.until, piece.entry.time > until { return true }
      try print(piece)
    }
    return false
  }

  private mutating func print(_ piece: LogReader.Piece) throws(Failure) {
    switch piece.entry.stream {
    case .lost:
      Console.error(
        "minidock: \(piece.entry.length) bytes of output are missing here: the disk was full")
    case .output, .errors:
      let target = Int32(piece.entry.stream.rawValue)
      if query.timestamps {
        try printLines(piece, to: target)
      } else {
        try copy(piece, to: target)
      }
    }
  }

  private mutating func copy(_ piece: LogReader.Piece, to target: Int32) throws(Failure) {
    var done = 0
    while done < piece.entry.length {
      let offset = piece.entry.offset + Int64(done)
      if canSend {
        do throws(Failure) {
          let count = try FileBytes.copy(
            from: piece.file, at: offset, to: target, limit: piece.entry.length - done)
          if count == 0 { return }
          done += count
          continue
        } catch  where error.errno != ErrorNumber.brokenPipe {
          // A file opened for appending, for one, takes no sendfile(2).
          canSend = false
        }
      }
      let bytes = try bytes(piece, from: done)
      if bytes.isEmpty { return }
      try bytes.withBytes { (bytes) throws(Failure) in try writeAll(target, bytes) }
      done += bytes.count
    }
  }

  private func bytes(_ piece: LogReader.Piece, from done: Int) throws(Failure) -> [UInt8] {
    var space = [UInt8](repeating: 0, count: min(256 << 10, piece.entry.length - done))
    let count = try space.withMutableBytes { (bytes) throws(Failure) in
      try FileBytes.read(piece.file, into: bytes, at: piece.entry.offset + Int64(done))
    }
    space.removeLast(space.count - count)
    return space
  }

  private mutating func printLines(_ piece: LogReader.Piece, to target: Int32) throws(Failure) {
    let stamp = Array((piece.entry.time.description + " ").utf8)
    var done = 0
    while done < piece.entry.length {
      let bytes = try bytes(piece, from: done)
      if bytes.isEmpty { return }
      done += bytes.count
      var text: [UInt8] = []
      text.reserveCapacity(bytes.count * 2)
      for line in bytes.splitKeepingLineFeeds {
        if startsLine[Int(target)] { text += stamp }
        text += line
        startsLine[Int(target)] = line.last == UInt8(ascii: "\n")
      }
      try text.withBytes { (bytes) throws(Failure) in try writeAll(target, bytes) }
    }
  }
}

extension [UInt8] {
  /// The lines, each with its line feed.
  fileprivate var splitKeepingLineFeeds: [ArraySlice<UInt8>] {
    var lines: [ArraySlice<UInt8>] = []
    var start = startIndex
    while start < endIndex {
      let end = self[start...].firstIndex(of: UInt8(ascii: "\n")).map { $0 + 1 } ?? endIndex
      lines.append(self[start..<end])
      start = end
    }
    return lines
  }
}
