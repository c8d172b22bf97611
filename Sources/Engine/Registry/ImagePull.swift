import Image
import Linux
import RegistryExchange

/// Brings images from registries into the store.
///
/// `minidock-registry` delivers bytes; this process and its confined children compare every one of them:
/// the manifest with the digest asked for, the configuration with the manifest, each layer's blob and its
/// unpacked tar with both. Nothing is visible before all of it is.
public struct ImagePull {
  let installation: Installation
  /// Which image of a list; nil for this machine's.
  let platform: String?
  /// Told how far each layer is.
  let progress: (TransferUpdate) -> Void

  /// What a pull came to.
  public struct Outcome: Sendable {
    /// The name that was pulled.
    public let name: Reference
    /// The image.
    public let image: ImageRecord
    /// The digest at the registry: a list's, where there is one.
    public let digest: Digest
    /// Whether the name leads to another image than before.
    public let isNew: Bool
  }

  /// Pulls into an installation.
  public init(
    _ installation: Installation, platform: String?,
    progress: @escaping (TransferUpdate) -> Void
  ) {
    self.installation = installation
    self.platform = platform
    self.progress = progress
  }

  /// The names that `pull --all-tags` of a repository means.
  public func names(ofRepository name: Reference) throws(Failure) -> [Reference] {
    var connection = try RegistryConnection.open(name.domain, for: .pull)
    let tags = try connection.lines(.tags(repository(name)))
    guard !tags.isEmpty else {
      throw Failure(.notFound, "pull", name.repository, reason: "the repository has no tags")
    }
    return try tags.map { (tag) throws(Failure) in
      try Reference("\(name.domain)/\(name.path):\(tag)")
    }
  }

  /// Pulls an image by tag or digest. One round trip when it is there already and has not changed at the
  /// registry; none when it is there and was asked for by its digest.
  ///
  /// - Throws: ``Failure/Code/notFound`` when the registry has no such image, or none for the platform;
  ///   ``Failure/Code/corrupt`` when what it sends contradicts itself. Nothing is left then.
  public func pull(_ name: Reference) throws(Failure) -> Outcome {
    let wanted = try platform.map { (text) throws(Failure) in try ImagePlatform(text) }
    let store = try installation.imageStore()
    let present = try store.image(pulledAs: name).flatMap { image in
      wanted?.accepts(image.platform) ?? true ? image : nil
    }
    let name = name.pinned
    if let digest = name.digest, let present {
      if try store.find(name.canonical) == nil {
        try store.remember(name, digest: digest, manifest: present.manifest)
      }
      return Outcome(name: name, image: present, digest: digest, isNew: false)
    }
    do throws(Failure) {
      var connection = try RegistryConnection.open(name.domain, for: .pull)
      if let present, let digest = try unchanged(name, present, store, &connection) {
        return Outcome(name: name, image: present, digest: digest, isNew: false)
      }
      let (digest, documents) = try documents(name, wanted ?? .host, &connection)
      if let wanted, !wanted.accepts(documents.platform) {
        throw Failure(
          .notFound, "pull", name.familiar,
          reason: "it is for \(documents.platform), not for \(wanted)")
      }
      if wanted == nil,
        let refusal = HostPlatform.refusal(
          documents.platform, "pull", name.familiar,
          remedy: "ask for it with --platform \(documents.platform) if it is not to be run here")
      {
        throw refusal
      }
      let image = try LayerTransfer(
        repository: repository(name), store: store, progress: progress
      ).fetch(documents, as: name.digest == nil ? [name] : [], &connection)
      try store.remember(name, digest: digest, manifest: image.manifest)
      EventLog(installation).append([
        Event(type: "image", "pull", id: name.familiar, [("name", name.repository)])
      ])
      return Outcome(name: name, image: image, digest: digest, isNew: present?.id != image.id)
    } catch {
      let failure = error.addingDiskRemedy()
      throw failure.operation == "pull" ? failure : failure.during("pull", name.familiar)
    }
  }

  private func repository(_ name: Reference) -> RemoteRepository {
    RemoteRepository(domain: name.domain, path: name.path)
  }

  private func reference(_ name: Reference) -> String {
    name.digest?.description ?? name.tag ?? "latest"
  }

  /// The digest of a name that still leads to what is here.
  private func unchanged(
    _ name: Reference, _ present: ImageRecord, _ store: ImageStore,
    _ connection: inout RegistryConnection
  ) throws(Failure) -> Digest? {
    let found = try connection.lookUp(repository(name), reference(name))
    // A registry that names no digest is asked for the document.
    guard let digest = try? Digest(found.digest),
      digest == present.manifest || digest == store.remoteDigest(of: name),
      LayerTransfer.isWhole(present, in: store)
    else { return nil }
    return digest
  }

  // MARK: - Documents

  /// From a name to the documents of one image, through a list where there is one.
  private func documents(
    _ name: Reference, _ wanted: ImagePlatform, _ connection: inout RegistryConnection
  ) throws(Failure) -> (digest: Digest, documents: ImageDocuments) {
    var document = try connection.document(repository(name), reference(name))
    let digest = Digest(of: document.bytes)
    // A tag has no digest of its own; then what the registry says must at least be true.
    var expected = name.digest
    if expected == nil && !document.digest.isEmpty { expected = try Digest(document.digest) }
    var hops = 0
    while try kind(document, expected) == .index {
      hops += 1
      guard hops <= 2 else {
        throw Failure(.refused, "pull", name.familiar, reason: "it is a list of lists of lists")
      }
      let index = try ImageIndex(
        document.bytes, expecting: expected, announced: announced(document))
      guard let entry = index.select(wanted) else {
        throw Failure(
          .notFound, "pull", name.familiar, reason: "it has no image for \(wanted)",
          remedy: "choose another with --platform: \(index.platforms)")
      }
      document = try connection.document(repository(name), entry.digest.description)
      guard Int64(document.bytes.count) == entry.size || entry.size == 0 else {
        throw Failure(
          .corrupt, "verify", "manifest",
          reason: "it has \(document.bytes.count) bytes instead of \(entry.size)")
      }
      expected = entry.digest
    }
    let (id, size) = try ImageDocuments.configuration(
      of: document.bytes, expecting: expected, announced: announced(document))
    let config = try connection.blob(
      repository(name), digest: id.description, size: size, limit: 4 << 20)
    return (
      digest,
      try ImageDocuments(
        manifest: document.bytes, expecting: expected, announced: announced(document),
        config: config)
    )
  }

  private func announced(_ document: RegistryConnection.Document) -> String? {
    document.mediaType.isEmpty ? nil : document.mediaType
  }

  private func kind(
    _ document: RegistryConnection.Document, _ expected: Digest?
  ) throws(Failure) -> DocumentKind {
    if let expected, Digest(of: document.bytes) != expected {
      throw Failure(
        .corrupt, "verify", "manifest",
        reason: "its digest is \(Digest(of: document.bytes)) instead of \(expected)")
    }
    return try DocumentKind(of: document.bytes, announced: announced(document))
  }
}
