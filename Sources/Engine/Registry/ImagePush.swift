import Image
import Linux
import RegistryExchange

/// Sends images to a registry: layers side by side, then the configuration, the manifest last, so that
/// nobody at the registry ever sees an image that is not whole.
public struct ImagePush {
  let installation: Installation
  /// Told how far each layer is.
  let progress: (TransferUpdate) -> Void

  /// What is at the registry now.
  public struct Outcome: Sendable {
    /// The name that was pushed.
    public let name: Reference
    /// The manifest's digest.
    public let digest: Digest
    /// Bytes of the manifest.
    public let size: Int
  }

  /// Layers on their way at a time.
  private static let width = 4

  /// Pushes from an installation.
  public init(_ installation: Installation, progress: @escaping (TransferUpdate) -> Void) {
    self.installation = installation
    self.progress = progress
  }

  /// The names that `push --all-tags` of a repository means.
  ///
  /// - Throws: ``Failure/Code/notFound`` when there is none.
  public func names(ofRepository name: Reference) throws(Failure) -> [Reference] {
    var names: [Reference] = []
    for record in try installation.imageStore().list() {
      names += record.names.filter { $0.repository == name.repository && $0.tag != nil }
    }
    guard !names.isEmpty else {
      throw Failure(
        .notFound, "push", name.repository, reason: "no image has a name in this repository")
    }
    return names.sorted { $0.canonical < $1.canonical }
  }

  /// Pushes an image by name.
  ///
  /// - Throws: ``Failure/Code/notFound`` when no image has the name, the registry's refusal.
  public func push(_ name: Reference) throws(Failure) -> Outcome {
    guard name.digest == nil, let tag = name.tag else {
      throw Failure(
        .invalid, "push", name.familiar, reason: "a digest cannot be pushed to",
        remedy: "push a tag")
    }
    let store = try installation.imageStore()
    guard let record = try store.find(name.canonical) else {
      throw Failure(
        .notFound, "push", name.familiar, reason: "no image has this name",
        remedy: "give it one: minidock tag IMAGE \(name.familiar)")
    }
    let parts = try store.parts(of: record)
    var connection = try RegistryConnection.open(name.domain, for: .push)
    let repository = RemoteRepository(domain: name.domain, path: name.path)
    do throws(Failure) {
      try upload(parts.layers, store, repository, &connection)
      try upload([parts.config], store, repository, &connection, isShown: false)
      let document = try store.openBlob(parts.manifest.digest)
      let number = try connection.send(
        .putManifest(repository, reference: tag, mediaType: parts.mediaType), document.raw)
      _ = try connection.answer(to: number)
    } catch {
      throw error.during("push", name.familiar)
    }
    try? store.remember(name, digest: parts.manifest.digest, manifest: parts.manifest.digest)
    EventLog(installation).append([
      Event(type: "image", "push", id: name.familiar, [("name", name.familiar)])
    ])
    return Outcome(name: name, digest: parts.manifest.digest, size: Int(parts.manifest.size))
  }

  private func upload(
    _ parts: [ImageParts.Part], _ store: ImageStore, _ repository: RemoteRepository,
    _ connection: inout RegistryConnection, isShown: Bool = true
  ) throws(Failure) {
    var queue = Array(parts.enumerated())[...]
    var running: [(number: UInt32, index: Int)] = []
    var seen: [Digest] = []
    func show(_ index: Int, _ phase: TransferUpdate.Phase, _ bytes: Int64) {
      guard isShown else { return }
      let part = parts[index]
      progress(
        TransferUpdate(
          index: index, digest: part.digest.description, phase: phase, bytes: bytes,
          total: part.size))
    }
    for index in parts.indices { show(index, .waiting, 0) }
    while !queue.isEmpty || !running.isEmpty {
      while running.count < ImagePush.width, let (index, part) = queue.popFirst() {
        if seen.contains(part.digest) {
          show(index, .existedThere, part.size)
          continue
        }
        seen.append(part.digest)
        let blob = try store.openBlob(part.digest)
        let sources = try store.repositories(of: repository.domain, holding: part.digest, limit: 3)
        let number = try connection.send(
          .upload(
            repository, digest: part.digest.description, size: part.size, sources: sources),
          blob.raw)
        running.append((number, index))
      }
      guard !running.isEmpty else { break }
      let (number, answer) = try connection.next()
      guard let place = running.firstIndex(where: { $0.number == number }) else { continue }
      let index = running[place].index
      switch answer {
      case .progress(let bytes): show(index, .uploading, bytes)
      case .failed(let failure): throw failure
      case .uploaded(let how):
        running.remove(at: place)
        show(
          index, how == .existed ? .existedThere : how == .mounted ? .mounted : .pushed,
          parts[index].size)
      default: throw RegistryRequest.nonsense
      }
    }
  }
}
