import Linux

/// What the store has noted of registries, read at once: for lists, and for names by digest.
public struct RemoteNotes: Sendable {
  private struct Note {
    var name: Reference
    var digest: Digest
  }

  /// By manifest.
  private var notes: [Digest: [Note]] = [:]

  init(_ store: ImageStore) throws(Failure) {
    for file in try Files.list(store.remotePath) {
      // A name that is too long for a file is not told by it.
      guard !file.hasPrefix("%"), let note = store.note("\(store.remotePath)/\(file)"),
        let name = try? Reference(file.replacing("%2F", with: "/"))
      else { continue }
      notes[note.manifest, default: []].append(Note(name: name, digest: note.digest))
    }
  }

  /// The digest that a name of an image had at its registry; nil when that is not known.
  public func digest(of name: Reference, _ image: ImageRecord) -> Digest? {
    notes[image.manifest]?.first { $0.name == name }?.digest
  }

  /// The names by digest under which registries have an image, sorted: docker's RepoDigests. Those under
  /// which it was pulled, and those that its tags had when they were last pulled or pushed.
  public func digestNames(of image: ImageRecord) -> [Reference] {
    guard let notes = notes[image.manifest] else { return [] }
    var names = Set<Reference>()
    for note in notes where note.name.digest != nil || image.names.contains(note.name) {
      names.insert(note.name.withDigest(note.digest))
    }
    return names.sorted { $0.canonical < $1.canonical }
  }
}

extension Reference {
  /// The same repository by digest alone: "app@sha256:…".
  func withDigest(_ digest: Digest) -> Reference {
    Reference(domain: domain, path: path, tag: nil, digest: digest)
  }

  /// A name by digest without the tag that may stand before it and means nothing then; any other as it is.
  public var pinned: Reference { digest.map { withDigest($0) } ?? self }
}

extension ImageStore {
  /// What is noted of registries.
  public func remoteNotes() throws(Failure) -> RemoteNotes { try RemoteNotes(self) }

  /// The image of a name by digest: the manifest's, the image's own, or the one that a registry knows it by.
  func find(byDigest name: Reference, _ digest: Digest) throws(Failure) -> ImageRecord? {
    let pinned = name.pinned
    let notes = try remoteNotes()
    return try list().first { record in
      if notes.digestNames(of: record).contains(pinned) { return true }
      return (record.manifest == digest || record.id == digest)
        && record.names.contains { $0.repository == name.repository }
    }
  }

  /// Forgets what is noted of those names of an image that `isGone` holds for. The caller holds the lock.
  func forget(_ image: ImageRecord, where isGone: (Reference, Digest) -> Bool) throws(Failure) {
    for file in try Files.list(remotePath) {
      let path = "\(remotePath)/\(file)"
      guard let note = note(path), note.manifest == image.manifest else { continue }
      let name = file.hasPrefix("%") ? nil : try? Reference(file.replacing("%2F", with: "/"))
      guard let name else { continue }
      if isGone(name, note.digest) { try Files.remove(path) }
    }
  }
}
