import Linux

/// Reads a container's log from a place on, while it is written and across rotation.
struct LogReader: ~Copyable {
  /// A piece of output, or of several pieces that follow one another in a stream.
  struct Piece {
    var entry: LogFormat.Entry
    /// The data file, good until the next call.
    var file: Int32
  }

  private let directory: String
  private var generation = 0
  private var data = Descriptor(owning: -1)
  private var index = Descriptor(owning: -1)
  private var nextEntry: Int64 = 0
  private var buffered: [LogFormat.Entry] = []
  private var bufferedStart = 0
  /// Bytes before this place of ``generation`` are left out.
  private var startOffset: Int64 = 0
  /// Whether pieces that follow one another may be read as one; their times would be lost.
  var joinsPieces = false

  /// Reads from the oldest byte on.
  init(directory: String) { self.directory = directory }

  /// Reads from what comes next.
  init(followingFrom directory: String) {
    self.directory = directory
    guard let last = LogFormat.generations(directory).last, open(last) else { return }
    let size = (try? index.fileStatus().size) ?? 0
    nextEntry = size / Int64(LogFormat.Entry.size)
  }

  /// Reads the last lines.
  init(directory: String, lines: Int) {
    if lines <= 0 {
      self.init(followingFrom: directory)
      return
    }
    self.init(directory: directory)
    let start = LogTail.start(directory: directory, lines: lines)
    guard let start, open(start.generation) else { return }
    startOffset = start.offset
  }

  /// The next piece; nil when there is none yet.
  mutating func next() -> Piece? {
    while true {
      guard let entry = nextBuffered() else {
        if fill() { continue }
        if openNext() { continue }
        return nil
      }
      if entry.stream == .lost { return Piece(entry: entry, file: data.raw) }
      var clipped = entry
      if entry.offset < startOffset {
        let cut = min(Int64(entry.length), startOffset - entry.offset)
        clipped.offset += cut
        clipped.length -= Int(cut)
        if clipped.length == 0 { continue }
      }
      if joinsPieces { join(&clipped) }
      return Piece(entry: clipped, file: data.raw)
    }
  }

  private mutating func nextBuffered() -> LogFormat.Entry? {
    guard bufferedStart < buffered.count else { return nil }
    defer { bufferedStart += 1 }
    return buffered[bufferedStart]
  }

  private mutating func join(_ piece: inout LogFormat.Entry) {
    while bufferedStart < buffered.count {
      let next = buffered[bufferedStart]
      guard next.stream == piece.stream, next.offset == piece.offset + Int64(piece.length),
        piece.length + next.length < 1 << 30
      else { return }
      piece.length += next.length
      bufferedStart += 1
    }
  }

  private mutating func fill() -> Bool {
    guard index.raw >= 0 else { return false }
    buffered = []
    bufferedStart = 0
    var space = [UInt8](repeating: 0, count: LogFormat.Entry.size * 2048)
    let place = nextEntry * Int64(LogFormat.Entry.size)
    let number = index.raw
    let got = try? space.withMutableBytes { (bytes) throws(Failure) in
      try FileBytes.read(number, into: bytes, at: place)
    }
    let count = (got ?? 0) / LogFormat.Entry.size
    for number in 0..<count {
      let start = number * LogFormat.Entry.size
      if let entry = LogFormat.Entry(space[start..<(start + LogFormat.Entry.size)]) {
        buffered.append(entry)
      }
    }
    nextEntry += Int64(count)
    return count > 0
  }

  private mutating func open(_ number: Int) -> Bool {
    guard let data = try? Descriptor.open(LogFormat.dataPath(directory, number), .read),
      let index = try? Descriptor.open(LogFormat.indexPath(directory, number), .read)
    else { return false }
    self.data = consume data
    self.index = consume index
    generation = number
    nextEntry = 0
    startOffset = 0
    return true
  }

  // A generation is complete once there is a later one. What was deleted before this reader came to it is
  // stepped over.
  private mutating func openNext() -> Bool {
    let later = LogFormat.generations(directory).filter { $0 > generation }
    if later.isEmpty { return false }
    // The writer may have added to this one before it began the next.
    if index.raw >= 0 && fill() { return true }
    for number in later where open(number) { return true }
    return false
  }
}

/// Finds where the last lines of a log begin.
enum LogTail {
  /// The place after which `lines` (at least 1) line ends follow, the one at the very end not counted;
  /// nil when there is no log.
  static func start(directory: String, lines: Int) -> (generation: Int, offset: Int64)? {
    let generations = LogFormat.generations(directory)
    guard let oldest = generations.first else { return nil }
    var wanted = lines
    var isAtEnd = true
    for generation in generations.reversed() {
      guard let file = try? Descriptor.open(LogFormat.dataPath(directory, generation), .read),
        let size = try? file.fileStatus().size
      else { continue }
      if let offset = scan(file.raw, size, &wanted, &isAtEnd) { return (generation, offset) }
    }
    return (oldest, 0)
  }

  private static func scan(
    _ file: Int32, _ size: Int64, _ wanted: inout Int, _ isAtEnd: inout Bool
  ) -> Int64? {
    var end = size
    var space = [UInt8](repeating: 0, count: 64 << 10)
    while end > 0 {
      let start = max(0, end - Int64(space.count))
      let got = try? space.withMutableBytes { (bytes) throws(Failure) in
        try FileBytes.read(file, into: bytes, at: start)
      }
      guard let got, got > 0 else { return nil }
      for place in stride(from: min(got, Int(end - start)) - 1, through: 0, by: -1) {
        let isLineEnd = space[place] == UInt8(ascii: "\n")
        if isLineEnd && !isAtEnd {
          wanted -= 1
          if wanted == 0 { return start + Int64(place) + 1 }
        }
        isAtEnd = false
      }
      end = start
    }
    return nil
  }
}
