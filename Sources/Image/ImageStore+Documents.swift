import Linux

/// Between the summary of an image and its OCI documents.
extension ImageStore {
  /// The documents of an image, and its summary.
  struct Documents {
    var config: [UInt8]
    var manifest: [UInt8]
    var record: ImageRecord
  }

  /// A layer that is about to be stored.
  struct TopLayer {
    var layer: Layer
    var mediaType: String
    var blobSize: Int64
  }

  /// The documents of an image that is there.
  struct BaseDocuments {
    var config: OCIDocuments.Config
    var manifest: OCIDocuments.Manifest
  }

  /// Reads an image's documents.
  func documents(of record: ImageRecord) throws(Failure) -> BaseDocuments {
    let what = "image \(record.id.short)"
    return BaseDocuments(
      config: try OCIDocuments.decode(
        OCIDocuments.Config.self, try document(record.id, what), what),
      manifest: try OCIDocuments.decode(
        OCIDocuments.Manifest.self, try document(record.manifest, what), what))
  }

  /// Writes the documents of an image: the base's layers and history, when there is one, and on top of
  /// them a layer, when there is one, and one entry of history.
  func documents(
    onTopOf base: BaseDocuments?, _ baseRecord: ImageRecord?, _ top: TopLayer?,
    _ addition: ImageAddition
  ) throws(Failure) -> Documents {
    func some(_ text: String) -> String? { text.isEmpty ? nil : text }
    let variant =
      addition.platform?.variant ?? base.map { $0.config.variant ?? "" } ?? Platform.variant
    let entry = OCIDocuments.History(
      created: addition.created.description, createdBy: some(addition.createdBy),
      author: some(addition.author), comment: addition.comment, emptyLayer: top == nil ? true : nil)
    let config = OCIDocuments.Config(
      created: addition.created.description, author: some(addition.author),
      architecture: addition.platform?.architecture ?? base?.config.architecture
        ?? Platform.architecture,
      os: addition.platform?.os ?? base?.config.os ?? Platform.os, variant: some(variant),
      config: OCIDocuments.Run(addition.config),
      rootfs: OCIDocuments.RootFS(
        diffIDs: (base?.config.rootfs.diffIDs ?? [])
          + [top?.layer.diffID.description]
          .compactMap { $0 }),
      history: (base?.config.history ?? []) + [entry])
    let configBytes = try OCIDocuments.encode(config, "image configuration")
    let id = Digest(of: configBytes)
    let added = top.map {
      OCIDocuments.Descriptor(
        mediaType: $0.mediaType, digest: $0.layer.blob.description, size: $0.blobSize)
    }
    let manifestBytes = try OCIDocuments.encode(
      OCIDocuments.Manifest(
        config: OCIDocuments.Descriptor(
          mediaType: OCIDocuments.configType, digest: id.description,
          size: Int64(configBytes.count)),
        layers: (base?.manifest.layers ?? []).map(\.inOCI) + [added].compactMap { $0 }),
      "image manifest")
    guard max(configBytes.count, manifestBytes.count) <= OCIDocuments.limit else {
      throw Failure(
        .refused, "import", "image",
        reason: "its configuration is larger than \(OCIDocuments.limit) bytes")
    }
    let layers = (baseRecord?.layers ?? []) + [top?.layer].compactMap { $0 }
    let record = ImageRecord(
      id: id, manifest: Digest(of: manifestBytes), names: [], created: addition.created,
      size: layers.reduce(0) { $0 + $1.size }, architecture: config.architecture, os: config.os,
      variant: variant, comment: addition.comment, config: addition.config, layers: layers)
    return Documents(config: configBytes, manifest: manifestBytes, record: record)
  }

  /// Reads a document whose digest is known, and checks that it is that document.
  func document(_ digest: Digest, _ what: String) throws(Failure) -> [UInt8] {
    guard let bytes = try Files.read(blobPath(digest), limit: OCIDocuments.limit) else {
      throw Failure(.corrupt, "read", what, reason: "blob \(digest) is missing")
    }
    guard Digest(of: bytes) == digest else {
      throw Failure(.corrupt, "read", what, reason: "blob \(digest) has other content")
    }
    return bytes
  }

  /// Makes the summary of an image again: of another version, damaged or cut short.
  ///
  /// The manifest is found in what is left of the summary or through a name.
  func repair(_ id: Digest, _ damaged: [UInt8]) throws(Failure) -> ImageRecord {
    var names: [Reference] = []
    var manifest = ImageSummary.manifest(damaged)
    for link in try Files.list(root + "/names") {
      guard let text = SymbolicLinks.read("\(root)/names/\(link)"), text.hasPrefix(id.hex),
        let name = try? Reference(link.split(separator: "%2F").joined(separator: "/"))
      else { continue }
      if !names.contains(name) { names.append(name) }
      manifest = target(of: name)?.manifest ?? manifest
    }
    guard let manifest else {
      throw Failure(
        .corrupt, "read", "image \(id.short)", reason: "its summary is damaged",
        remedy: "remove \(recordPath(id)) and import the image again")
    }
    var record = try summary(id, manifest)
    record.names = names
    // Without the lock, which the caller may hold: whoever comes second writes the same.
    try? replace(recordPath(id), with: ImageSummary.bytes(record))
    return record
  }

  /// The summary of an image from its documents.
  func summary(_ id: Digest, _ manifestDigest: Digest) throws(Failure) -> ImageRecord {
    let what = "image \(id.short)"
    let manifest = try OCIDocuments.decode(
      OCIDocuments.Manifest.self, try document(manifestDigest, what), what)
    let config = try OCIDocuments.decode(
      OCIDocuments.Config.self, try document(id, what), what)
    let diffIDs = try config.rootfs.diffIDs.map { (text) throws(Failure) in try Digest(text) }
    guard manifest.config.digest == id.description, manifest.layers.count == diffIDs.count else {
      throw Failure(.corrupt, "read", what, reason: "its documents contradict each other")
    }
    let blobs = try manifest.layers.map { (layer) throws(Failure) in try Digest(layer.digest) }
    return summary(id, manifestDigest, config, zip(diffIDs, blobs).map { ($0, $1) })
  }

  /// The summary of an image whose layers are in place.
  func summary(
    _ id: Digest, _ manifest: Digest, _ config: OCIDocuments.Config,
    _ parts: [(diffID: Digest, blob: Digest)]
  ) -> ImageRecord {
    var layers: [Layer] = []
    for (index, chainID) in Digest.chain(parts.map(\.diffID)).enumerated() {
      layers.append(
        Layer(
          diffID: parts[index].diffID, chainID: chainID, blob: parts[index].blob,
          size: Files.text(layerPath(chainID) + "/size").flatMap { Int64($0) } ?? 0,
          path: layerPath(chainID) + "/diff"))
    }
    return ImageRecord(
      id: id, manifest: manifest, names: [],
      created: config.created.flatMap { Timestamp($0) } ?? Timestamp(nanoseconds: 0),
      size: layers.reduce(0) { $0 + $1.size }, architecture: config.architecture, os: config.os,
      variant: config.variant ?? "", comment: config.history?.last?.comment ?? "",
      config: config.config?.imageConfig ?? ImageConfig(), layers: layers)
  }
}
