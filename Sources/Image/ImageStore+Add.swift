import Linux

/// What a commit says about the image that it makes.
public struct ImageAddition: Sendable {
  /// How the image is run.
  public var config: ImageConfig
  /// The history's "created by": a command.
  public var createdBy = ""
  /// Who made it; "" for nobody.
  public var author = ""
  /// The history's comment; "" for none.
  public var comment = ""
  /// What it is for, nil for what the base or this machine is.
  public var platform: ImagePlatform?
  /// When it is made.
  public var created: Timestamp

  /// An addition; what is left out stays empty.
  public init(config: ImageConfig, created: Timestamp = .now) {
    self.config = config
    self.created = created
  }
}

extension ImageStore {
  /// Makes an image of another one's layers and a further one on top, or of the same layers when there is
  /// none; the history gets one entry.
  ///
  /// The layer is stored as the plain tar that it is written as, and unpacked by the confined child at the
  /// same time. The image exists when this returns, and survives a loss of power; before, nothing of it
  /// is visible. This process must have no thread.
  ///
  /// - Parameters:
  ///   - base: the image below.
  ///   - layer: writes the layer's tar to the descriptor that it is given, in a child process; nil for no
  ///     layer.
  ///   - name: the name that shall lead to the image, nil for none.
  ///   - progress: told the number of bytes stored so far, about once a mebibyte.
  /// - Throws: ``Failure/Code/notFound`` when the base is removed meanwhile, ``Failure/Code/refused``
  ///   beyond a limit, the failure of `layer`. Nothing is left then.
  public func addImage(
    onTopOf base: ImageRecord, layer: ((Int32) throws(Failure) -> Void)?,
    name: Reference?, _ addition: ImageAddition, progress: ((Int64) -> Void)? = nil
  ) throws(Failure) -> ImageRecord {
    try verify()
    try sweep()
    try checkName(name, "commit")
    let below = try documents(of: base)
    return try ingesting { (ingest) throws(Failure) in
      var top: TopLayer?
      if let layer {
        let imported = try produce(layer, base.layers, ingest, progress)
        top = TopLayer(
          layer: imported.layer, mediaType: imported.mediaType,
          blobSize: imported.blobSize)
      }
      let documents = try documents(onTopOf: below, base, top, addition)
      return try commit(documents, top: top?.layer, base: base.id, name, ingest)
    }
  }

  private func produce(
    _ layer: (Int32) throws(Failure) -> Void, _ below: [Layer], _ ingest: borrowing Ingest,
    _ progress: ((Int64) -> Void)?
  ) throws(Failure) -> LayerImport.Imported {
    let producer = try LayerProducer(layer)
    let imported: LayerImport.Imported
    do throws(Failure) {
      imported = try LayerImport(store: self, directory: ingest.path, below: below.map(\.diffID))
        .run(producer.stream.raw, progress)
    } catch {
      throw producer.end(after: error)
    }
    try producer.finish()
    return imported
  }
}
