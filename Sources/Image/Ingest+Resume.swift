import Linux

/// What a pull that was killed leaves for the next one of the same image: the layers that were finished
/// stay in the store, and of each layer in flight the beginning of its blob.
///
/// ```
/// ingest/<random>/plan             says until when: a sweep leaves it until then
/// ingest/<random>/layer-<n>/blob   what had come of layer n
/// ingest/<random>/partial-<hex>    the same, taken over from an earlier attempt
/// ```
/// Nothing of it is believed: a beginning goes through the same digest as what comes after it.
extension Ingest {
  /// A day: longer than a user's lunch, shorter than anybody's patience with lost space.
  static let keepingNanoseconds: Int64 = 86_400_000_000_000

  private static let partialPrefix = "partial-"
  private static let layerPrefix = "layer-"

  /// Where the beginning of a blob is.
  func partialPath(_ blob: Digest) -> String { "\(path)/\(Self.partialPrefix)\(blob.hex)" }

  /// Of an interrupted pull only the beginnings of blobs are of use.
  func dropTrees() throws(Failure) {
    for name in try Files.list(path) where name.hasPrefix(Self.layerPrefix) {
      // A child of the killed pull may write for another moment; then the next sweep does it.
      try? Files.removeTree("\(path)/\(name)/layer")
    }
  }

  /// The beginnings of blobs that a dead holder has left.
  func beginnings(_ plan: Plan) throws(Failure) -> [(blob: Digest, path: String)] {
    var found: [(Digest, String)] = []
    for name in try Files.list(path) {
      if name.hasPrefix(Self.partialPrefix) {
        guard let blob = Digest(hex: String(name.dropFirst(Self.partialPrefix.count))) else {
          continue
        }
        found.append((blob, "\(path)/\(name)"))
      } else if name.hasPrefix(Self.layerPrefix) {
        // The plan names the image and its manifest before the layers.
        guard let index = Int(name.dropFirst(Self.layerPrefix.count)),
          plan.blobs.indices.contains(index + 2), Files.exists("\(path)/\(name)/blob")
        else { continue }
        found.append((plan.blobs[index + 2], "\(path)/\(name)/blob"))
      }
    }
    return found
  }
}

extension ImageStore {
  /// Takes over what interrupted pulls of the same manifest have left. The caller holds the store's lock,
  /// and its own plan is written, so that nothing is lost between the two.
  func takeOver(_ plan: Ingest.Plan, into ingest: borrowing Ingest) throws(Failure) {
    for name in try Files.list(root + "/ingest") where !name.contains(".") {
      let path = "\(root)/ingest/\(name)"
      guard path != ingest.path, let old = try Ingest(takingOver: path),
        let left = try old.readPlan(), left.keptUntil != nil, left.blobs.count > 1,
        left.blobs[1] == plan.blobs[1]
      else { continue }
      for (blob, source) in try old.beginnings(left) {
        let target = ingest.partialPath(blob)
        if Files.exists(target), try Files.size(target) >= Files.size(source) { continue }
        try Files.rename(source, to: target)
      }
      // Without a plan it is nobody's: a sweep removes the rest.
      try old.removePlan()
    }
  }
}
