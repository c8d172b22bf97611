import Linux

extension ImageStore {
  /// Removes what `text` means, by docker's rules for `rmi`:
  ///
  /// - a name of several: only that name; with the last tag in a repository also its names by digest;
  /// - the last name, or an id: the names, the image, and the blobs and layers that nothing else needs;
  /// - an id with names in several repositories: refused unless `force`;
  /// - an image that is in use is refused, as its layers are mounted. With `force` its names go and the
  ///   image stays, nameless, as long as it is needed: docker removes it from its list and keeps the
  ///   layers, which comes to the same for those who use it.
  ///
  /// - Parameter isInUse: what uses the image, for the message ("container 1a2b…"); none when nothing.
  /// - Throws: ``Failure/Code/notFound``, ``Failure/Code/inUse``.
  public func remove(
    _ text: String, force: Bool, isInUse: (ImageRecord) -> [String]
  ) throws(Failure) -> [RemovedItem] {
    try verify()
    try sweep()
    let lock = try acquireLock()
    guard let record = try find(text) else {
      throw Failure(.notFound, "remove image", text, reason: "no such image")
    }
    let digestNames = try remoteNotes().digestNames(of: record)
    let name = usedName(text, record, digestNames)
    if let removed = try untagOnly(name, record, digestNames) { return removed }
    if name == nil, !force, Set(record.names.map(\.repository)).count > 1 {
      throw Failure(
        .inUse, "remove image", text, reason: "it has names in several repositories",
        remedy: "remove them by name, or use --force")
    }
    let users = isInUse(record)
    if !users.isEmpty {
      guard force, !record.names.isEmpty else {
        throw Failure(
          .inUse, "remove image", text, reason: "it is used by \(users.joined(separator: ", "))",
          remedy: "remove what uses it first")
      }
      try untag(record.names, record)
      return record.names.map(RemovedItem.untagged)
    }
    let ingest = try Ingest(in: self)
    var plan = Ingest.Plan()
    plan.blobs = [record.id, record.manifest] + record.layers.map(\.blob)
    plan.chains = record.layers.map(\.chainID)
    let outcome: Result<[RemovedItem], Failure>
    do throws(Failure) {
      try ingest.write(plan)
      // First the names, then the summary: from then on there is no such image, and a kill leaves the
      // rest to a sweep.
      for name in record.names { try Files.remove(namePath(name)) }
      try forget(record) { _, _ in true }
      try Files.remove(recordPath(record.id))
      try Files.syncDirectory(of: recordPath(record.id))
      try collect(plan, ingest)
      let gone = record.layers.reversed().filter { !Files.exists(layerPath($0.chainID)) }
      outcome = .success(
        (record.names + digestNames).map(RemovedItem.untagged) + [.deleted(record.id)]
          + gone.map { .deleted($0.chainID) })
    } catch {
      outcome = .failure(error)
    }
    _ = consume lock
    try? ingest.discard(self)
    return try outcome.get()
  }

  /// The name by which `text` means the image; nil when it does so by id.
  private func usedName(
    _ text: String, _ record: ImageRecord, _ digestNames: [Reference]
  ) -> Reference? {
    guard let name = try? Reference(text) else { return nil }
    if let digest = name.digest {
      if digestNames.contains(name.pinned) { return name.pinned }
      guard digest == record.manifest else { return nil }
      return record.names.first { $0.repository == name.repository }
    }
    return record.names.contains(name) ? name : nil
  }

  /// Removes a name when others are left to the image; nil when it has to go with the name. The caller
  /// holds the lock.
  private func untagOnly(
    _ name: Reference?, _ record: ImageRecord, _ digestNames: [Reference]
  ) throws(Failure) -> [RemovedItem]? {
    guard let name else { return nil }
    if let digest = name.digest {
      guard record.names.count + digestNames.count > 1 else { return nil }
      try forget(record) { $0.repository == name.repository && $1 == digest }
      return [.untagged(name)]
    }
    // With the last tag in a repository, its names by digest go too.
    let isLast = record.names.count { $0.repository == name.repository } == 1
    let others = digestNames.filter { !isLast || $0.repository != name.repository }
    guard record.names.count > 1 || !others.isEmpty else { return nil }
    try untag([name], record)
    guard isLast else { return [.untagged(name)] }
    try forget(record) { noted, _ in noted.repository == name.repository }
    let gone = digestNames.filter { $0.repository == name.repository }
    return ([name] + gone).map(RemovedItem.untagged)
  }

  /// The caller holds the lock.
  private func untag(_ names: [Reference], _ record: ImageRecord) throws(Failure) {
    for name in names { try Files.remove(namePath(name)) }
    for name in names { try Files.remove(remotePath(name)) }
    var left = record
    left.names.removeAll { names.contains($0) }
    try replace(recordPath(record.id), with: ImageSummary.bytes(left))
  }
}
