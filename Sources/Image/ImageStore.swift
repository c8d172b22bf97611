import Linux

/// The images of this host: OCI documents and blobs by digest, unpacked layers, names.
///
/// ```
/// lock                       held while something is renamed into or out of place, never during work
/// blobs/sha256/<hex>         manifest, config, layer: as received, verified while written
/// layers/<chain id>/diff     unpacked once, shared by every image that has the chain; size beside it
/// images/<id>                summary of an image; that it exists makes the image exist
/// names/<name>               symbolic link whose text is "<id>.<manifest>"
/// remote/<name>              what a name was at its registry; see ``RemoteNotes``
/// ingest/<random>/           what an import or removal has in hand: its lock, plan and half-made files
/// ```
/// Names are one link each instead of one images.json: a name is looked up by one readlink(2), changed by
/// one rename(2), and no two commands ever wait for each other to rewrite a common file. The summary
/// spares `run` all JSON; it can be made again from the documents.
public struct ImageStore: Sendable {
  /// The store's directory, 0700.
  public let root: String
  /// How much an import may be.
  public var limits = ImportLimits()

  /// Opens the store, making its directories (0700) when it is new.
  ///
  /// - Throws: ``Failure/Code/refused`` when the directory is not this user's alone (row 32).
  public init(root: String) throws(Failure) {
    self.root = root
    if !Files.exists(root + "/ingest") {
      for folder in ["blobs/sha256", "layers", "images", "names", "ingest"] {
        try Files.makeDirectories("\(root)/\(folder)", mode: 0o700)
      }
    }
    try Files.verifyPrivateDirectory(root)
  }

  /// Before anything is written: whoever could reach one of these directories could plant files.
  func verify() throws(Failure) {
    for folder in ["blobs", "blobs/sha256", "layers", "images", "names", "ingest"] {
      try Files.makeDirectories("\(root)/\(folder)", mode: 0o700)
      try Files.verifyPrivateDirectory("\(root)/\(folder)")
    }
  }

  var layersPath: String { root + "/layers" }
  func blobPath(_ digest: Digest) -> String { "\(root)/blobs/sha256/\(digest.hex)" }
  func layerPath(_ chainID: Digest) -> String { "\(root)/layers/\(chainID.hex)" }
  func recordPath(_ id: Digest) -> String { "\(root)/images/\(id.hex)" }

  /// One file name for each name: "/" becomes "%2F", which no name holds. Too long ones go by their
  /// digest: the summaries know them in full.
  func namePath(_ name: Reference) -> String {
    let text = name.canonical
    guard text.utf8.count <= 190 else {
      return "\(root)/names/%\(Digest(of: Array(text.utf8)).hex)"
    }
    var path = Array((root + "/names/").utf8)
    for byte in text.utf8 {
      if byte == UInt8(ascii: "/") { path += "%2F".utf8 } else { path.append(byte) }
    }
    return String(decoding: path, as: UTF8.self)
  }

  func acquireLock() throws(Failure) -> FileLock { try FileLock.acquire(root + "/lock") }

  // MARK: - Reading

  /// Where a name leads.
  func target(of name: Reference) -> (id: Digest, manifest: Digest)? {
    guard let text = SymbolicLinks.read(namePath(name)) else { return nil }
    guard text.utf8.count == 129, let id = Digest(hexDigits: text.utf8.prefix(64)),
      let manifest = Digest(hexDigits: text.utf8.suffix(64))
    else { return nil }
    return (id, manifest)
  }

  /// The image with this id and the names that lead to it now; nil when there is none.
  ///
  /// - Parameter known: a name that has just been seen to lead to it.
  func record(_ id: Digest, known: Reference? = nil) throws(Failure) -> ImageRecord? {
    guard let bytes = try Files.readSmall(recordPath(id)) else { return nil }
    var record: ImageRecord
    if let parsed = ImageSummary.record(id, bytes, layersPath: layersPath) {
      record = parsed
    } else {
      record = try repair(id, bytes)
    }
    let digits = id.hex.utf8
    record.names = record.names.filter { name in
      if name == known { return true }
      return SymbolicLinks.read(namePath(name))?.utf8.starts(with: digits) ?? false
    }
    if record.names.count > 1 { record.names.sort { $0.canonical < $1.canonical } }
    return record
  }

  /// The image that `text` means: `NAME[:TAG]`, `NAME@DIGEST`, an id, or the beginning of one.
  ///
  /// A name goes before a beginning of an id, as with docker. Takes neither lock nor JSON.
  ///
  /// - Throws: ``Failure/Code/invalid`` for a malformed name and for a beginning that several ids share.
  public func find(_ text: String) throws(Failure) -> ImageRecord? {
    let digits = text.hasPrefix("sha256:") ? text.dropFirst(7)[...] : text[...]
    if let id = Digest(hex: String(digits)) { return try record(id) }
    let isPrefix = !digits.isEmpty && digits.utf8.allSatisfy(Digest.isHexDigit)
    do throws(Failure) {
      let name = try Reference(text)
      if let digest = name.digest { return try find(byDigest: name, digest) }
      if let target = target(of: name), let found = try record(target.id, known: name) {
        return found
      }
    } catch {
      // "sha256:12ab" is also a name with a tag; what is neither is reported as a bad name.
      if error.code != .invalid || !isPrefix { throw error }
    }
    guard isPrefix else { return nil }
    let matches = try Files.list(root + "/images").filter { $0.hasPrefix(digits) }
      .compactMap(Digest.init(hex:))
    guard matches.count < 2 else {
      throw Failure(
        .invalid, "find image", text, reason: "\(matches.count) image ids begin like this",
        remedy: "give more digits")
    }
    return try matches.first.flatMapTyped { (id) throws(Failure) in try record(id) }
  }

  /// All images, the newest first.
  public func list() throws(Failure) -> [ImageRecord] {
    var records: [ImageRecord] = []
    for name in try Files.list(root + "/images") {
      guard let id = Digest(hex: name), let record = try record(id) else { continue }
      records.append(record)
    }
    // Positions are sorted by what counts, as records are large.
    let keys = records.map { (created: $0.created, id: $0.id) }
    let order = keys.indices.sorted {
      let (a, b) = (keys[$0], keys[$1])
      return a.created == b.created ? b.id.precedes(a.id) : a.created > b.created
    }
    return order.map { records[$0] }
  }
}

extension Optional {
  func flatMapTyped<Result>(
    _ body: (Wrapped) throws(Failure) -> Result?
  ) throws(Failure) -> Result? {
    guard let self else { return nil }
    return try body(self)
  }
}
