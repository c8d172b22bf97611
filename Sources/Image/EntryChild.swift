import Linux

/// The decoding child of ``ArchiveEntries``.
enum EntryChild {
  private static let piece = 256 << 10

  /// The body: returns the exit status.
  static func run(
    parent: Int32, head: [UInt8], source: Int32, output: Int32, directory: Int32,
    kind: ArchiveKind, limits: ImportLimits
  ) -> Int32 {
    do throws(Failure) {
      let igzip = kind == .gzip ? IgzipLibrary() : nil
      _ = try UnpackChild.confine(
        parent: parent, keeping: [source, output, directory], directory: directory, limits: limits)
      let stream = CheckedStream(
        try UnpackChild.decoder(kind, DescriptorStream(head: head, then: source), igzip),
        limits: limits, isCompressed: kind != .tar)
      try HeadCheck.tar(stream, isCompressed: kind != .tar)
      let tar = try TarReader(stream)
      var entries = 0
      while try tar.next() {
        entries += 1
        guard entries <= limits.entries else {
          throw Failure(
            .refused, "read", "archive", reason: "it has more than \(limits.entries) entries")
        }
        try send(.entry, try EntryRecord.bytes(of: tar, limits), to: output)
        if tar.kind == .regular, tar.hardLink == nil { try sendContent(tar, to: output) }
      }
      try send(.end, [], to: output)
      return 0
    } catch {
      try? send(.failure, UnpackChild.message(.failure(error)), to: output)
      return 1
    }
  }

  private static func sendContent(_ tar: TarReader, to output: Int32) throws(Failure) {
    try tar.readContent { (bytes, offset) throws(Failure) in
      var done = 0
      while done < bytes.count {
        let end = min(bytes.count, done + piece)
        var head = [EntryRecord.Kind.data.rawValue]
        var writer = WireWriter()
        writer.put(UInt32(end - done + 8))
        writer.put(offset + Int64(done))
        head += writer.bytes
        try head.withBytes { (raw) throws(Failure) in try writeAll(output, raw) }
        try writeAll(output, UnsafeRawBufferPointer(rebasing: bytes[done..<end]))
        done = end
      }
    }
  }

  private static func send(
    _ kind: EntryRecord.Kind, _ payload: [UInt8], to output: Int32
  ) throws(Failure) {
    guard payload.count <= EntryRecord.limit else {
      throw Failure(.refused, "read", "archive", reason: "an entry's attributes are too large")
    }
    var writer = WireWriter()
    writer.put(kind.rawValue)
    writer.put(UInt32(payload.count))
    let bytes = writer.bytes + payload
    try bytes.withBytes { (raw) throws(Failure) in try writeAll(output, raw) }
  }
}

/// The form in which entries pass from the child: a kind, a count, and as many bytes.
enum EntryRecord {
  enum Kind: UInt8 {
    case entry = 1
    /// An offset and bytes.
    case data = 2
    case end = 3
    case failure = 4
  }

  static let headLength = 5
  /// The most bytes after a head.
  static let limit = 2 << 20

  /// The current entry of an archive.
  static func bytes(of tar: TarReader, _ limits: ImportLimits) throws(Failure) -> [UInt8] {
    guard let path = tar.path, !path.isEmpty else {
      throw Failure(.corrupt, "read", "archive", reason: "an entry has no name")
    }
    func refused(_ reason: String) -> Failure {
      Failure(.refused, "copy", Root.printable(path), reason: reason)
    }
    let target = tar.hardLink ?? tar.symbolicLink ?? []
    guard max(path.count, target.count) <= limits.path else {
      throw refused("its path is longer than \(limits.path) bytes")
    }
    let metadata = try tar.metadata(limits)
    let (access, initial) = try tar.accessLists()
    guard (access == nil) == (access?.bytes == nil), (initial == nil) == (initial?.bytes == nil)
    else {
      throw refused("its ACL names users or groups instead of numbers")
    }
    guard tar.major < 1 << 12, tar.minor < 1 << 20 else {
      throw refused("its device number is out of range")
    }
    var writer = WireWriter()
    writer.put(path)
    writer.put(tar.hardLink != nil)
    writer.put(tar.kind.rawValue)
    writer.put(target)
    writer.put(tar.size)
    writer.put(UInt32(tar.major))
    writer.put(UInt32(tar.minor))
    for number in [metadata.mode, metadata.user, metadata.group] { writer.put(number) }
    for time in [metadata.accessed, metadata.modified] {
      writer.put(time.seconds)
      writer.put(time.nanoseconds)
    }
    writer.put(metadata.attributes) {
      $0.put($1.name)
      $0.put($1.value)
    }
    writer.put(access?.bytes) { $0.put($1) }
    writer.put(initial?.bytes) { $0.put($1) }
    return writer.bytes
  }

  /// Decodes an entry. It comes from a process that may be under an attacker's control: every length is
  /// checked by the reader, and what a value may be by whoever uses it.
  static func entry(_ bytes: [UInt8]) throws(Failure) -> ArchiveEntries.Entry {
    var reader = WireReader(bytes)
    let path = try reader.getBytes()
    let isHardLink = try reader.getBool()
    let kind = FileKind(mode: try reader.get(UInt32.self))
    let target = try reader.getBytes()
    let size = try reader.get(Int64.self)
    let (major, minor) = (try reader.get(UInt32.self), try reader.get(UInt32.self))
    var numbers: [UInt32] = []
    for _ in 0..<3 { numbers.append(try reader.get(UInt32.self)) }
    var times: [FileTime] = []
    for _ in 0..<2 {
      let seconds = try reader.get(Int64.self)
      times.append(FileTime(seconds: seconds, nanoseconds: try reader.get(Int64.self)))
    }
    var metadata = TreeWriter.Metadata(
      mode: numbers[0], user: numbers[1], group: numbers[2], accessed: times[0], modified: times[1])
    metadata.attributes = try reader.getList { (r) throws(Failure) in
      let name = try r.getBytes()
      return ExtendedAttribute(name: name, value: try r.getBytes())
    }.filter { ExtendedAttributes.isPortable($0.name) }
    metadata.accessList = try reader.getOptional { (r) throws(Failure) in try r.getBytes() }
    metadata.defaultList = try reader.getOptional { (r) throws(Failure) in try r.getBytes() }
    guard !path.contains(0), !target.contains(0), size >= 0, max(numbers[1], numbers[2]) < .max
    else { throw Failure(.corrupt, "read", "archive", reason: "the decoder answered nonsense") }
    let content: TarWriter.Content
    switch kind {
    case _ where isHardLink: content = .hardLink(target: target)
    case .regular: content = .file(size: size)
    case .directory: content = .directory
    case .symbolicLink where !target.isEmpty: content = .symbolicLink(target: target)
    case .fifo: content = .fifo
    case .characterDevice: content = .character(major: major, minor: minor)
    case .blockDevice: content = .block(major: major, minor: minor)
    case .symbolicLink, .socket, .unknown:
      throw Failure(
        .refused, "copy", Root.printable(path), reason: "its type is none that can be copied")
    }
    return ArchiveEntries.Entry(path: path, content: content, metadata: metadata)
  }
}
