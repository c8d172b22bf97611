import Linux

/// The summary of an image beside its blobs: what `run` needs, without JSON. Another version's or a
/// damaged one is made again from the OCI documents; only the digest of the manifest in front of it keeps
/// its place in all versions, as it leads to them.
///
/// Its names are candidates: a name is the image's when the store's link of that name says so.
enum ImageSummary {
  private static let magic: UInt32 = 0x6964_6d49
  private static let version: UInt32 = 2

  static func bytes(_ record: ImageRecord) -> [UInt8] {
    var numbers = WireWriter()
    numbers.put(magic)
    record.manifest.write(to: &numbers)
    numbers.put(version)
    numbers.put(record.created.nanoseconds)
    for layer in record.layers {
      for digest in [layer.diffID, layer.chainID, layer.blob] { digest.write(to: &numbers) }
      numbers.put(layer.size)
    }
    var writer = WireWriter(capacity: 1024)
    writer.put(numbers.bytes)
    writer.put(record.names.flatMap { [$0.domain, $0.path, $0.tag ?? ""] })
    let config = record.config
    writer.put([
      record.architecture, record.os, record.variant, record.comment, config.user,
      config.workingDir, config.stopSignal ?? "",
    ])
    for list in [config.env, config.cmd, config.entrypoint, config.volumes, config.exposedPorts] {
      writer.put(list)
    }
    writer.put(config.labels.keys.sorted().flatMap { [$0, config.labels[$0] ?? ""] })
    writer.put(config.healthcheck) { writer, check in
      writer.put(check.test ?? [])
      for time in [check.interval, check.timeout, check.startPeriod, check.startInterval] {
        writer.put(time ?? 0)
      }
      writer.put(Int64(check.retries ?? 0))
    }
    writer.put("end")
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
    guard let numbers = try? reader.getBytes(), numbers.count >= 36 else { return nil }
    return numbers.withUnsafeBytes {
      $0.loadUnaligned(as: UInt32.self) == magic ? Digest(loading: $0, at: 4) : nil
    }
  }

  /// Magic, manifest, version, time.
  private static let fixedLength = 48
  /// Three digests and a size.
  private static let layerLength = 104

  /// The numbers are loaded here and not one by one by the reader: `images` parses a thousand of these.
  private static func parse(
    _ id: Digest, _ reader: inout WireReader, _ layersPath: String
  ) throws(Failure) -> ImageRecord {
    let other = Failure(.corrupt, "read", "image summary", reason: "damaged or of another version")
    let numbers = try reader.getBytes()
    guard numbers.count >= fixedLength, (numbers.count - fixedLength) % layerLength == 0 else {
      throw other
    }
    let fixed = numbers.withUnsafeBytes {
      (
        $0.loadUnaligned(as: UInt32.self), Digest(loading: $0, at: 4),
        $0.loadUnaligned(fromByteOffset: 36, as: UInt32.self),
        $0.loadUnaligned(fromByteOffset: 40, as: Int64.self)
      )
    }
    guard fixed.0 == magic, fixed.2 == version else { throw other }
    let layers = numbers.withUnsafeBytes { bytes in
      stride(from: fixedLength, to: bytes.count, by: layerLength).map { offset in
        let chainID = Digest(loading: bytes, at: offset + 32)
        return Layer(
          diffID: Digest(loading: bytes, at: offset), chainID: chainID,
          blob: Digest(loading: bytes, at: offset + 64),
          size: bytes.loadUnaligned(fromByteOffset: offset + 96, as: Int64.self),
          path: "\(layersPath)/\(chainID.hex)/diff")
      }
    }
    let parts = try reader.getStrings()
    let texts = try reader.getStrings()
    guard parts.count % 3 == 0, texts.count == 7 else { throw other }
    let names = stride(from: 0, to: parts.count, by: 3).map {
      Reference(
        domain: parts[$0], path: parts[$0 + 1], tag: parts[$0 + 2].isEmpty ? nil : parts[$0 + 2],
        digest: nil)
    }
    var config = ImageConfig(
      env: try reader.getStrings(), cmd: try reader.getStrings(),
      entrypoint: try reader.getStrings(), user: texts[4], workingDir: texts[5],
      volumes: try reader.getStrings(), exposedPorts: try reader.getStrings(),
      stopSignal: texts[6].isEmpty ? nil : texts[6])
    let labels = try reader.getStrings()
    guard labels.count % 2 == 0 else { throw other }
    for index in stride(from: 0, to: labels.count, by: 2) {
      config.labels[labels[index]] = labels[index + 1]
    }
    config.healthcheck = try reader.getOptional { (reader) throws(Failure) in
      var check = Healthcheck(test: try reader.getStrings())
      check.interval = try reader.get()
      check.timeout = try reader.get()
      check.startPeriod = try reader.get()
      check.startInterval = try reader.get()
      check.retries = Int(try reader.get(Int64.self))
      return check
    }
    guard try reader.getString() == "end", reader.isAtEnd else { throw other }
    return ImageRecord(
      id: id, manifest: fixed.1, names: names, created: Timestamp(nanoseconds: fixed.3),
      size: layers.reduce(0) { $0 + $1.size }, architecture: texts[0], os: texts[1],
      variant: texts[2], comment: texts[3], config: config, layers: layers)
  }
}
