import Linux

/// How a container's output lies on disk.
///
/// `containers/<id>/log/` holds numbered generations of two files each: `<n>.data` has the bytes as they
/// came, both streams in one order, and `<n>.index` says what they are: one entry of 24 bytes for each
/// piece that came at once. So output is moved into the file inside the kernel, unescaped, and read back
/// the same way; an entry is written after its bytes, so that a reader never sees half a piece.
enum LogFormat {
  /// The folder of a container's log.
  static func directory(of container: String) -> String { container + "/log" }

  static func dataPath(_ directory: String, _ generation: Int) -> String {
    "\(directory)/\(generation).data"
  }

  static func indexPath(_ directory: String, _ generation: Int) -> String {
    "\(directory)/\(generation).index"
  }

  /// The generations that exist, oldest first.
  static func generations(_ directory: String) -> [Int] {
    ((try? Files.list(directory)) ?? []).compactMap { name in
      name.hasSuffix(".index") ? Int(name.dropLast(6)) : nil
    }.sorted()
  }

  /// Which stream a piece came from.
  enum Stream: UInt8, Sendable {
    case output = 1
    case errors = 2
    /// Not output, but that some was lost; ``Entry/length`` says how much, no bytes are in the file.
    case lost = 3
  }

  /// A piece of output.
  struct Entry: Equatable {
    /// Bytes of an entry on disk.
    static let size = 24

    /// When it came.
    var time: Timestamp
    /// Where its bytes begin in the data file.
    var offset: Int64
    /// How many there are.
    var length: Int
    /// Where it came from.
    var stream: Stream

    var bytes: [UInt8] {
      var writer = WireWriter(capacity: Entry.size)
      writer.put(time.nanoseconds)
      writer.put(offset)
      writer.put(UInt32(truncatingIfNeeded: length))
      writer.put(UInt32(stream.rawValue))
      return writer.bytes
    }

    init(time: Timestamp, offset: Int64, length: Int, stream: Stream) {
      self.time = time
      self.offset = offset
      self.length = length
      self.stream = stream
    }

    /// The entry at a place of an index that was read; nil when it is damaged.
    init?(_ bytes: ArraySlice<UInt8>) {
      guard bytes.count == Entry.size else { return nil }
      func number<Integer: FixedWidthInteger>(_ start: Int, _: Integer.Type) -> Integer {
        bytes.withUnsafeBytes {
          Integer(littleEndian: $0.loadUnaligned(fromByteOffset: start, as: Integer.self))
        }
      }
      time = Timestamp(nanoseconds: number(0, Int64.self))
      offset = number(8, Int64.self)
      length = Int(number(16, UInt32.self))
      guard let stream = Stream(rawValue: UInt8(truncatingIfNeeded: number(20, UInt32.self))),
        offset >= 0
      else { return nil }
      self.stream = stream
    }
  }
}
