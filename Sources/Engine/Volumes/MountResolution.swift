import Image
import Linux

/// What a new container mounts: what the user asks for, what `--volumes-from` adds, and the image's
/// VOLUMEs that nothing else is mounted on.
struct MountResolution {
  let store: ContainerStore
  let options: RunOptions
  let config: ImageConfig

  /// Every mount, each volume with its name.
  ///
  /// - Throws: ``Failure/Code/notFound`` for an unknown container, ``Failure/Code/invalid`` for an image
  ///   whose volume is the root.
  func mounts() throws(Failure) -> [MountRequest] {
    // Most containers mount nothing, and the first use of a set takes longer than the rest of this.
    if options.mounts.isEmpty && options.volumesFrom.isEmpty && config.volumes.isEmpty { return [] }
    var result: [MountRequest] = []
    for var mount in options.mounts {
      if mount.kind == .volume {
        mount.target = MountRequest.rooted(mount.target)
        if mount.isAnonymous { mount.source = randomHex(bytes: 32) }
      }
      result.append(mount)
    }
    var own = Set<String>()
    for mount in result where !own.insert(MountRequest.rooted(mount.target)).inserted {
      throw Failure(.invalid, "mount", mount.target, reason: "two mounts have this target")
    }
    var inherited: [MountRequest] = []
    for text in options.volumesFrom {
      for mount in try mounts(from: text) where !own.contains(MountRequest.rooted(mount.target)) {
        inherited.removeAll { $0.target == mount.target }
        inherited.append(mount)
      }
    }
    var taken = own.union(inherited.map { MountRequest.rooted($0.target) })
    for path in config.volumes {
      let target = MountRequest.rooted(path)
      guard target != "/" else {
        throw Failure(
          .invalid, "mount volume of image", options.image,
          reason: "its volume \"\(path)\" is the container's root")
      }
      guard taken.insert(target).inserted else { continue }
      var mount = MountRequest(kind: .volume, source: randomHex(bytes: 32), target: target)
      mount.isAnonymous = true
      inherited.append(mount)
    }
    return result + inherited
  }

  // "container[:ro|rw]": what that container binds and its volumes, never with more rights than it has.
  private func mounts(from text: String) throws(Failure) -> [MountRequest] {
    let parts = text.split(separator: ":", omittingEmptySubsequences: false).map(String.init)
    guard (1...2).contains(parts.count),
      parts.count == 1 || ["ro", "rw", "z", "Z"].contains(parts[1])
    else {
      throw Failure(
        .invalid, "parse", "--volumes-from=\(text)", reason: "it is not CONTAINER[:ro|rw]")
    }
    let record = try store.find(parts[0])
    return store.options(of: record).mounts.filter { $0.kind != .tmpfs }.map { mount in
      var mount = mount
      if parts.last == "ro" && parts.count == 2 { mount.readOnly = true }
      mount.noCopy = mount.kind == .volume
      mount.createsSource = false
      return mount
    }
  }
}
