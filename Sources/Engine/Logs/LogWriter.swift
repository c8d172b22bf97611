import Linux

/// Appends a container's output to its log; the container's monitor is the only writer.
///
/// It never fails and never waits for anybody: where the disk is full the output is dropped, counted, and
/// the count is entered once there is room again.
struct LogWriter: ~Copyable, OutputPump.Log {
  private let directory: String
  private let options: LogOptions
  private var generation: Int
  private var data: Descriptor
  private var index: Descriptor
  private var dataSize: Int64
  private var indexSize: Int64
  private var lost = 0
  /// The stream that the next bytes come from.
  var stream = LogFormat.Stream.output

  /// Continues the log in a folder, which is made when missing. Bytes that a killed monitor stored without
  /// an entry are given one.
  init(directory: String, options: LogOptions) throws(Failure) {
    try Files.makeDirectories(directory)
    let generation = LogFormat.generations(directory).last ?? 1
    let data = try LogWriter.open(LogFormat.dataPath(directory, generation))
    let index = try LogWriter.open(LogFormat.indexPath(directory, generation))
    let size = Int64(try data.fileStatus().size)
    let entries = Int64(try index.fileStatus().size) / Int64(LogFormat.Entry.size)
    try FileBytes.seek(data.raw, to: size)
    self.directory = directory
    self.options = options
    self.generation = generation
    dataSize = size
    indexSize = entries * Int64(LogFormat.Entry.size)
    self.data = data
    self.index = index
    recover()
  }

  private static func open(_ path: String) throws(Failure) -> Descriptor {
    do throws(Failure) { return try Descriptor.open(path, .readWrite) } catch
      where error.errno == ErrorNumber.noEntry
    {}
    _ = try Descriptor.open(path, .create(mode: 0o600))
    return try Descriptor.open(path, .readWrite)
  }

  private mutating func recover() {
    var known: Int64 = 0
    if indexSize > 0 {
      var space = [UInt8](repeating: 0, count: LogFormat.Entry.size)
      let (number, place) = (index.raw, indexSize - Int64(LogFormat.Entry.size))
      let got = try? space.withMutableBytes { (bytes) throws(Failure) in
        try FileBytes.read(number, into: bytes, at: place)
      }
      if got == space.count, let entry = LogFormat.Entry(space[...]) {
        known = entry.offset + (entry.stream == .lost ? 0 : Int64(entry.length))
      }
    }
    if dataSize > known { _ = enter(.output, length: Int(dataSize - known), at: known) }
  }

  // MARK: - OutputPump.Log

  mutating func append(pipe: Int32, limit: Int) -> Int {
    rotateWhenFull()
    let room = Int(max(4096, options.maximumSize - dataSize - indexSize))
    do throws(Failure) {
      let count = try FileBytes.splice(
        pipe: pipe, to: data.raw, limit: min(limit, room), object: directory)
      if count > 0 { entered(count) }
      return count
    } catch  where error.errno == ErrorNumber.again || error.errno == ErrorNumber.interrupted {
      return 0
    } catch {
      return drop(pipe: pipe, limit: limit)
    }
  }

  mutating func append(_ bytes: [UInt8]) {
    var rest = bytes[...]
    while !rest.isEmpty {
      rotateWhenFull()
      let room = Int(max(4096, options.maximumSize - dataSize - indexSize))
      let part = Array(rest.prefix(room))
      rest = rest.dropFirst(room)
      do throws(Failure) {
        try data.write(part, object: directory)
        entered(part.count)
      } catch {
        lost += part.count
        resetPosition()
      }
    }
  }

  private mutating func entered(_ count: Int) {
    let missing = lost
    if missing > 0 && enter(.lost, length: missing, at: dataSize) { lost -= missing }
    if enter(stream, length: count, at: dataSize) {
      dataSize += Int64(count)
    } else {
      // Without an entry the bytes do not exist for a reader; the next ones overwrite them.
      lost += count
      resetPosition()
    }
  }

  private mutating func enter(
    _ stream: LogFormat.Stream, length: Int, at offset: Int64
  ) -> Bool {
    let entry = LogFormat.Entry(time: .now, offset: offset, length: length, stream: stream)
    let isWritten: Void? = try? entry.bytes.withBytes { (bytes) throws(Failure) in
      try FileBytes.write(index.raw, bytes, at: indexSize, object: directory)
    }
    guard isWritten != nil else { return false }
    indexSize += Int64(LogFormat.Entry.size)
    return true
  }

  // A write that failed half-way may have stored a part.
  private mutating func resetPosition() {
    try? FileBytes.seek(data.raw, to: dataSize)
    try? FileBytes.setLength(data.raw, dataSize, object: directory)
  }

  private mutating func drop(pipe: Int32, limit: Int) -> Int {
    let count = (try? readSome(pipe, limit: min(limit, 64 << 10)))?.count ?? 0
    lost += count
    resetPosition()
    return count
  }

  // MARK: - Rotation

  private mutating func rotateWhenFull() {
    guard dataSize + indexSize >= options.maximumSize else { return }
    // Old files go first: on a full disk they are the room that is needed.
    let oldest = generation + 1 - options.maximumFiles
    for old in LogFormat.generations(directory) where old <= oldest {
      try? Files.remove(LogFormat.dataPath(directory, old))
      try? Files.remove(LogFormat.indexPath(directory, old))
    }
    do throws(Failure) {
      let nextData = try LogWriter.open(LogFormat.dataPath(directory, generation + 1))
      let nextIndex = try LogWriter.open(LogFormat.indexPath(directory, generation + 1))
      data = consume nextData
      index = consume nextIndex
      generation += 1
      dataSize = 0
      indexSize = 0
    } catch {
      // No room for new files: this one goes on and is begun anew at the next chance.
    }
  }
}
