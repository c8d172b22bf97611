import Linux

/// The documents of an image from outside, checked against each other before any layer is touched: the
/// manifest by its digest, the configuration by the manifest, the number of layers by both.
///
/// The bytes are kept as they came, so that the image has the digests here that it has elsewhere.
public struct ImageDocuments: Sendable {
  /// A layer that the manifest names.
  public struct Layer: Sendable, Equatable {
    /// Digest of the blob.
    public let blob: Digest
    /// Bytes of the blob.
    public let size: Int64
    /// The blob's media type, as the manifest has it.
    public let mediaType: String
    /// Digest of the uncompressed tar.
    public let diffID: Digest
    /// Identity of the layer on top of those below it.
    public let chainID: Digest
  }

  /// The manifest's bytes.
  public let manifest: [UInt8]
  /// The configuration's bytes.
  public let config: [UInt8]
  /// Digest of the manifest.
  public let manifestDigest: Digest
  /// Digest of the configuration: the image's id.
  public let id: Digest
  /// The layers, lowest first.
  public let layers: [Layer]
  /// The platform that the image is for.
  public let platform: ImagePlatform
  /// Made here because the source had none: an image that is there already keeps its own manifest.
  var isMadeHere = false

  /// The configuration that a manifest asks for: its digest and size.
  ///
  /// - Throws: as ``DocumentKind/init(of:announced:object:)``, and ``Failure/Code/corrupt`` when the
  ///   manifest has not the digest that is expected or its descriptors are malformed.
  public static func configuration(
    of manifest: [UInt8], expecting: Digest?, announced: String? = nil
  ) throws(Failure) -> (digest: Digest, size: Int64) {
    let parsed = try parse(manifest, expecting: expecting, announced: announced)
    return (try Digest(parsed.config.digest), parsed.config.size)
  }

  private static func parse(
    _ manifest: [UInt8], expecting: Digest?, announced: String?
  ) throws(Failure) -> OCIDocuments.Manifest {
    try OCIDocuments.checkSize(manifest, "manifest")
    if let expecting, Digest(of: manifest) != expecting {
      throw Failure(
        .corrupt, "verify", "manifest",
        reason: "its digest is \(Digest(of: manifest)) instead of \(expecting)")
    }
    guard try DocumentKind(of: manifest, announced: announced) == .manifest else {
      throw Failure(.corrupt, "read", "manifest", reason: "it is an index, not an image manifest")
    }
    let parsed = try OCIDocuments.decode(OCIDocuments.Manifest.self, manifest, "manifest")
    try checkConfigType(parsed.config.mediaType)
    guard parsed.config.size >= 0, parsed.config.size <= OCIDocuments.limit else {
      throw Failure(
        .refused, "read", "manifest",
        reason: "its configuration is larger than \(OCIDocuments.limit) bytes")
    }
    return parsed
  }

  /// Checks documents.
  ///
  /// - Parameters:
  ///   - manifest: schema 2 or OCI.
  ///   - expecting: the digest that the manifest must have; nil when its bytes are trusted.
  ///   - announced: the media type that it came with, nil for none.
  ///   - config: the configuration.
  /// - Throws: ``Failure/Code/corrupt`` for any contradiction, ``Failure/Code/refused`` beyond a limit,
  ///   ``Failure/Code/unsupported`` for an artifact that is no image.
  public init(
    manifest: [UInt8], expecting: Digest?, announced: String? = nil, config: [UInt8]
  ) throws(Failure) {
    let parsed = try Self.parse(manifest, expecting: expecting, announced: announced)
    let id = Digest(of: config)
    guard try Digest(parsed.config.digest) == id else {
      throw Failure(
        .corrupt, "verify", "image configuration",
        reason: "its digest is \(id) instead of \(parsed.config.digest)")
    }
    guard parsed.config.size == config.count else {
      throw Failure(
        .corrupt, "verify", "image configuration",
        reason: "it has \(config.count) bytes instead of \(parsed.config.size)")
    }
    let document = try OCIDocuments.decode(
      OCIDocuments.Config.self, config, "image configuration")
    let diffIDs = try Self.diffIDs(document)
    guard diffIDs.count == parsed.layers.count else {
      throw Failure(
        .corrupt, "read", "image configuration",
        reason: "it has \(diffIDs.count) diff ids for \(parsed.layers.count) layers")
    }
    var layers: [Layer] = []
    for (index, chainID) in Digest.chain(diffIDs).enumerated() {
      let descriptor = parsed.layers[index]
      try Self.checkLayer(descriptor)
      layers.append(
        Layer(
          blob: try Digest(descriptor.digest), size: descriptor.size,
          mediaType: descriptor.mediaType, diffID: diffIDs[index], chainID: chainID))
    }
    self.manifest = manifest
    self.config = config
    manifestDigest = Digest(of: manifest)
    self.id = id
    self.layers = layers
    platform = ImagePlatform(
      os: document.os, architecture: document.architecture, variant: document.variant ?? "")
  }

  /// The diff ids of a configuration.
  static func diffIDs(_ config: OCIDocuments.Config) throws(Failure) -> [Digest] {
    guard config.rootfs.type == "layers" else {
      throw Failure(
        .unsupported, "read", "image configuration",
        reason: "its root file system is not made of layers")
    }
    guard config.rootfs.diffIDs.count <= 500 else {
      throw Failure(
        .refused, "read", "image configuration",
        reason: "it has more than 500 layers, which overlayfs does not mount")
    }
    return try config.rootfs.diffIDs.map { (text) throws(Failure) in try Digest(text) }
  }

  private static func checkConfigType(_ type: String) throws(Failure) {
    let known = [OCIDocuments.configType, "application/vnd.docker.container.image.v1+json"]
    guard known.contains(type) || type.isEmpty else {
      throw Failure(
        .unsupported, "read", "manifest",
        reason: "it is an artifact (\(Root.printable(Array(type.utf8.prefix(100))))), not an image")
    }
  }

  private static func checkLayer(_ descriptor: OCIDocuments.Descriptor) throws(Failure) {
    guard LayerType(descriptor.mediaType) != nil else {
      throw Failure(
        .unsupported, "read", "manifest",
        reason: "a layer has media type "
          + Root.printable(Array(descriptor.mediaType.utf8.prefix(100))))
    }
    guard descriptor.size >= 0, descriptor.size < 1 << 48 else {
      throw Failure(
        .corrupt, "read", "manifest", reason: "a layer's size \(descriptor.size) is out of range")
    }
  }
}

/// The forms in which a layer's tar is stored (OCI image-spec, layer.md; docker's schema 2).
enum LayerType: Equatable {
  case tar
  case gzip
  case zstd

  init?(_ mediaType: String) {
    switch mediaType {
    case "application/vnd.oci.image.layer.v1.tar",
      "application/vnd.oci.image.layer.nondistributable.v1.tar",
      "application/vnd.docker.image.rootfs.diff.tar":
      self = .tar
    case "application/vnd.oci.image.layer.v1.tar+gzip",
      "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip",
      "application/vnd.docker.image.rootfs.diff.tar.gzip",
      "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip":
      self = .gzip
    case "application/vnd.oci.image.layer.v1.tar+zstd",
      "application/vnd.oci.image.layer.nondistributable.v1.tar+zstd",
      "application/vnd.docker.image.rootfs.diff.tar.zstd":
      self = .zstd
    default: return nil
    }
  }

  /// OCI's name of it.
  var mediaType: String {
    switch self {
    case .tar: OCIDocuments.layerType
    case .gzip: OCIDocuments.layerType + "+gzip"
    case .zstd: OCIDocuments.layerType + "+zstd"
    }
  }
}
