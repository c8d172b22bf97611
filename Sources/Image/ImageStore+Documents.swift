import Linux

/// Between the summary of an image and its OCI documents.
extension ImageStore {
  /// The documents of a one-layer image, and its summary.
  struct Documents {
    var config: [UInt8]
    var manifest: [UInt8]
    var record: ImageRecord
  }

  func documents(
    layer: Layer, mediaType: String, blobSize: Int64, config: ImageConfig, comment: String,
    created: Timestamp
  ) throws(Failure) -> Documents {
    let variant = Platform.variant
    let configBytes = try OCIDocuments.encode(
      OCIDocuments.Config(
        created: created.description, architecture: Platform.architecture, os: Platform.os,
        variant: variant.isEmpty ? nil : variant, config: OCIDocuments.Run(config),
        rootfs: OCIDocuments.RootFS(diffIDs: [layer.diffID.description]),
        history: [OCIDocuments.History(created: created.description, comment: comment)]),
      "image configuration")
    let id = Digest(of: configBytes)
    let manifestBytes = try OCIDocuments.encode(
      OCIDocuments.Manifest(
        config: OCIDocuments.Descriptor(
          mediaType: OCIDocuments.configType, digest: id.description,
          size: Int64(configBytes.count)),
        layers: [
          OCIDocuments.Descriptor(
            mediaType: mediaType, digest: layer.blob.description, size: blobSize)
        ]),
      "image manifest")
    guard max(configBytes.count, manifestBytes.count) <= OCIDocuments.limit else {
      throw Failure(
        .refused, "import", "image",
        reason: "its configuration is larger than \(OCIDocuments.limit) bytes")
    }
    let record = ImageRecord(
      id: id, manifest: Digest(of: manifestBytes), names: [], created: created, size: layer.size,
      architecture: Platform.architecture, os: Platform.os, variant: variant, comment: comment,
      config: config, layers: [layer])
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
    var layers: [Layer] = []
    for (index, chainID) in Digest.chain(diffIDs).enumerated() {
      layers.append(
        Layer(
          diffID: diffIDs[index], chainID: chainID, blob: try Digest(manifest.layers[index].digest),
          size: Files.text(layerPath(chainID) + "/size").flatMap { Int64($0) } ?? 0,
          path: layerPath(chainID) + "/diff"))
    }
    return ImageRecord(
      id: id, manifest: manifestDigest, names: [],
      created: config.created.flatMap { Timestamp($0) } ?? Timestamp(nanoseconds: 0),
      size: layers.reduce(0) { $0 + $1.size }, architecture: config.architecture, os: config.os,
      variant: config.variant ?? "", comment: config.history?.first?.comment ?? "",
      config: config.config?.imageConfig ?? ImageConfig(), layers: layers)
  }
}
