import Image
import Linux
import Runtime

/// `minidock image mount`: images' file systems on the host, to look inside. Read-only, and without
/// devices, programs of other users and set-user-id.
public struct ImageMounts {
  let installation: Installation

  /// The mounts of an installation.
  public init(_ installation: Installation) { self.installation = installation }

  private var directory: String { installation.runRoot + "/images" }

  private func path(_ image: ImageRecord) -> String { "\(directory)/\(image.id.hex)" }

  /// Mounts an image, unless it is mounted; the place is the same every time.
  ///
  /// - Returns: the directory.
  public func mount(_ name: String) throws(Failure) -> String {
    let image = try find(name)
    let target = path(image)
    let lock = try FileLock.acquire(installation.runRoot + "/images.lock")
    defer { _ = lock }
    if try mounted().contains(where: { $0.path == target }) { return target }
    try Files.makeDirectories(target, mode: 0o700)
    let layers = image.layers.map(\.path)
    if layers.count > 1 {
      try LayerMount.attach(layers, base: installation.root, target: target)
    } else if let layer = layers.first {
      let clone = try DetachedMount.clone(path: layer, recursive: false)
      try clone.attach(to: try Descriptor.open(target, .path), object: target)
    }
    // A removal that has come in between would leave a mount of nothing.
    guard try installation.imageStore().find(image.id.description) != nil else {
      try Mounts.detach(target)
      throw Failure(.notFound, "mount image", name, reason: "it was removed meanwhile")
    }
    try setMountAttributes(
      try Descriptor.open(target, .path), set: [.readOnly, .noDevices, .noSetuid], object: target)
    return target
  }

  /// Takes an image's mount away.
  ///
  /// - Throws: ``Failure/Code/notFound`` when it is not mounted.
  public func unmount(_ name: String) throws(Failure) {
    let image = try find(name)
    guard try unmount(path: path(image)) else {
      throw Failure(.notFound, "unmount image", name, reason: "it is not mounted")
    }
  }

  /// Takes all mounts away.
  ///
  /// - Returns: the ids of their images.
  public func unmountAll() throws(Failure) -> [String] {
    var ids: [String] = []
    for mount in try mounted() where try unmount(path: mount.path) { ids.append(mount.id) }
    return ids
  }

  private func unmount(path: String) throws(Failure) -> Bool {
    let lock = try FileLock.acquire(installation.runRoot + "/images.lock")
    defer { _ = lock }
    guard try mounted().contains(where: { $0.path == path }) else { return false }
    try Mounts.detach(path)
    try Files.removeTree(path)
    return true
  }

  /// The images that are mounted: id and place.
  public func mounted() throws(Failure) -> [(id: String, path: String)] {
    guard Files.exists(directory) else { return [] }
    return try MountInfo.current().compactMap { mount in
      guard mount.mountPoint.hasPrefix(directory + "/") else { return nil }
      let id = String(mount.mountPoint.dropFirst(directory.count + 1))
      return Digest(hex: id) == nil ? nil : (id, mount.mountPoint)
    }
  }

  /// What `rmi` says of a mounted image.
  func users(of image: ImageRecord) -> [String] {
    let mounts = (try? mounted()) ?? []
    return mounts.contains { $0.id == image.id.hex } ? ["a mount (minidock image unmount)"] : []
  }

  private func find(_ name: String) throws(Failure) -> ImageRecord {
    try installation.imageStore().required(name, "find image")
  }
}

extension ImageStore {
  /// The image of a name or id.
  ///
  /// - Throws: ``Failure/Code/notFound`` when there is none.
  public func required(_ name: String, _ operation: String) throws(Failure) -> ImageRecord {
    guard let image = try find(name) else {
      throw Failure(
        .notFound, operation, name, reason: "no such image",
        remedy: "minidock images lists what there is")
    }
    return image
  }
}
