import Linux

/// What a pull that was killed, or whose registry failed, leaves for the next one: the layers that were
/// finished stay in the store, and of each layer in flight the beginning of its blob.
///
/// ```
/// ingest/<random>/plan             says until when: a sweep leaves it until then
/// ingest/<random>/layer-<n>/blob   what had come of layer n
/// ingest/<random>/partial-<hex>    the same, put in order by a sweep or taken over from an earlier attempt
/// ```
/// Nothing of it is believed: a beginning goes through the same digest as what comes after it.
extension Ingest {
  /// A day: longer than a user's lunch, shorter than anybody's patience with lost space.
  static let keepingNanoseconds: Int64 = 86_400_000_000_000

  /// Of how many attempts something is kept at a time; the newest.
  static let keepingLimit = 8

  private static let partialPrefix = "partial-"
  private static let layerPrefix = "layer-"

  /// Where the beginning of a blob is.
  func partialPath(_ blob: Digest) -> String { "\(path)/\(Self.partialPrefix)\(blob.hex)" }

  /// Of an ended pull only the beginnings of blobs are of use, each once.
  func keepBeginnings(_ plan: Plan) throws(Failure) {
    for (blob, source) in try beginnings(plan) {
      let target = partialPath(blob)
      if source == target { continue }
      let size = try Files.size(source)
      let isLonger = Files.exists(target) ? try Files.size(target) < size : size > 0
      if isLonger { try Files.rename(source, to: target) }
    }
    for name in try Files.list(path) where name.hasPrefix(Self.layerPrefix) {
      // A child of the killed pull may write for another moment; then the next sweep does it.
      try? Files.removeTree("\(path)/\(name)")
    }
  }

  /// The beginnings of blobs that are here, whoever holds them.
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
  /// Takes over what ended pulls have left: of the same manifest everything, of others the beginnings of
  /// blobs that this plan names as well. The caller holds the store's lock, and its own plan is written, so
  /// that nothing is lost between the two.
  func takeOver(_ plan: Ingest.Plan, into ingest: borrowing Ingest) throws(Failure) {
    let wanted = Set(plan.blobs.dropFirst(2))
    for name in try Files.list(root + "/ingest") where !name.contains(".") {
      let path = "\(root)/ingest/\(name)"
      guard path != ingest.path, let old = try Ingest(takingOver: path),
        let left = try old.readPlan(), left.keptUntil != nil, left.blobs.count > 1
      else { continue }
      let isSame = left.blobs[1] == plan.blobs[1]
      // Who does not go on with beginnings (a load) has no use for those of another image.
      guard isSame || plan.keptUntil != nil else { continue }
      for (blob, source) in try old.beginnings(left) where wanted.contains(blob) {
        let target = ingest.partialPath(blob)
        if Files.exists(target), try Files.size(target) >= Files.size(source) { continue }
        try Files.rename(source, to: target)
      }
      // Without a plan it is nobody's: a sweep removes the rest.
      if isSame { try old.removePlan() }
    }
  }

  /// Whether something is on its way into the store, or was.
  public func hasUnfinished() throws(Failure) -> Bool {
    !(try Files.list(root + "/ingest")).isEmpty
  }

  /// Where too much is kept: all but ``Ingest/keepingLimit``, those that are kept the longest.
  func superfluousIngests() throws(Failure) -> Set<String> {
    var kept: [(until: Timestamp, path: String)] = []
    for name in try Files.list(root + "/ingest") where !name.contains(".") {
      let path = "\(root)/ingest/\(name)"
      guard let bytes = try Files.read(path + "/plan"),
        let until = Ingest.Plan(FieldText(parsing: bytes)).keptUntil
      else { continue }
      kept.append((until, path))
    }
    kept.sort { ($0.until, $0.path) > ($1.until, $1.path) }
    return Set(kept.dropFirst(Ingest.keepingLimit).map(\.path))
  }
}
