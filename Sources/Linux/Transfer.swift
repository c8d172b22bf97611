/// How far an archive or copy has come.
public struct TransferCount: Sendable, Equatable {
  /// Bytes of content.
  public var bytes: Int64 = 0
  /// Entries of every kind.
  public var entries = 0

  /// Nothing yet.
  public init() {}
}

/// Copying the content of one file.
public enum Transfer {
  /// Copies at most `size` bytes from the start of one open file to another's offset: a file that grows
  /// for ever ends at the size that it had.
  ///
  /// - Parameters:
  ///   - buffer: where the bytes pass through.
  ///   - object: names the file in messages.
  ///   - write: takes each piece.
  /// - Returns: how many there were; fewer when the file has shrunk.
  public static func read(
    _ source: borrowing Descriptor, size: Int64, through buffer: UnsafeMutableRawBufferPointer,
    object: String, _ write: (UnsafeRawBufferPointer) throws(Failure) -> Void
  ) throws(Failure) -> Int64 {
    var done: Int64 = 0
    while done < size {
      let want = Int(min(Int64(buffer.count), size - done))
      let space = UnsafeMutableRawBufferPointer(rebasing: buffer[..<want])
      let count: Int
      do throws(Failure) { count = try readBytes(source.raw, into: space) } catch {
        throw Failure(errno: error.errno, "read", object)
      }
      if count == 0 { break }
      try write(UnsafeRawBufferPointer(rebasing: space[..<count]))
      done += Int64(count)
    }
    return done
  }
}
