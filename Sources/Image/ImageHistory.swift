import Linux

/// One step of how an image was made (OCI image-spec, config.md, "history").
public struct ImageHistoryEntry: Sendable {
  /// When; nil when the image does not say.
  public let created: Timestamp?
  /// The command.
  public let createdBy: String
  /// The comment; "" for none.
  public let comment: String
  /// The layer that it made; nil for a step that changed the configuration alone.
  public let layer: Layer?
}

extension ImageStore {
  /// How an image was made, the last step first; layers that its history does not mention come with an
  /// empty command, so that every layer is there.
  ///
  /// - Throws: ``Failure/Code/corrupt`` when the configuration is damaged.
  public func history(of record: ImageRecord) throws(Failure) -> [ImageHistoryEntry] {
    let what = "image \(record.id.short)"
    let config = try OCIDocuments.decode(
      OCIDocuments.Config.self, try document(record.id, what), what)
    var layers = record.layers[...]
    var entries: [ImageHistoryEntry] = []
    let steps = config.history ?? []
    let silent = record.layers.count - steps.filter { $0.emptyLayer != true }.count
    for layer in layers.prefix(max(0, silent)) {
      entries.append(ImageHistoryEntry(created: nil, createdBy: "", comment: "", layer: layer))
    }
    layers = layers.dropFirst(max(0, silent))
    for step in steps {
      entries.append(
        ImageHistoryEntry(
          created: step.created.flatMap { Timestamp($0) }, createdBy: step.createdBy ?? "",
          comment: step.comment ?? "",
          layer: step.emptyLayer == true ? nil : layers.popFirst()))
    }
    return entries.reversed()
  }
}
