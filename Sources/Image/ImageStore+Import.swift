import Linux

extension ImageStore {
  /// Makes an image of one layer from a tarball of a root file system.
  ///
  /// The layer's blob is stored as received when it is plain tar, gzip or zstd, for which OCI has media
  /// types. It has none for xz and bzip2: those are stored as the plain tar they hold, because
  /// compressing again would cost more time than the whole rest of the import.
  ///
  /// The image exists when this returns, and survives a loss of power; before, nothing of it is visible.
  ///
  /// - Parameters:
  ///   - source: a file or pipe, read from its current offset to its end; stays open.
  ///   - name: the name that shall lead to the image, nil for none.
  ///   - platform: what the image is for; nil for this machine.
  ///   - progress: told the number of bytes read so far, about once a mebibyte.
  /// - Throws: ``Failure/Code/unsupported`` for what is no tar, ``Failure/Code/corrupt`` for a damaged one,
  ///   ``Failure/Code/refused`` beyond a limit. Nothing is left of a failed import.
  public func importRootfs(
    from source: Int32, name: Reference?, config: ImageConfig, comment: String,
    created: Timestamp, platform: ImagePlatform? = nil, progress: ((Int64) -> Void)?
  ) throws(Failure) -> ImageRecord {
    try verify()
    try sweep()
    try checkName(name, "import")
    return try ingesting { (ingest) throws(Failure) in
      let imported = try LayerImport(store: self, directory: ingest.path).run(source, progress)
      let top = TopLayer(
        layer: imported.layer, mediaType: imported.mediaType,
        blobSize: imported.blobSize)
      var addition = ImageAddition(config: config, created: created)
      addition.comment = comment
      addition.platform = platform
      let documents = try documents(onTopOf: nil, nil, top, addition)
      return try commit(documents, top: top.layer, base: nil, name, ingest)
    }
  }

  func checkName(_ name: Reference?, _ operation: String) throws(Failure) {
    guard let name, name.digest != nil else { return }
    throw Failure(
      .invalid, operation, name.familiar, reason: "an image cannot be given a digest as its name")
  }

  /// Works in an ingest directory of its own, which is gone afterwards.
  func ingesting(
    _ body: (borrowing Ingest) throws(Failure) -> ImageRecord
  ) throws(Failure) -> ImageRecord {
    let lock = try acquireLock()
    let ingest = try Ingest(in: self)
    _ = consume lock
    let outcome: Result<ImageRecord, Failure>
    do throws(Failure) { outcome = .success(try body(ingest)) } catch { outcome = .failure(error) }
    // What was acknowledged stays acknowledged when only the clearing away fails: a sweep repeats it.
    try? ingest.discard(self)
    return try outcome.get()
  }

  /// Moves everything into place, the record and then the name last.
  ///
  /// - Parameters:
  ///   - top: the layer that the ingest directory holds, nil for none.
  ///   - base: the image that must still be there, as its layers are used again.
  func commit(
    _ documents: Documents, top: Layer?, base: Digest?, _ name: Reference?,
    _ ingest: borrowing Ingest
  ) throws(Failure) -> ImageRecord {
    let work = try Descriptor.open(ingest.path, .directory)
    try FileBytes.syncFileSystem(of: work.raw, object: root)
    let lock = try acquireLock()
    if let base, try record(base) == nil {
      throw Failure(.notFound, "commit", base.short, reason: "its image was removed meanwhile")
    }
    var plan = Ingest.Plan()
    plan.blobs = [documents.record.id, documents.record.manifest]
    if let top {
      plan.blobs.append(top.blob)
      plan.chains = [top.chainID]
    }
    let existing = try record(documents.record.id)
    if existing == nil {
      plan.image = documents.record.id
      plan.name = name?.canonical
    }
    try ingest.write(plan)
    do throws(Failure) {
      if let top {
        try place(ingest.path + "/layer", at: layerPath(top.chainID))
        try place(ingest.path + "/blob", at: blobPath(top.blob))
      }
      try write(documents.config, documents.record.id)
      try write(documents.manifest, documents.record.manifest)
      try publish(existing ?? documents.record, name)
    } catch {
      try? settle(plan, ingest)
      throw error
    }
    _ = consume lock
    guard let record = try record(documents.record.id, known: name) else {
      throw Failure(.corrupt, "import", "image", reason: "its summary has gone")
    }
    return record
  }

  /// Content-addressed things are never replaced: what is there already is the same.
  func place(_ source: String, at target: String) throws(Failure) {
    do throws(Failure) {
      try Files.renameNew(source, to: target)
    } catch  where error.errno == ErrorNumber.exists || error.errno == ErrorNumber.notEmpty {
      return
    }
    try Files.syncDirectory(of: target)
  }

  func write(_ document: [UInt8], _ digest: Digest) throws(Failure) {
    guard !Files.exists(blobPath(digest)) else { return }
    try replace(blobPath(digest), with: document)
  }

  /// Writes the summary, with `name` among its candidates, and then the name. The caller holds the lock.
  func publish(_ record: ImageRecord, _ name: Reference?) throws(Failure) {
    var record = record
    if let name, !record.names.contains(name) { record.names.append(name) }
    try replace(recordPath(record.id), with: ImageSummary.bytes(record))
    if let name { try point(name, to: record) }
  }

  /// Gives an image a further name; a name that led elsewhere leads here from now on.
  ///
  /// - Throws: ``Failure/Code/notFound`` when the image has been removed meanwhile.
  public func tag(_ record: ImageRecord, as name: Reference) throws(Failure) {
    try checkName(name, "tag")
    try verify()
    let lock = try acquireLock()
    guard let current = try self.record(record.id) else {
      throw Failure(.notFound, "tag", record.id.short, reason: "no such image")
    }
    try publish(current, name)
    _ = consume lock
  }
}
