import Linux

/// The summary of an image beside its blobs: what `run` needs, without JSON. Another version's or a
/// damaged one is made again from the OCI documents; only the digest of the manifest in front of it keeps
/// its place in all versions, as it leads to them.
///
/// Its names are candidates: a name is the image's when the store's link of that name says so.
enum ImageSummary {
  private static let magic: UInt32 = 0x6964_6d49
  private static let version: UInt32 = 1
  private static let end: UInt32 = 0x0a64_6e65

  static func bytes(_ record: ImageRecord) -> [UInt8] {
    var writer = WireWriter(capacity: 1024)
    writer.put(magic)
    record.manifest.write(to: &writer)
    writer.put(version)
    writer.put(record.created.nanoseconds)
    for text in [record.architecture, record.os, record.variant, record.comment] {
      writer.put(text)
    }
    writer.put(record.names) { writer, name in
      writer.put(name.domain)
      writer.put(name.path)
      writer.put(name.tag) { $0.put($1) }
    }
    writer.put(record.layers) { writer, layer in
      for digest in [layer.diffID, layer.chainID, layer.blob] { digest.write(to: &writer) }
      writer.put(layer.size)
    }
    let config = record.config
    for list in [config.env, config.cmd, config.entrypoint, config.volumes, config.exposedPorts] {
      writer.put(list)
    }
    writer.put(config.user)
    writer.put(config.workingDir)
    writer.put(config.labels.keys.sorted())
    writer.put(config.labels.keys.sorted().map { config.labels[$0] ?? "" })
    writer.put(config.stopSignal) { $0.put($1) }
    writer.put(end)
    return writer.bytes
  }

  /// Nil for a summary of another version or one that is damaged.
  static func record(_ id: Digest, _ bytes: [UInt8], layersPath: String) -> ImageRecord? {
    var reader = WireReader(bytes)
    return try? parse(id, &reader, layersPath)
  }

  /// The digest of the manifest, of any version.
  static func manifest(_ bytes: [UInt8]) -> Digest? {
    var reader = WireReader(bytes)
    guard (try? reader.get(UInt32.self)) == magic else { return nil }
    return try? Digest(from: &reader)
  }

  private static func parse(
    _ id: Digest, _ reader: inout WireReader, _ layersPath: String
  ) throws(Failure) -> ImageRecord {
    let other = Failure(.corrupt, "read", "image summary", reason: "damaged or of another version")
    guard try reader.get(UInt32.self) == magic else { throw other }
    let manifest = try Digest(from: &reader)
    guard try reader.get(UInt32.self) == version else { throw other }
    let created = Timestamp(nanoseconds: try reader.get())
    let architecture = try reader.getString()
    let os = try reader.getString()
    let variant = try reader.getString()
    let comment = try reader.getString()
    let names = try reader.getList { (reader) throws(Failure) in
      let domain = try reader.getString()
      let path = try reader.getString()
      let tag = try reader.getOptional { (r) throws(Failure) in try r.getString() }
      return Reference(domain: domain, path: path, tag: tag, digest: nil)
    }
    let layers = try reader.getList { (reader) throws(Failure) in
      let diffID = try Digest(from: &reader)
      let chainID = try Digest(from: &reader)
      let blob = try Digest(from: &reader)
      return Layer(
        diffID: diffID, chainID: chainID, blob: blob, size: try reader.get(),
        path: "\(layersPath)/\(chainID.hex)/diff")
    }
    let config = try runConfig(&reader)
    guard try reader.get(UInt32.self) == end, reader.isAtEnd else { throw other }
    return ImageRecord(
      id: id, manifest: manifest, names: names, created: created,
      size: layers.reduce(0) { $0 + $1.size }, architecture: architecture, os: os,
      variant: variant, comment: comment, config: config, layers: layers)
  }

  private static func runConfig(_ reader: inout WireReader) throws(Failure) -> ImageConfig {
    var config = ImageConfig()
    config.env = try reader.getStrings()
    config.cmd = try reader.getStrings()
    config.entrypoint = try reader.getStrings()
    config.volumes = try reader.getStrings()
    config.exposedPorts = try reader.getStrings()
    config.user = try reader.getString()
    config.workingDir = try reader.getString()
    let keys = try reader.getStrings()
    for (key, value) in zip(keys, try reader.getStrings()) { config.labels[key] = value }
    config.stopSignal = try reader.getOptional { (r) throws(Failure) in try r.getString() }
    return config
  }
}
