import Linux

/// What the store knows of registries: which digest a name had where it came from, and an image's parts
/// for sending it there.
///
///     remote/<name>    by tag or digest: symbolic link whose text is "<digest at the registry>.<manifest>"
///
/// The digest at the registry may be a list's; the manifest is the one chosen from it for this machine.
/// That the two belong together is what makes a pull of an image already there one round trip.
extension ImageStore {
  var remotePath: String { root + "/remote" }

  func remotePath(_ name: Reference) -> String {
    remotePath + namePath(name).dropFirst((root + "/names").count)
  }

  /// Notes that `name`, by tag or digest, led to `digest` at its registry, which means `manifest` here. Notes
  /// that are of no use any more are dropped on the way.
  public func remember(_ name: Reference, digest: Digest, manifest: Digest) throws(Failure) {
    try Files.makeDirectories(remotePath, mode: 0o700)
    try Files.replaceLink(
      remotePath(name), target: "\(digest.hex).\(manifest.hex)",
      through: unusedPath() + ".tmp")
    var live: Set<Digest>?
    for file in try Files.list(remotePath) {
      let path = "\(remotePath)/\(file)"
      if SymbolicLinks.read("\(root)/names/\(file)") != nil { continue }
      // Names by digest are nobody's links: they live as long as their image.
      let manifests: Set<Digest>
      if let live { manifests = live } else { manifests = Set(try list().map(\.manifest)) }
      live = manifests
      if file.contains("@"), let note = note(path), manifests.contains(note.manifest) { continue }
      try Files.remove(path)
    }
  }

  func note(_ path: String) -> (digest: Digest, manifest: Digest)? {
    guard let text = SymbolicLinks.read(path), text.utf8.count == 129,
      let digest = Digest(hexDigits: text.utf8.prefix(64)),
      let manifest = Digest(hexDigits: text.utf8.suffix(64))
    else { return nil }
    return (digest, manifest)
  }

  /// The image that a name by tag leads to, or that a name by digest was pulled as.
  public func image(pulledAs name: Reference) throws(Failure) -> ImageRecord? {
    guard let digest = name.digest else { return try find(name.canonical) }
    let manifest = note(remotePath(name.pinned))?.manifest ?? digest
    return try list().first { $0.manifest == manifest }
  }

  /// Whether a blob is in the store.
  public func hasBlob(_ digest: Digest) -> Bool { Files.exists(blobPath(digest)) }

  /// The digest that a name had at its registry when it was last pulled or pushed, as long as it still
  /// leads to what came of it; nil when that is not known.
  public func remoteDigest(of name: Reference) -> Digest? {
    guard let (digest, manifest) = note(remotePath(name)), target(of: name)?.manifest == manifest
    else { return nil }
    return digest
  }

  /// Repositories of a registry that should have a blob, as an image pulled from or pushed to them has it;
  /// at most `limit`.
  public func repositories(
    of domain: String, holding blob: Digest, limit: Int
  ) throws(Failure) -> [String] {
    var paths: [String] = []
    for record in try list() where record.layers.contains(where: { $0.blob == blob }) {
      for name in record.names where name.domain == domain && remoteDigest(of: name) != nil {
        if !paths.contains(name.path) { paths.append(name.path) }
        if paths.count == limit { return paths }
      }
    }
    return paths
  }

  /// An image's manifest and what it names, read and compared with its digest.
  public func parts(of record: ImageRecord) throws(Failure) -> ImageParts {
    let what = "image \(record.id.short)"
    let bytes = try document(record.manifest, what)
    let manifest = try OCIDocuments.decode(OCIDocuments.Manifest.self, bytes, what)
    func part(_ descriptor: OCIDocuments.Descriptor) throws(Failure) -> ImageParts.Part {
      ImageParts.Part(digest: try Digest(descriptor.digest), size: descriptor.size)
    }
    return ImageParts(
      manifest: ImageParts.Part(digest: record.manifest, size: Int64(bytes.count)),
      mediaType: manifest.mediaType ?? OCIDocuments.manifestType,
      config: try part(manifest.config),
      layers: try manifest.layers.map { (layer) throws(Failure) in try part(layer) })
  }

  /// Opens a blob for reading.
  ///
  /// - Throws: ``Failure/Code/corrupt`` when it is missing.
  public func openBlob(_ digest: Digest) throws(Failure) -> Descriptor {
    guard Files.exists(blobPath(digest)) else {
      throw Failure(
        .corrupt, "open blob", digest.description, reason: "it is missing from the store",
        remedy: "pull or import the image again")
    }
    return try Descriptor.open(blobPath(digest), .read)
  }
}

/// The blobs that a stored image consists of.
public struct ImageParts: Sendable {
  /// One of them.
  public struct Part: Sendable, Equatable {
    /// Its digest.
    public let digest: Digest
    /// Its bytes.
    public let size: Int64
  }

  /// The manifest itself.
  public let manifest: Part
  /// The manifest's media type.
  public let mediaType: String
  /// The configuration.
  public let config: Part
  /// The layers, the lowest first.
  public let layers: [Part]
}
