import Linux

/// The children of one layer's import, and what this process says to them; see ``UnpackChild``.
struct LayerChildren: ~Copyable {
  /// Where whoever reads the blob is told how much of it is there.
  let announcements: MessageSocket
  /// Where the unpacking child answers.
  let results: MessageSocket
  private let unpacker: Child
  /// Nil for a plain tar.
  private let decoder: Child?

  /// Forks them; the blob is the file `blob` in `directory`, the tree becomes `layer/diff` there.
  init(
    kind: ArchiveKind, directory: String, hasLowerLayers: Bool, limits: ImportLimits
  ) throws(Failure) {
    try Files.claimDirectory(directory + "/layer")
    try Files.claimDirectory(directory + "/layer/diff", mode: 0o755)
    let tree = try Descriptor.open(directory + "/layer/diff", .directory)
    let blob = try Descriptor.open(directory + "/blob", .read)
    let told = try MessageSocket.pair()
    let teller = told.near
    let listener = told.far
    let answered = try MessageSocket.pair()
    let reader = answered.near
    let answerer = answered.far
    let numbers = (listener: listener.descriptor.raw, answerer: answerer.descriptor.raw)
    let (blobNumber, treeNumber) = (blob.raw, tree.raw)
    // A plain tar is read by the unpacking child itself.
    let ring = try SharedRing()
    let (producer, consumer) = (ring.producer, ring.consumer)
    let (producing, consuming) = (ring.producerDescriptors, ring.consumerDescriptors)
    try Files.claimDirectory(directory + "/decoder")
    let room = try Descriptor.open(directory + "/decoder", .directory)
    let roomNumber = room.raw
    let decoding: Child? =
      kind == .tar
      ? nil
      : try Processes.forkHelper { parent in
        DecodeChild.run(
          parent: parent, blob: blobNumber, channel: numbers.listener, ring: producer,
          ringDescriptors: producing, directory: roomNumber, kind: kind, limits: limits)
      }
    let unpacking: Child
    do throws(Failure) {
      unpacking = try Processes.forkHelper { parent in
        UnpackChild.run(
          parent: parent,
          source: kind == .tar
            ? (
              GrowingBlob(blob: blobNumber, channel: numbers.listener),
              [blobNumber, numbers.listener]
            )
            : (RingStream(consumer), consuming),
          isCompressed: kind != .tar, channel: numbers.answerer, tree: treeNumber,
          hasLowerLayers: hasLowerLayers, limits: limits)
      }
    } catch {
      decoding?.kill()
      throw error
    }
    _ = consume ring
    // Only the children may hold these: that they close them is how their end is seen.
    _ = consume listener
    _ = consume answerer
    decoder = consume decoding
    unpacker = consume unpacking
    announcements = consume teller
    results = consume reader
  }

  /// Ends both at once.
  func kill() {
    unpacker.kill()
    decoder?.kill()
  }

  /// Waits for the result.
  ///
  /// - Throws: what was wrong with the layer, or how a child died.
  func outcome() throws(Failure) -> UnpackChild.Outcome {
    // The decoder has nothing to do any more once there is a result, whatever it says.
    defer { decoder?.kill() }
    return try LayerImport.outcome(of: unpacker, results)
  }
}
