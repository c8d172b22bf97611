import Linux

/// The entries of an archive that nobody trusts, decoded by a confined child that has no file of the host
/// in sight, and handed over as plain records.
///
/// ```
/// source ──reads── decoding child (no files, no network, seccomp) ──records──> this process
/// ```
/// What libarchive makes of hostile bytes stays in the child (rows 22, 23 and 39); where an entry may go
/// is decided here, by whoever takes it.
public final class ArchiveEntries {
  /// An entry.
  public struct Entry: Sendable {
    /// As it stands in the archive: it may begin with a slash or hold "..".
    public var path: [UInt8]
    /// What kind of file it is.
    public var content: TarWriter.Content
    /// Owner, mode, times and attributes.
    public var metadata: TreeWriter.Metadata
  }

  private let stream: Descriptor
  private let child: Child
  private var isReaped = false
  private let buffer = UnsafeMutableRawBufferPointer.allocate(
    byteCount: EntryRecord.limit, alignment: 4096)
  /// A record that was read ahead.
  private var pending: EntryRecord.Kind?
  private var pendingCount = 0

  /// Starts the decoding child; this process must have no thread.
  ///
  /// - Parameters:
  ///   - source: a tar, plain or compressed with gzip, zstd, xz or bzip2, read to its end.
  ///   - emptyDirectory: a directory with nothing in it, which becomes the child's whole file system.
  /// - Throws: ``Failure/Code/unsupported`` for what is no tar.
  public init(
    from source: Int32, emptyDirectory: String, limits: ImportLimits = ImportLimits()
  ) throws(Failure) {
    let head = try ArchiveKind.readHead(source)
    guard !head.isEmpty else {
      throw Failure(.invalid, "read", "archive", reason: "the input is empty")
    }
    let kind = head.withUnsafeBytes { ArchiveKind(head: $0) }
    if let refusal = kind.refusal("copy", decompressed: false) { throw refusal }
    let room = try Descriptor.open(emptyDirectory, .directory)
    let pipe = try Descriptor.pipe()
    let input = pipe.read
    let output = pipe.write
    let (outputNumber, roomNumber) = (output.raw, room.raw)
    child = try Processes.forkHelper { parent in
      EntryChild.run(
        parent: parent, head: head, source: source, output: outputNumber, directory: roomNumber,
        kind: kind, limits: limits)
    }
    stream = input
    _ = consume output
  }

  deinit {
    if !isReaped { child.kill() }
    buffer.deallocate()
  }

  /// The next entry; nil at the archive's end. Content of the one before that was not read is skipped.
  ///
  /// - Throws: what the child found wrong with the archive.
  public func next() throws(Failure) -> Entry? {
    while true {
      let (kind, payload) = try nextRecord()
      switch kind {
      case .data: continue
      case .entry: return try EntryRecord.entry([UInt8](payload))
      case .end:
        try reap()
        return nil
      case .failure:
        let failure = [UInt8](payload)
        try reap()
        _ = try UnpackChild.result(failure)
        throw Failure(.corrupt, "read", "archive", reason: "the decoder answered nonsense")
      }
    }
  }

  /// Gives the current entry's content, piece by piece with its offset, to `body`; holes are left out.
  public func readContent(
    _ body: (UnsafeRawBufferPointer, Int64) throws(Failure) -> Void
  ) throws(Failure) {
    while try peek() == .data {
      let (_, payload) = try nextRecord()
      guard payload.count >= 8 else {
        throw Failure(.corrupt, "read", "archive", reason: "the decoder answered nonsense")
      }
      let offset = payload.loadUnaligned(as: Int64.self)
      try body(UnsafeRawBufferPointer(rebasing: payload[8...]), offset)
    }
  }

  private func reap() throws(Failure) {
    _ = try Processes.wait(pidfd: child.handle)
    isReaped = true
  }

  private func peek() throws(Failure) -> EntryRecord.Kind {
    if let pending { return pending }
    try fill(EntryRecord.headLength)
    guard let kind = EntryRecord.Kind(rawValue: buffer[0]) else {
      throw Failure(.corrupt, "read", "archive", reason: "the decoder answered nonsense")
    }
    let count = Int(buffer.loadUnaligned(fromByteOffset: 1, as: UInt32.self))
    guard count <= EntryRecord.limit else {
      throw Failure(.corrupt, "read", "archive", reason: "the decoder answered nonsense")
    }
    pending = kind
    pendingCount = count
    return kind
  }

  private func nextRecord() throws(Failure) -> (EntryRecord.Kind, UnsafeRawBufferPointer) {
    let kind = try peek()
    pending = nil
    try fill(pendingCount)
    return (kind, UnsafeRawBufferPointer(rebasing: buffer[..<pendingCount]))
  }

  private func fill(_ count: Int) throws(Failure) {
    var done = 0
    while done < count {
      let got = try readBytes(
        stream.raw, into: UnsafeMutableRawBufferPointer(rebasing: buffer[done..<count]))
      if got == 0 {
        let status = try Processes.wait(pidfd: child.handle)
        isReaped = true
        var how = "it ended without a result"
        if case .signaled(let signal) = status { how = "killed by \(Signals.name(signal))" }
        throw Failure(
          .corrupt, "read", "archive", reason: "the decoder failed: \(how)",
          remedy: "the archive may be damaged or hostile")
      }
      done += got
    }
  }
}
