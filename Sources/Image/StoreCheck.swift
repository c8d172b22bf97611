import Crypto
import Linux

/// Looks whether the store is what it says: every blob has its digest, every layer's tree is what its blob
/// unpacks to, every name leads to an image, and nothing lies around that no image needs.
public struct StoreCheck {
  /// Something that is wrong.
  public struct Finding: Sendable, Equatable {
    /// What: "layer 12ab…", "name busybox:latest".
    public var object: String
    /// How.
    public var problem: String
    /// What has been done about it; nil for nothing.
    public var repair: String?
    /// Names and ids of the images that are affected.
    public var images: [String] = []
  }

  /// A part of an image that is to be had again.
  public struct Lost: Sendable {
    /// The image.
    public let image: ImageRecord
    /// What it should be.
    public let digest: Digest
    /// Its bytes; nil for the manifest, which alone would tell.
    public let size: Int64?
  }

  /// Writes a part from where the image came from into a file; its digest is compared afterwards.
  ///
  /// - Returns: whether there is such a place.
  public typealias Fetch = (Lost, _ file: Int32) throws(Failure) -> Bool

  let store: ImageStore
  /// Mends what it can.
  public var repairs = false
  /// Leaves out the comparison of trees, which unpacks every layer again.
  public var isQuick = false
  /// Where lost blobs come from.
  public var fetch: Fetch = { _, _ in false }
  /// Told what is being looked at: how many of how many layers, and bytes.
  public var progress: (Int, Int, Int64) -> Void = { _, _, _ in }

  /// Checks a store.
  public init(_ store: ImageStore) { self.store = store }

  /// Checks everything.
  ///
  /// - Returns: what is wrong, also what has been mended.
  public func run() throws(Failure) -> [Finding] {
    try store.verify()
    try store.sweep()
    var findings: [Finding] = []
    var users: [(chain: Digest, image: ImageRecord, index: Int)] = []
    for name in try Files.list(store.root + "/images") {
      guard let id = Digest(hex: name) else {
        findings.append(Finding(object: "file images/\(name)", problem: "it belongs to nothing"))
        continue
      }
      do throws(Failure) {
        guard let image = try store.record(id) else { continue }
        findings += try checkDocuments(image)
        for index in image.layers.indices
        where !users.contains(where: { $0.chain == image.layers[index].chainID }) {
          users.append((image.layers[index].chainID, image, index))
        }
      } catch {
        findings.append(
          Finding(object: "image \(id.short)", problem: error.description, images: [id.short]))
      }
    }
    for (number, user) in users.enumerated() {
      progress(number + 1, users.count, 0)
      findings += try checkLayer(user.image, user.index) { progress(number + 1, users.count, $0) }
    }
    findings += try checkNames()
    findings += try checkLeftovers()
    return findings
  }

  private func names(_ image: ImageRecord) -> [String] {
    image.names.isEmpty ? [image.id.short] : image.names.map(\.familiar)
  }

  // MARK: - Documents and blobs

  private func checkDocuments(_ image: ImageRecord) throws(Failure) -> [Finding] {
    var findings: [Finding] = []
    // The manifest first: it tells the sizes of all others.
    for (digest, what) in [(image.manifest, "manifest"), (image.id, "configuration")] {
      guard let problem = try problem(of: digest) else { continue }
      var finding = Finding(
        object: "\(what) \(digest.short)", problem: problem, images: names(image))
      if repairs {
        let parts = digest == image.id ? try? store.parts(of: image) : nil
        try restore(&finding, Lost(image: image, digest: digest, size: parts?.config.size))
      }
      findings.append(finding)
    }
    return findings
  }

  /// What is wrong with a blob; nil when it is there and has its digest.
  private func problem(of digest: Digest, _ progress: (Int64) -> Void = { _ in }) throws(Failure)
    -> String?
  {
    guard Files.exists(store.blobPath(digest)) else { return "it is missing" }
    let blob = try Descriptor.open(store.blobPath(digest), .read)
    let found = try hash(blob, progress)
    return found == digest ? nil : "its content has the digest \(found)"
  }

  private func hash(
    _ file: borrowing Descriptor, _ progress: (Int64) -> Void
  ) throws(Failure) -> Digest {
    let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 512 << 10, alignment: 4096)
    defer { buffer.deallocate() }
    var hasher = SHA256()
    var total: Int64 = 0
    while true {
      let count = try readBytes(file.raw, into: buffer)
      if count == 0 { return Digest(finishing: hasher) }
      hasher.update(bufferPointer: UnsafeRawBufferPointer(rebasing: buffer[..<count]))
      total += Int64(count)
      progress(total)
    }
  }

  /// Gets a part again, and notes in the finding that it was, or why not.
  private func restore(_ finding: inout Finding, _ lost: Lost) throws(Failure) {
    let digest = lost.digest
    let temporary = store.unusedPath() + ".tmp"
    let file = try Descriptor.open(temporary, .createNew(mode: 0o600))
    do throws(Failure) {
      guard lost.size != nil || digest == lost.image.manifest, try fetch(lost, file.raw) else {
        finding.problem += "; the image is from no registry that could give it again"
        return try Files.remove(temporary)
      }
      let written = try Descriptor.open(temporary, .read)
      let found = try hash(written) { _ in }
      guard found == digest else {
        throw Failure(.corrupt, "verify", "it", reason: "what came has the digest \(found)")
      }
    } catch {
      finding.problem += "; it cannot be fetched again: \(error)"
      return try Files.remove(temporary)
    }
    try FileBytes.syncFileSystem(of: file.raw, object: store.root)
    try Files.rename(temporary, to: store.blobPath(digest))
    try Files.syncDirectory(of: store.blobPath(digest))
    finding.repair = "fetched again"
  }

  // MARK: - Layers

  private func checkLayer(
    _ image: ImageRecord, _ index: Int, _ progress: (Int64) -> Void
  ) throws(Failure) -> [Finding] {
    let layer = image.layers[index]
    var findings: [Finding] = []
    if let problem = try problem(of: layer.blob, progress) {
      var finding = Finding(
        object: "blob \(layer.blob.short)", problem: problem, images: names(image))
      if repairs {
        let part = (try? store.parts(of: image))?.layers.first { $0.digest == layer.blob }
        try restore(&finding, Lost(image: image, digest: layer.blob, size: part?.size))
      }
      findings.append(finding)
      if finding.repair == nil {
        // Without the blob there is nothing to compare the tree with.
        if !Files.exists(layer.path) {
          findings.append(
            Finding(
              object: "layer \(layer.chainID.short)", problem: "its tree is missing",
              images: names(image)))
        }
        return findings
      }
    }
    guard let problem = try treeProblem(image, index) else { return findings }
    findings.append(
      Finding(
        object: "layer \(layer.chainID.short)", problem: problem.text,
        repair: problem.isMended ? "unpacked again" : nil, images: names(image)))
    return findings
  }

  /// Unpacks the blob again and compares; nil when all is well.
  private func treeProblem(
    _ image: ImageRecord, _ index: Int
  ) throws(Failure) -> (text: String, isMended: Bool)? {
    let layer = image.layers[index]
    let isThere = Files.exists(layer.path)
    if isThere && isQuick { return nil }
    if !isThere && !repairs { return ("its tree is missing", false) }
    let lock = try store.acquireLock()
    let ingest = try Ingest(in: store)
    _ = consume lock
    defer { try? ingest.discard(store) }
    let blob = try Descriptor.open(store.blobPath(layer.blob), .read)
    var work = LayerImport(
      store: store, directory: ingest.path, below: image.layers[..<index].map(\.diffID))
    work.operation = "unpack layer"
    do throws(Failure) {
      guard try work.run(blob.raw, nil).layer.diffID == layer.diffID else {
        return ("its blob unpacks to another diff id", false)
      }
    } catch  where error.code == .corrupt || error.code == .unsupported {
      return ("its blob cannot be unpacked: \(error)", false)
    }
    var text = "its tree is missing"
    if isThere {
      let difference = try TreeComparison.first(
        try Descriptor.open(ingest.path + "/layer/diff", .directory),
        try Descriptor.open(layer.path, .directory))
      guard let difference else { return nil }
      text = "its tree was changed: \(difference)"
    }
    guard repairs else { return (text, false) }
    let again = try store.acquireLock()
    let path = store.layerPath(layer.chainID)
    if Files.exists(path) { try Files.rename(path, to: ingest.path + "/damaged") }
    try Files.rename(ingest.path + "/layer", to: path)
    try Files.syncDirectory(of: path)
    _ = consume again
    return (text, true)
  }

  // MARK: - What leads nowhere

  private func checkNames() throws(Failure) -> [Finding] {
    var findings: [Finding] = []
    for name in try Files.list(store.root + "/names") {
      let path = "\(store.root)/names/\(name)"
      // Containers have their names there too, which lead elsewhere.
      guard name.contains(":") || name.hasPrefix("%"),
        let target = SymbolicLinks.read(path)
      else { continue }
      let id = Digest(hexDigits: target.utf8.prefix(64))
      if let id, Files.exists(store.recordPath(id)) { continue }
      var finding = Finding(
        object: "name \(name.split(separator: "%2F").joined(separator: "/"))",
        problem: "it leads to no image")
      if repairs {
        try Files.remove(path)
        finding.repair = "removed"
      }
      findings.append(finding)
    }
    return findings
  }

  /// Blobs and layers of no image and of nobody who is at work.
  private func checkLeftovers() throws(Failure) -> [Finding] {
    let lock = try store.acquireLock()
    let ingest = try Ingest(in: store)
    var plan = Ingest.Plan()
    plan.blobs = try Files.list(store.root + "/blobs/sha256").compactMap { Digest(hex: $0) }
    plan.chains = try Files.list(store.layersPath).compactMap { Digest(hex: $0) }
    let live = try store.live(besides: ingest)
    var findings: [Finding] = []
    for blob in plan.blobs where !live.blobs.contains(blob) {
      findings.append(Finding(object: "blob \(blob.short)", problem: "no image needs it"))
    }
    for chain in plan.chains where !live.chains.contains(chain) {
      findings.append(Finding(object: "layer \(chain.short)", problem: "no image needs it"))
    }
    if repairs, !findings.isEmpty {
      // Rather none at all than those of an image whose summary could not be read.
      try store.collect(plan, ingest)
      for index in findings.indices { findings[index].repair = "removed" }
    }
    _ = consume lock
    try ingest.discard(store)
    return findings
  }
}
