import Linux

/// What a `load` has made or found.
public struct LoadedImage: Sendable, Equatable {
  /// The image's id.
  public let id: Digest
  /// The names that lead to it now.
  public let names: [Reference]
}

/// How far a `load` is.
public struct LoadProgress: Sendable {
  /// Which layer of how many, counted from 1; 0 while the archive is being read.
  public var layer = 0
  /// How many layers the image has.
  public var layers = 0
  /// Bytes of the layer, or of the archive, that have been taken in.
  public var bytes: Int64 = 0

  /// Nothing yet.
  public init() {}
}

/// Takes images out of an archive: an OCI layout, docker's `manifest.json`, or the `repositories` file of
/// old, in a tar that may be compressed, or a directory.
public struct ImageLoad {
  let store: ImageStore
  /// Which image of an index with several; nil for this machine's.
  public var platform: ImagePlatform?
  /// Told as it goes.
  public var progress: (LoadProgress) -> Void = { _ in }

  /// Loads into a store.
  public init(into store: ImageStore) { self.store = store }

  /// Loads every image of an archive.
  ///
  /// - Parameter source: a file or pipe, read from its start.
  /// - Throws: ``Failure/Code/unsupported`` for what is no archive of images, ``Failure/Code/corrupt`` for
  ///   damage, ``Failure/Code/notFound`` when it has no image for the platform. Images that were complete
  ///   before stay.
  public func load(from source: Int32) throws(Failure) -> [LoadedImage] {
    try store.verify()
    try store.sweep()
    return try load(try open(source))
  }

  /// Loads every image of an OCI layout's directory.
  public func load(layout path: String) throws(Failure) -> [LoadedImage] {
    try store.verify()
    try store.sweep()
    return try load(LayoutFiles(try Root(path: path)))
  }

  private func load(_ files: ArchiveFiles) throws(Failure) -> [LoadedImage] {
    if files.has("index.json") { return try loadLayout(files) }
    if files.has("manifest.json") { return try loadDockerArchive(files) }
    if files.has("repositories") { return try loadOldArchive(files) }
    throw Failure(
      .unsupported, "load", reason: "it has no index.json, manifest.json or repositories",
      remedy: "load takes what docker save or an OCI tool wrote; a root file system goes to import")
  }

  /// Opens a tar in place when that is possible, else decompressed or copied into the store's file system.
  private func open(_ source: Int32) throws(Failure) -> ArchiveFiles {
    let isFile = try FileKind.of(source) == .regular
    let head = try ArchiveKind.readHead(source)
    guard !head.isEmpty else {
      throw Failure(
        .invalid, "load", reason: "the input is empty", remedy: "give it what docker save wrote")
    }
    let kind = head.withUnsafeBytes { ArchiveKind(head: $0) }
    if let refusal = kind.refusal("load", decompressed: false) { throw refusal }
    if kind == .tar, isFile { return try TarFiles(try Descriptor.duplicate(of: source)) }
    return try TarFiles(try spool(kind, head, source))
  }

  /// A file without a name that holds the plain tar.
  private func spool(
    _ kind: ArchiveKind, _ head: [UInt8], _ source: Int32
  ) throws(Failure) -> Descriptor {
    // A sweep may take the name away at any time, but not the open file.
    let path = store.unusedPath() + ".tmp"
    let file = try Descriptor.open(path, .create(mode: 0o600))
    try Files.remove(path)
    if kind == .tar {
      try copy(head, source, to: file)
    } else {
      let decoder = try Decompressor(kind, head, source, store)
      do throws(Failure) { try copy([], decoder.stream.raw, to: file) } catch {
        throw decoder.end(after: error)
      }
      try decoder.finish()
    }
    return file
  }

  private func copy(
    _ head: [UInt8], _ source: Int32, to file: borrowing Descriptor
  ) throws(Failure) {
    let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 512 << 10, alignment: 4096)
    defer { buffer.deallocate() }
    let floor = try FreeSpace.floor(file.raw, store.limits)
    var count = head.count
    buffer.copyBytes(from: head)
    var (total, checked) = (Int64(0), Int64(0))
    var state = LoadProgress()
    repeat {
      let bytes = UnsafeRawBufferPointer(rebasing: buffer[..<count])
      try writeAll(file.raw, bytes, object: "archive in \(store.root)")
      total += Int64(count)
      if total - checked >= 16 << 20 {
        try FreeSpace.check(file.raw, floor: floor, "store", "archive in \(store.root)")
        checked = total
      }
      guard total <= store.limits.bytes else {
        throw Failure(
          .refused, "load", "archive", reason: "it is larger than \(store.limits.bytes) bytes")
      }
      state.bytes = total
      progress(state)
      count = try readBytes(source, into: buffer)
    } while count > 0
  }

  // MARK: - One image

  /// Brings the layers from where `withLayer` finds them, and makes the image.
  func make(
    _ documents: ImageDocuments, names: [Reference],
    withLayer: (Int, (Int32, Int64) throws(Failure) -> Void) throws(Failure) -> Bool
  ) throws(Failure) -> LoadedImage {
    if let platform, !platform.accepts(documents.platform) {
      throw Failure(
        .notFound, "load", "image \(documents.id.short)",
        reason: "it is for \(documents.platform), not for \(platform)")
    }
    let assembly = try ImageAssembly(documents, in: store)
    for index in documents.layers.indices {
      guard case .claimed(let ingest) = try assembly.claim(index, waiting: true) else { continue }
      var state = LoadProgress()
      (state.layer, state.layers) = (index + 1, documents.layers.count)
      let found = try withLayer(index) { (file, length) throws(Failure) in
        try ingest.start(from: file, length: length)
        while !(try ingest.advance(wait: true)) {
          state.bytes = ingest.stored
          progress(state)
        }
      }
      if found { continue }
      guard try ingest.startFromStore() else {
        throw Failure(
          .corrupt, "load", "image \(documents.id.short)",
          reason: "layer \(documents.layers[index].blob.short) is not in the archive")
      }
      while !(try ingest.advance(wait: true)) {}
    }
    let record = try assembly.commit(names: names)
    return LoadedImage(id: record.id, names: names)
  }
}

/// A confined child that turns compressed bytes into plain ones.
struct Decompressor: ~Copyable {
  /// Where they come out.
  let stream: Descriptor
  private let child: Child
  private let channel: MessageSocket
  private let store: ImageStore
  private let ingest: Ingest

  init(
    _ kind: ArchiveKind, _ head: [UInt8], _ source: Int32, _ store: ImageStore
  ) throws(Failure) {
    // The child's whole file system is an empty directory.
    let lock = try store.acquireLock()
    let made = try Ingest(in: store)
    _ = consume lock
    try Files.claimDirectory(made.path + "/empty")
    let room = try Descriptor.open(made.path + "/empty", .directory)
    let pipe = try Descriptor.pipe()
    let input = pipe.read
    let output = pipe.write
    let ends = try MessageSocket.pair()
    let near = ends.near
    let far = ends.far
    let limits = store.limits
    let (outputNumber, reportNumber) = (output.raw, far.descriptor.raw)
    let roomNumber = room.raw
    let started = try Processes.forkHelper { parent in
      UnpackChild.decompress(
        parent: parent, head: head, source: source, output: outputNumber, channel: reportNumber,
        directory: roomNumber, kind: kind, limits: limits)
    }
    child = started
    ingest = made
    self.store = store
    stream = input
    channel = near
    // Only the child may hold these: that it closes them is the end of the stream.
    _ = consume output
    _ = consume far
  }

  /// Waits for the child's end.
  ///
  /// - Throws: the child's own failure.
  func finish() throws(Failure) {
    defer { try? ingest.discard(store) }
    _ = try LayerImport.outcome(of: child, channel)
  }

  /// After a failure of this side: the child's own one when there is one, else this.
  func end(after failure: Failure) -> Failure {
    guard FileBytes.isReadable(channel.descriptor.raw) else {
      child.kill()
      try? ingest.discard(store)
      return failure
    }
    do throws(Failure) { try finish() } catch { return error }
    return failure
  }
}
