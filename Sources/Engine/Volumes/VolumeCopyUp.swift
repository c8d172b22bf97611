import Image
import Linux
import Runtime

/// Copies what an image has at a volume's place into the volume, when that is empty.
///
/// It is done by a forked child in a mount namespace of its own, in which the image's layers are put
/// together: the host never sees that mount. The content is copied beside the volume's files (`_copy`) and
/// renamed when it is whole (`_ready`); then its entries are moved into the volume one by one, none over
/// another (CVE-2020-1726), and the directory gets the owner and mode of the image's. A kill before the
/// rename has it done again, one after it has the rest moved by the next container.
struct VolumeCopyUp {
  let store: VolumeStore
  let image: ImageRecord
  /// An empty directory to mount the layers on.
  let mountPoint: String

  /// Fills those of the volumes that are empty, or were being filled when their process was killed.
  func fill(_ mounts: [MountRequest]) throws(Failure) {
    let wanted = mounts.filter { needsFilling($0.source) }
    if wanted.isEmpty { return }
    let pipe = try Descriptor.pipe()
    let read = pipe.read
    let write = pipe.write
    let reader = read.raw
    let writer = write.raw
    let child = try Processes.forkHelper { parent in
      ThisProcess.close(reader)
      do throws(Failure) {
        // It must not go on for a container that nobody waits for any more.
        try Confinement.dieWithParent(parent)
        try copy(wanted)
        return 0
      } catch {
        var message = WireWriter()
        message.put(error)
        try? message.bytes.withBytes { (bytes) throws(Failure) in try writeAll(writer, bytes) }
        return 1
      }
    }
    _ = consume write
    let answer = try read.readToEnd(limit: 1 << 20)
    let status = try Processes.wait(pidfd: child.handle)
    if status == .exited(0) { return }
    var message = WireReader(answer)
    guard let failure = try? Failure(&message) else {
      throw Failure(
        .system, "copy image's content into volume", wanted[0].source,
        reason: "the process that did it was killed")
    }
    throw failure
  }

  // The volume first, then the mark: once something is in the volume the mark is there until all is.
  private func needsFilling(_ name: String) -> Bool {
    let isEmpty = (try? VolumeCopyUp.isEmpty(store.data(name))) ?? false
    return isEmpty || Files.exists(store.directory(name) + "/_ready")
  }

  private static func isEmpty(_ path: String) throws(Failure) -> Bool {
    try DirectoryEntries.names(of: try Descriptor.open(path, .directory)).isEmpty
  }

  // MARK: - In the child

  private func copy(_ mounts: [MountRequest]) throws(Failure) {
    let root = try mergedRoot()
    for mount in mounts {
      let lock = try FileLock.acquire(store.directory(mount.source) + "/lock")
      do throws(Failure) { try fill(mount, from: root) } catch {
        throw error.during("copy image's content into volume", mount.source)
      }
      _ = consume lock
    }
  }

  private func mergedRoot() throws(Failure) -> Root {
    let layers = image.layers.map(\.path)
    // overlayfs wants two directories at least; one alone needs no mount.
    guard layers.count > 1 else { return try Root(path: layers.first ?? mountPoint) }
    try Namespaces.mount.unshare()
    try Mounts.setRootPropagation(.slave)
    try LayerMount.attach(layers, base: store.installation.root, target: mountPoint)
    return try Root(path: mountPoint)
  }

  private func fill(_ mount: MountRequest, from root: borrowing Root) throws(Failure) {
    let directory = store.directory(mount.source)
    let data = store.data(mount.source)
    let copy = directory + "/_copy"
    let ready = directory + "/_ready"
    if !Files.exists(ready) {
      try Files.removeTree(copy)
      guard try VolumeCopyUp.isEmpty(data), let source = try content(mount.target, of: root) else {
        return
      }
      do throws(Failure) {
        try Files.claimDirectory(copy)
        try DirectoryCopy.copy(source, into: try Root(path: copy), name: mount.target)
      } catch {
        try? Files.removeTree(copy)
        throw error
      }
      try Files.rename(copy, to: ready)
    }
    let whole = try Descriptor.open(ready, .directory)
    // Before the entries are moved, which changes its time.
    let metadata = try DirectoryCopy.metadata(of: whole, name: mount.target)
    try DirectoryEntries.move(
      from: whole, to: try Descriptor.open(data, .directory), name: mount.target)
    try DirectoryCopy.dress(try Root(path: data), metadata, name: mount.target)
    try Files.removeTree(ready)
  }

  // nil when the image has no directory there.
  private func content(_ target: String, of root: borrowing Root) throws(Failure) -> Descriptor? {
    do throws(Failure) {
      return try root.readableDirectory(target)
    } catch
      where [ErrorNumber.noEntry, ErrorNumber.notDirectory, ErrorNumber.linkLoop]
      .contains(error.errno)
    {
      return nil
    }
  }
}
