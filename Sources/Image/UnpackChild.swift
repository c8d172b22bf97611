import CArchive
import Crypto
import Linux

/// The helpers of an import, each forked from it and confined before it looks at a byte.
///
/// ```
/// source ──> import ──writes──> blob ──reads──> decode child ──shared ring──> unpack child ──> layer tree
///              ├──── number of bytes there ────────┘                               │
///              └─────────────────────────────── result ────────────────────────────┘
/// ```
/// The import reads, hashes and stores, one child decompresses (``DecodeChild``), the other takes the digest
/// of the tar and unpacks it, each on whatever core is free. The blob's bytes go through its page cache, the
/// tar's through memory that both children have (``SharedRing``), none through a pipe. A plain tar has no
/// decode child. xz and bzip2 come through one that writes into a pipe, because their blob is stored as
/// plain tar.
enum UnpackChild {
  /// What the unpacking found out.
  struct Outcome: Equatable {
    /// Digest of the uncompressed tar; nil when the blob itself is it.
    var diffID: Digest?
    /// Bytes of content.
    var size: Int64
  }

  /// The body of the unpacking child: returns its exit status.
  ///
  /// - Parameters:
  ///   - source: the tar, with the descriptors that reading it needs.
  ///   - isCompressed: whether the tar is not the blob itself, but came out of a decoder.
  static func run(
    parent: Int32, source: (stream: ByteStream, descriptors: [Int32]), isCompressed: Bool,
    channel: Int32, tree: Int32, hasLowerLayers: Bool, limits: ImportLimits
  ) -> Int32 {
    do throws(Failure) {
      let root = try confine(
        parent: parent, keeping: source.descriptors + [channel, tree], directory: tree,
        limits: limits)
      let source = CheckedStream(source.stream, limits: limits, isCompressed: isCompressed)
      try HeadCheck.tar(source, isCompressed: isCompressed)
      var unpacker = try Unpacker(
        source, into: Root(root, name: ""), hasLowerLayers: hasLowerLayers, limits: limits)
      try unpacker.run()
      return send(.success(Outcome(diffID: source.digest, size: unpacker.size)), to: channel)
    } catch {
      return send(.failure(error), to: channel)
    }
  }

  /// The body of the child that turns xz or bzip2 into plain tar on `output`.
  static func decompress(
    parent: Int32, head: [UInt8], source: Int32, output: Int32, channel: Int32, directory: Int32,
    kind: ArchiveKind, limits: ImportLimits
  ) -> Int32 {
    do throws(Failure) {
      let igzip = kind == .gzip ? IgzipLibrary() : nil
      _ = try confine(
        parent: parent, keeping: [source, output, channel, directory], directory: directory,
        limits: limits)
      let stream = CheckedStream(
        try decoder(kind, DescriptorStream(head: head, then: source), igzip), limits: limits,
        isCompressed: true)
      try HeadCheck.tar(stream, isCompressed: true)
      while true {
        let bytes = try stream.next()
        if bytes.isEmpty { break }
        try writeAll(output, bytes)
      }
      return send(.success(Outcome(diffID: nil, size: stream.count)), to: channel)
    } catch {
      return send(.failure(error), to: channel)
    }
  }

  static func confine(
    parent: Int32, keeping: [Int32], directory: Int32, limits: ImportLimits
  ) throws(Failure) -> Descriptor {
    do throws(Failure) {
      try Confinement.dieWithParent(parent)
      // libarchive converts pax names through the locale; only in a UTF-8 one they stay as they are.
      Locale.useUTF8()
      _ = Digest(of: [])
      let base = Confinement.dataSize()
      try Confinement.keepOnly(keeping)
      let root = try Confinement.enterDirectory(
        Descriptor(owning: directory), name: "layer directory")
      try Confinement.confine(
        Confinement.Limits(
          memory: base + limits.memory, fileSize: UInt64(limits.apparentBytes), seconds: 7200))
      return root
    } catch {
      throw error.during(
        "confine", "the decoder",
        remedy: error.errno == 1 ? "importing needs root" : "")
    }
  }

  /// What turns a kind of archive into plain tar.
  ///
  /// - Parameter igzip: used for gzip when it is there; loaded before the process was confined.
  static func decoder(
    _ kind: ArchiveKind, _ source: ByteStream, _ igzip: IgzipLibrary?
  ) throws(Failure) -> ByteStream {
    switch kind {
    case .gzip: if let igzip { IgzipStream(source, igzip) } else { try GzipStream(source) }
    case .zstd, .xz, .bzip2: try FilterStream(source, kind)
    case .tar, .foreign, .unknown: source
    }
  }

  // MARK: - The result

  static func send(_ result: Result<Outcome, Failure>, to channel: Int32) -> Int32 {
    do throws(Failure) {
      try message(result).withBytes { (bytes) throws(Failure) in try writeAll(channel, bytes) }
      return 0
    } catch {
      return 1
    }
  }

  /// A result as bytes, for ``result(_:)``.
  static func message(_ result: Result<Outcome, Failure>) -> [UInt8] {
    var writer = WireWriter()
    switch result {
    case .success(let outcome):
      writer.put(true)
      writer.put(outcome.diffID?.hex) { $0.put($1) }
      writer.put(outcome.size)
    case .failure(let failure):
      writer.put(false)
      writer.put(failure.code.rawValue)
      writer.put(failure.operation)
      writer.put(failure.object)
      writer.put(failure.errno)
      writer.put(failure.reason)
      writer.put(failure.remedy)
    }
    return writer.bytes
  }

  /// Decodes a child's result. It comes from a process that may be under an attacker's control: lengths
  /// are checked and text is cleaned.
  static func result(_ bytes: [UInt8]) throws(Failure) -> Outcome {
    var reader = WireReader(bytes)
    if try reader.getBool() {
      let hex = try reader.getOptional { (r) throws(Failure) in try r.getString() }
      let size = try reader.get(Int64.self)
      var diffID: Digest?
      if let hex {
        guard let digest = Digest(hex: hex) else {
          throw Failure(.corrupt, "unpack", "layer", reason: "the decoder answered nonsense")
        }
        diffID = digest
      }
      return Outcome(diffID: diffID, size: max(0, size))
    }
    let code = Failure.Code(rawValue: try reader.getString()) ?? .corrupt
    func text(_ reader: inout WireReader) throws(Failure) -> String {
      Root.printable(Array(try reader.getString().utf8))
    }
    let operation = try text(&reader)
    let object = try text(&reader)
    let number = try reader.get(Int32.self)
    var failure = Failure(errno: number, operation, object, reason: try text(&reader))
    failure.code = code
    failure.remedy = try text(&reader)
    throw failure
  }
}

/// Makes sure that what a decoder delivers is a tar before libarchive sees it.
enum HeadCheck {
  /// Looks at the first bytes, which stay in front of the rest.
  static func tar(_ stream: CheckedStream, isCompressed: Bool) throws(Failure) {
    try stream.lookAhead { (head) throws(Failure) in
      if head.isEmpty {
        throw Failure(.corrupt, "read", "archive", reason: "it is empty")
      }
      if let refusal = ArchiveKind(head: head).refusal("import", decompressed: isCompressed) {
        throw refusal
      }
    }
  }
}
