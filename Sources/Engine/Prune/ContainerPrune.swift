import Image
import Linux

/// `minidock container prune`.
public struct ContainerPrune {
  let installation: Installation

  /// Removes containers of an installation.
  public init(_ installation: Installation) { self.installation = installation }

  /// Removes every container that neither runs nor is about to.
  ///
  /// - Parameter progress: called with the number removed and of all before each.
  /// - Returns: the ids, and the bytes that they had written.
  public func prune(
    _ selection: PruneSelection, progress: (Int, Int) -> Void = { _, _ in }
  ) throws(Failure) -> (ids: [String], bytes: Int64) {
    try selection.check(PruneSelection.keys)
    let store = ContainerStore(installation)
    let stopped = try store.list().filter { record in
      !store.state(of: record).status.isInUse && !store.mayBeAlive(record.id)
        && selection.matches(record.labels, record.created)
    }
    let removal = ContainerRemoval(installation)
    var ids: [String] = []
    var bytes: Int64 = 0
    for (index, record) in stopped.enumerated() {
      progress(index, stopped.count)
      let size = TreeSize.bytes(store.directory(record.id) + "/upper")
      do throws(Failure) { try removal.remove(record.id) } catch
        where error.code == .notFound || error.code == .inUse
      {
        // Removed or started by somebody else meanwhile.
        continue
      }
      ids.append(record.id)
      bytes += size
    }
    removal.emptyTrash()
    return (ids, bytes)
  }
}

/// `minidock image prune`.
public struct ImagePrune {
  let installation: Installation

  /// Removes images of an installation.
  public init(_ installation: Installation) { self.installation = installation }

  /// Removes the images without a name that no container is made of.
  ///
  /// - Parameters:
  ///   - all: those with a name as well.
  ///   - progress: called with the number removed and of all before each.
  /// - Returns: docker's lines, and the bytes of all files that are gone.
  public func prune(
    all: Bool, _ selection: PruneSelection, progress: (Int, Int) -> Void = { _, _ in }
  ) throws(Failure) -> (lines: [String], bytes: Int64) {
    try selection.check(PruneSelection.keys)
    let store = try installation.imageStore()
    // What ended pulls have left counts too; mostly there is none, and nothing to look through.
    let before = try store.hasUnfinished() ? StoreUsage(store) : nil
    try store.sweep(everything: true)
    let left = before?.freed(from: store) ?? 0
    let used = Set(try ContainerStore(installation).list().map(\.imageID))
    let unused = try store.list().filter { image in
      !used.contains(image.id.description) && (all || image.names.isEmpty)
        && selection.matches(image.config.labels.map { ($0.key, $0.value) }, image.created)
    }
    let usage = try StoreUsage(store, of: unused)
    var lines: [String] = []
    for (index, image) in unused.enumerated() {
      progress(index, unused.count)
      do throws(Failure) {
        // A container may have been made of it since.
        let items = try store.remove(image.id.description, force: true) { image in
          let records = (try? ContainerStore(installation).list()) ?? []
          return records.filter { $0.imageID == image.id.description }.map(\.shortID)
            + ImageMounts(installation).users(of: image)
        }
        for item in items {
          let text = item.description
          lines.append(text.prefix(1).lowercased() + text.dropFirst())
        }
      } catch  where error.code == .inUse || error.code == .notFound {
        continue
      }
    }
    return (lines, left + usage.freed(from: store))
  }
}
