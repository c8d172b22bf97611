import Crypto
import Linux

/// Turns a stream into a stored blob and an unpacked tree, both below the import's own directory.
struct LayerImport {
  let store: ImageStore
  let directory: String
  /// The diff ids of the layers that it goes on top of, lowest first.
  var below: [Digest] = []
  /// The verb in messages.
  var operation = "import"
  /// How many bytes of the source belong to the layer; nil for all up to its end.
  var length: Int64?
  /// What the blob must be, when that is known before.
  var expected: ImageDocuments.Layer?

  /// What came of it.
  struct Imported {
    var layer: Layer
    var mediaType: String
    /// Bytes of the blob.
    var blobSize: Int64
  }

  func run(_ source: Int32, _ progress: ((Int64) -> Void)?) throws(Failure) -> Imported {
    let head = try readHead(source)
    let kind = head.withUnsafeBytes { ArchiveKind(head: $0) }
    if head.isEmpty {
      throw Failure(
        .invalid, operation, reason: "the input is empty", remedy: "give it a tar archive")
    }
    if let refusal = kind.refusal(operation, decompressed: false) { throw refusal }
    if let expected { try check(kind, expected) }
    switch kind {
    case .xz, .bzip2:
      return try viaDecompressor(kind, head, source, progress)
    default:
      return try unpack(kind, head, source, progress)
    }
  }

  /// The first bytes, as many as there are: enough to know every kind of archive.
  private func readHead(_ source: Int32) throws(Failure) -> [UInt8] {
    guard try FileKind.of(source) != .directory else {
      throw Failure(
        .unsupported, "import", reason: "the input is a directory, minidock imports tar",
        remedy: "pack it first: tar -C DIRECTORY -c . | minidock import -")
    }
    return try ArchiveKind.readHead(source, limit: length)
  }

  /// A blob is what its media type says, or nothing is made of it (row 24).
  private func check(_ kind: ArchiveKind, _ expected: ImageDocuments.Layer) throws(Failure) {
    let type: LayerType? =
      switch kind {
      case .tar: .tar
      case .gzip: .gzip
      case .zstd: .zstd
      default: nil
      }
    guard type == LayerType(expected.mediaType) else {
      throw Failure(
        .corrupt, operation, expected.blob.short,
        reason: "its content is not \(expected.mediaType), as the manifest says")
    }
  }

  /// Compares what came with what the documents say.
  private func verify(
    _ received: BlobWriter.Received, _ diffID: Digest, _ expected: ImageDocuments.Layer
  ) throws(Failure) {
    func wrong(_ what: String, _ is: Digest, _ should: Digest) -> Failure {
      Failure(
        .corrupt, "verify", "layer \(expected.blob.short)",
        reason: "its \(what) is \(`is`) instead of \(should)")
    }
    guard received.size == expected.size else {
      throw Failure(
        .corrupt, "verify", "layer \(expected.blob.short)",
        reason: "it has \(received.size) bytes instead of \(expected.size)")
    }
    guard received.digest == expected.blob else {
      throw wrong("digest", received.digest, expected.blob)
    }
    guard diffID == expected.diffID else { throw wrong("diff id", diffID, expected.diffID) }
  }

  /// xz and bzip2: a first child decompresses, the rest sees plain tar.
  private func viaDecompressor(
    _ kind: ArchiveKind, _ head: [UInt8], _ source: Int32, _ progress: ((Int64) -> Void)?
  ) throws(Failure) -> Imported {
    let empty = directory + "/empty"
    try Files.claimDirectory(empty)
    let room = try Descriptor.open(empty, .directory)
    let pipe = try Descriptor.pipe()
    let stream = pipe.read
    let output = pipe.write
    let ends = try MessageSocket.pair()
    let channel = ends.near
    let report = ends.far
    let limits = store.limits
    let (outputNumber, reportNumber) = (output.raw, report.descriptor.raw)
    let roomNumber = room.raw
    let child = try Processes.forkHelper { parent in
      UnpackChild.decompress(
        parent: parent, head: head, source: source, output: outputNumber, channel: reportNumber,
        directory: roomNumber, kind: kind, limits: limits)
    }
    // Only the child may hold these ends: that it closes them is the end of the stream.
    _ = consume output
    _ = consume report
    let result: Result<Imported, Failure>
    do throws(Failure) {
      result = .success(try unpack(.tar, [], stream.raw, progress))
    } catch {
      // A decompressor that failed explains why the tar was cut short.
      if FileBytes.isReadable(channel.descriptor.raw) {
        _ = try Self.outcome(of: child, channel)
      } else {
        child.kill()
      }
      result = .failure(error)
    }
    if case .success = result { _ = try Self.outcome(of: child, channel) }
    return try result.get()
  }

  /// Stores the blob and has children decode and unpack it at the same time.
  private func unpack(
    _ kind: ArchiveKind, _ head: [UInt8], _ source: Int32, _ progress: ((Int64) -> Void)?
  ) throws(Failure) -> Imported {
    let layerPath = directory + "/layer"
    let blob = try Descriptor.open(directory + "/blob", .createNew(mode: 0o600))
    let children = try LayerChildren(
      kind: kind, directory: directory, hasLowerLayers: !below.isEmpty, limits: store.limits)
    let received: BlobWriter.Received
    let outcome: UnpackChild.Outcome
    do throws(Failure) {
      let writer = BlobWriter(
        blob: blob.raw, announcements: children.announcements.descriptor.raw,
        channel: children.results.descriptor.raw, limits: store.limits, name: store.root,
        length: kind == .tar && head.isEmpty ? nil : length, expected: expected?.size)
      received = try writer.copy(head, source, progress)
    } catch {
      children.kill()
      throw error
    }
    do throws(Failure) { outcome = try children.outcome() } catch {
      // Damage shows in the digest as well, which says more than the decoder's stumbling over it.
      if received.isComplete, let expected,
        error.code == .corrupt || error.code == .unsupported
      {
        try verify(received, expected.diffID, expected)
      }
      throw error
    }
    guard received.isComplete else {
      throw Failure(.corrupt, operation, "layer", reason: "the decoder stopped early")
    }
    let diffID = outcome.diffID ?? received.digest
    if let expected { try verify(received, diffID, expected) }
    try Files.replace(layerPath + "/size", with: Array(String(outcome.size).utf8))
    let chainID = Digest.chain(below + [diffID])[below.count]
    let suffix =
      switch kind {
      case .gzip: "+gzip"
      case .zstd: "+zstd"
      default: ""
      }
    return Imported(
      layer: Layer(
        diffID: diffID, chainID: chainID, blob: received.digest, size: outcome.size,
        path: store.layerPath(chainID) + "/diff"),
      mediaType: OCIDocuments.layerType + suffix, blobSize: received.size)
  }

  /// A child's result, or how it died.
  static func outcome(
    of child: borrowing Child, _ channel: borrowing MessageSocket
  ) throws(Failure) -> UnpackChild.Outcome {
    // A child that ends with announcements unread resets the connection, and the kernel reports that
    // once (as no message) before it hands out the result that was sent earlier (unix(7)).
    var message = try channel.receive()
    if message == nil { message = try channel.receive() }
    let status = try Processes.wait(pidfd: child.handle)
    if let message {
      for descriptor in message.descriptors { _ = Descriptor(owning: descriptor) }
      return try UnpackChild.result(message.bytes)
    }
    var how = "it ended without a result"
    if case .signaled(let signal) = status { how = "killed by \(Signals.name(signal))" }
    throw Failure(
      .corrupt, "unpack", "layer", reason: "the decoder failed: \(how)",
      remedy: "the archive may be damaged or hostile")
  }
}
