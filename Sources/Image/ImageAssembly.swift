import Linux

/// An image whose documents are here and whose layers are on their way into the store, in any order and
/// several at a time.
///
/// ```
/// let assembly = try ImageAssembly(documents, in: store)     // holds what of it is here already
/// for index in assembly.layers.indices {
///   switch try assembly.claim(index, waiting: true) {
///   case .present: break                                     // shared with an image or another process
///   case .busy: …                                            // only without `waiting`: come back later
///   case .claimed(let ingest):
///     try ingest.start(from: descriptor)                     // a child stores, verifies, unpacks
///     while !(try ingest.advance(wait: true)) { show(ingest.stored) }
///   }
/// }
/// let record = try assembly.commit(names: [name])            // visible now, and not before
/// ```
/// Several layers at a time: claim without waiting, start each, poll(2) their descriptors for input and
/// advance those that have some. Only a process that works at no layer may wait for one, so that no two
/// wait for each other. None of this needs a thread, and the process must have none.
///
/// What has been finished stays in the store for others even when the assembly fails or is killed, until
/// a sweep finds that no image and no living assembly wants it.
public final class ImageAssembly {
  /// What the image is to be.
  public let documents: ImageDocuments
  let store: ImageStore
  private let ingest: Ingest
  private var isOver = false
  /// Of the plan, which is taken back in the end.
  private let plan: Ingest.Plan

  /// Which layers there are, lowest first.
  public var layers: [ImageDocuments.Layer] { documents.layers }

  /// What ``claim(_:waiting:)`` finds.
  public enum Claim {
    /// The layer is in the store, whole and verified.
    case present
    /// Another process is working at it.
    case busy
    /// This process is to bring it.
    case claimed(LayerIngest)
  }

  /// Blobs whose beginning was given out.
  private var resumed: Set<Digest> = []
  /// Layers that this assembly had in hand.
  private var claimed: Set<Int> = []

  /// Starts: from now on no removal of another image takes away what this one needs.
  ///
  /// - Parameter isKept: what there is of it stays for a day when this process is killed or the assembly
  ///   is suspended, for the next one that wants the same layers.
  public init(
    _ documents: ImageDocuments, in store: ImageStore, isKept: Bool = false
  ) throws(Failure) {
    try store.verify()
    try store.sweep()
    self.documents = documents
    self.store = store
    var plan = Ingest.Plan()
    plan.blobs = [documents.id, documents.manifestDigest] + documents.layers.map(\.blob)
    plan.chains = documents.layers.map(\.chainID)
    plan.isHolding = true
    if isKept {
      plan.keptUntil = Timestamp(
        nanoseconds: Timestamp.now.nanoseconds + Ingest.keepingNanoseconds)
    }
    self.plan = plan
    let lock = try store.acquireLock()
    ingest = try Ingest(in: store)
    try ingest.write(plan)
    try store.takeOver(plan, into: ingest)
    _ = consume lock
  }

  /// The beginning of a layer's blob that an earlier attempt has left, to be read from its start; nil for
  /// none, and the second time, as it may be damaged.
  public func beginning(of index: Int) throws(Failure) -> Descriptor? {
    let blob = layers[index].blob
    let path = ingest.partialPath(blob)
    guard Files.exists(path) else { return nil }
    guard resumed.insert(blob).inserted else {
      try Files.remove(path)
      return nil
    }
    return try Descriptor.open(path, .read)
  }

  deinit { if !isOver { abandon() } }

  /// Whether a layer is in the store with its blob.
  public func isPresent(_ index: Int) -> Bool {
    let layer = layers[index]
    return Files.exists(store.layerPath(layer.chainID))
      && Files.exists(store.blobPath(layer.blob))
  }

  /// Takes a layer in hand, unless it is there or somebody else has it.
  ///
  /// - Parameter waiting: waits for the other one to finish or fail instead of ``Claim/busy``.
  public func claim(_ index: Int, waiting: Bool) throws(Failure) -> Claim {
    if isPresent(index) { return .present }
    let path = store.layerLockPath(layers[index].chainID)
    let lock: FileLock
    if waiting {
      lock = try FileLock.acquire(path)
    } else {
      guard let free = try FileLock.tryAcquire(path) else { return .busy }
      lock = free
    }
    if isPresent(index) {
      try? Files.remove(path)
      return .present
    }
    // Whoever had it before, and was waited for, may have left its beginning.
    if plan.keptUntil != nil {
      let storeLock = try store.acquireLock()
      try store.takeOver(plan, into: ingest)
      _ = consume storeLock
    }
    claimed.insert(index)
    let directory = "\(ingest.path)/layer-\(index)"
    try Files.removeTree(directory)
    try Files.claimDirectory(directory)
    return .claimed(
      LayerIngest(
        store: store, layer: layers[index], below: layers[..<index].map(\.diffID),
        directory: directory, lock: lock, lockPath: path))
  }

  /// Makes the image visible: every layer must be there.
  ///
  /// - Parameter names: what shall lead to it; a name that led elsewhere leads here from now on.
  /// - Throws: ``Failure/Code/notFound`` when a layer is missing, the failure of a system call. The image
  ///   is there or not, never in part.
  public func commit(names: [Reference]) throws(Failure) -> ImageRecord {
    for name in names { try store.checkName(name, "name image") }
    let work = try Descriptor.open(ingest.path, .directory)
    try FileBytes.syncFileSystem(of: work.raw, object: store.root)
    let lock = try store.acquireLock()
    for index in layers.indices where !isPresent(index) {
      throw Failure(
        .notFound, "make image", documents.id.short,
        reason: "layer \(layers[index].chainID.short) is missing")
    }
    let config = try OCIDocuments.decode(
      OCIDocuments.Config.self, documents.config, "image configuration")
    var record = store.summary(
      documents.id, documents.manifestDigest, config, layers.map { ($0.diffID, $0.blob) })
    let existing = try store.record(documents.id)
    if let existing {
      if documents.isMadeHere { record = existing }
      record.names = existing.names
    }
    var plan = plan
    if existing == nil {
      plan.image = documents.id
      plan.name = names.first?.canonical
    } else if let existing, existing.manifest != record.manifest {
      // Another manifest of the same image takes the old one's place; its blobs may go.
      plan.blobs += [existing.manifest] + existing.layers.map(\.blob)
    }
    try ingest.write(plan)
    try store.write(documents.config, documents.id)
    try store.write(documents.manifest, documents.manifestDigest)
    if names.isEmpty { try store.publish(record, nil) }
    for name in names {
      try store.publish(record, name)
      if !record.names.contains(name) { record.names.append(name) }
    }
    for name in record.names where existing?.manifest != record.manifest {
      try store.point(name, to: record)
    }
    // Nobody has to go on with an attempt that was killed meanwhile.
    try store.takeOver(plan, into: ingest)
    // What the image does not need after all: a manifest made here, blobs of the former one.
    try store.collect(plan, ingest)
    try ingest.removePlan()
    _ = consume lock
    isOver = true
    try? ingest.discard(store)
    // The rest of an attempt that was taken over.
    try? store.sweep()
    guard let made = try store.record(documents.id, known: names.first) else {
      throw Failure(.corrupt, "make image", documents.id.short, reason: "its summary has gone")
    }
    return made
  }

  /// Gives up for now: what has come stays as after a kill, for whoever tries again. Where nothing has come
  /// it is ``abandon()``. No layer may be in hand any more.
  public func suspend() {
    guard !isOver else { return }
    guard plan.keptUntil != nil else { return abandon() }
    try? ingest.keepBeginnings(plan)
    let hasBeginning = (try? ingest.beginnings(plan))?.isEmpty == false
    guard hasBeginning || claimed.contains(where: isPresent) else { return abandon() }
    isOver = true
  }

  /// Gives up: removes what nobody else wants. Done by itself when the object goes.
  public func abandon() {
    guard !isOver else { return }
    isOver = true
    guard let lock = try? store.acquireLock() else { return }
    do throws(Failure) {
      if let plan = try ingest.readPlan() { try store.settle(plan, ingest) }
      try ingest.removePlan()
    } catch {
      // A sweep repeats it.
    }
    _ = consume lock
    try? ingest.discard(store)
  }
}
