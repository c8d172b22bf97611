import Linux

/// What one import or removal has in hand: a directory of its own below `ingest/`, locked as long as its
/// process lives.
///
/// Before anything is renamed into the store, or out of it, the plan is written: which blobs, layers and
/// image this is about. Whoever later finds the directory without a holder removes exactly those of them
/// that no image refers to, so that a kill at any moment leaves the state before or the state after.
struct Ingest: ~Copyable {
  let path: String
  private let lock: FileLock

  /// The caller holds the store's lock, so that nobody takes the new directory for an abandoned one.
  init(in store: ImageStore) throws(Failure) {
    path = store.unusedPath()
    try Files.claimDirectory(path)
    lock = try FileLock.acquire(path + "/lock")
  }

  /// Takes over a directory whose holder has died; nil when it is alive.
  init?(takingOver path: String) throws(Failure) {
    guard let lock = try FileLock.tryAcquire(path + "/lock") else { return nil }
    self.path = path
    self.lock = lock
  }

  /// What the plan names.
  struct Plan: Equatable {
    var blobs: [Digest] = []
    var chains: [Digest] = []
    /// An image that shall appear under ``name``; without the name it was never acknowledged.
    var image: Digest?
    var name: String?
    /// What is planned is wanted, and nobody else may remove it as long as the holder lives.
    var isHolding = false
    /// Until when what a killed holder had is kept for whoever tries again; nil for not at all.
    var keptUntil: Timestamp?

    /// Whether it outlives its holder.
    var isKept: Bool { keptUntil.map { .now < $0 } ?? false }

    var text: FieldText {
      var text = FieldText()
      text.add("blob", blobs.map(\.hex))
      text.add("chain", chains.map(\.hex))
      text.add("image", image?.hex)
      text.add("name", name)
      if isHolding { text.add("holds", "yes") }
      text.add("kept-until", keptUntil.map { String($0.nanoseconds) })
      return text
    }

    init() {}

    init(_ text: FieldText) {
      blobs = text.all("blob").compactMap(Digest.init(hex:))
      chains = text.all("chain").compactMap(Digest.init(hex:))
      image = text["image"].flatMap(Digest.init(hex:))
      name = text["name"]
      isHolding = text["holds"] == "yes"
      keptUntil = text["kept-until"].flatMap { Int64($0) }.map { Timestamp(nanoseconds: $0) }
    }
  }

  func write(_ plan: Plan) throws(Failure) {
    try Files.replace(path + "/plan", with: plan.text.bytes, through: path + "/plan.tmp")
  }

  /// Takes the plan back: from now on this holder wants nothing.
  func removePlan() throws(Failure) { try Files.remove(path + "/plan") }

  func readPlan() throws(Failure) -> Plan? {
    try Files.read(path + "/plan").map { Plan(FieldText(parsing: $0)) }
  }

  /// Removes the directory with everything that was not moved into the store. The lock file goes last
  /// and under the store's lock: without it nobody could tell whether the directory is in use.
  func discard(_ store: ImageStore) throws(Failure) {
    for name in try Files.list(path) where name != "lock" {
      try Files.removeTree("\(path)/\(name)")
    }
    let lock = try store.acquireLock()
    try Files.removeTree(path)
    _ = consume lock
  }
}

extension ImageStore {
  private static let temporarySuffix = ".tmp"
  private static let lockSuffix = ".lock"

  /// The lock of whoever unpacks a layer: the others wait and find it done.
  func layerLockPath(_ chainID: Digest) -> String {
    "\(root)/ingest/\(chainID.hex)\(Self.lockSuffix)"
  }

  /// A path below `ingest/` that nothing has.
  func unusedPath() -> String {
    "\(root)/ingest/" + String(UInt64.random(in: 1 << 60 ... .max), radix: 16)
  }

  /// Replaces a small file of the store; what a kill leaves lies below `ingest/`, where a sweep finds it.
  func replace(_ path: String, with bytes: [UInt8]) throws(Failure) {
    try Files.replace(path, with: bytes, through: unusedPath() + Self.temporarySuffix)
  }

  /// Lets a name lead to an image.
  func point(_ name: Reference, to record: ImageRecord) throws(Failure) {
    try Files.replaceLink(
      namePath(name), target: "\(record.id.hex).\(record.manifest.hex)",
      through: unusedPath() + Self.temporarySuffix)
  }

  /// Removes what killed imports and removals left. Costs one look into an empty directory when there is
  /// nothing.
  ///
  /// - Parameter everything: also what interrupted pulls have left for the next attempt.
  public func sweep(everything: Bool = false) throws(Failure) {
    guard !(try Files.list(root + "/ingest")).isEmpty else { return }
    let superfluous = try superfluousIngests()
    for name in try Files.list(root + "/ingest") {
      let lock = try acquireLock()
      if name.hasSuffix(Self.temporarySuffix) {
        try Files.remove("\(root)/ingest/\(name)")
        continue
      }
      if name.hasSuffix(Self.lockSuffix) {
        // Whoever waits for it looks whether it is still the one that has the name.
        if let held = try FileLock.tryAcquire("\(root)/ingest/\(name)") {
          try Files.remove("\(root)/ingest/\(name)")
          _ = consume held
        }
        continue
      }
      guard Files.exists("\(root)/ingest/\(name)"),
        let ingest = try Ingest(takingOver: "\(root)/ingest/\(name)")
      else { continue }
      if let plan = try ingest.readPlan() {
        if plan.isKept && !everything && !superfluous.contains(ingest.path) {
          _ = consume lock
          try ingest.keepBeginnings(plan)
          continue
        }
        try settle(plan, ingest)
      }
      _ = consume lock
      // A child of the killed import may write for another moment; then the next sweep finishes this.
      try? ingest.discard(self)
    }
  }

  /// Undoes what of a plan was not acknowledged. The caller holds the store's lock.
  func settle(_ plan: Ingest.Plan, _ ingest: borrowing Ingest) throws(Failure) {
    if let id = plan.image, plan.name != nil, let record = try record(id), record.names.isEmpty {
      try Files.remove(recordPath(id))
    }
    try collect(plan, ingest)
  }

  /// Removes the plan's blobs and layers that no image refers to. Layers are first moved out of the store
  /// by one rename, so that none is ever seen half empty.
  func collect(_ plan: Ingest.Plan, _ ingest: borrowing Ingest) throws(Failure) {
    let live = try live(besides: ingest)
    for chain in plan.chains where !live.chains.contains(chain) && Files.exists(layerPath(chain)) {
      let grave = "\(ingest.path)/removed-\(chain.hex)"
      try Files.removeTree(grave)
      try Files.rename(layerPath(chain), to: grave)
    }
    // A chain id may be a blob's digest too (the lowest layer of a plain tar): each space has its own list,
    // or a layer that is needed would keep a blob that is not.
    for blob in plan.blobs where !live.blobs.contains(blob) { try Files.remove(blobPath(blob)) }
  }

  /// What images and living assemblies need.
  struct Live {
    var blobs: Set<Digest> = []
    var chains: Set<Digest> = []
  }

  /// What images and living assemblies need. The caller holds the store's lock, as assemblies do when they
  /// write their plans.
  func live(besides ingest: borrowing Ingest) throws(Failure) -> Live {
    var live = Live()
    for record in try list() {
      live.blobs.formUnion([record.id, record.manifest] + record.layers.map(\.blob))
      live.chains.formUnion(record.layers.map(\.chainID))
    }
    for name in try Files.list(root + "/ingest") where !name.contains(".") {
      let path = "\(root)/ingest/\(name)"
      guard path != ingest.path, let bytes = try Files.read(path + "/plan") else { continue }
      let plan = Ingest.Plan(FieldText(parsing: bytes))
      guard plan.isHolding else { continue }
      if !plan.isKept, try FileLock.tryAcquire(path + "/lock") != nil { continue }
      live.blobs.formUnion(plan.blobs)
      live.chains.formUnion(plan.chains)
    }
    return live
  }
}
