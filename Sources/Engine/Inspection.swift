import Image
import Linux

/// `minidock inspect` without its printing.
public struct Inspection {
  let installation: Installation

  /// Looks into an installation.
  public init(_ installation: Installation) { self.installation = installation }

  /// The document of a container, or else an image, a volume or a network, with this name or id.
  ///
  /// - Parameters:
  ///   - kind: "container", "image", "volume" or "network" to look for only that.
  ///   - withSize: a container's sizes as well.
  /// - Throws: ``Failure/Code/notFound``.
  public func document(
    of name: String, kind: String?, withSize: Bool = false
  ) throws(Failure) -> JSONValue {
    let store = ContainerStore(installation)
    let volumes = VolumeStore(installation)
    if kind == "volume" { return volumes.document(try volumes.find(name)) }
    let networks = NetworkStore(installation)
    if kind == "network" { return networks.document(try networks.find(name), try networks.users()) }
    func other() -> JSONValue? {
      guard kind == nil else { return nil }
      if let volume = try? volumes.find(name) { return volumes.document(volume) }
      guard let network = try? networks.find(name), let users = try? networks.users() else {
        return nil
      }
      return networks.document(network, users)
    }
    if kind != "image" {
      do throws(Failure) {
        let record = try store.find(name)
        return InspectDocument.container(
          record, store.state(of: record), installation: installation, withSize: withSize)
      } catch  where error.code == .notFound && kind == nil {}
    }
    let image: ImageRecord?
    let images = try installation.imageStore()
    do throws(Failure) { image = try images.find(name) } catch {
      // No name of an image, but perhaps a volume's.
      if let other = other() { return other }
      throw error
    }
    guard let image else {
      if let other = other() { return other }
      throw Failure(
        .notFound, "inspect", name,
        reason: kind == nil ? "no such container, image, volume or network" : "no such image")
    }
    return InspectDocument.image(
      image, digestNames: try images.remoteNotes().digestNames(of: image))
  }
}

/// `minidock rmi` without its printing.
public struct ImageRemoval {
  let installation: Installation

  /// Removals in an installation.
  public init(_ installation: Installation) { self.installation = installation }

  /// Removes an image or one of its names.
  ///
  /// - Returns: docker's lines, "Untagged: …" and "Deleted: …".
  /// - Throws: ``Failure/Code/inUse`` when a container is made of it.
  public func remove(_ name: String, force: Bool) throws(Failure) -> [String] {
    let containers = try ContainerStore(installation).list()
    let items = try installation.imageStore().remove(name, force: force) { image in
      containers.filter { $0.imageID == image.id.description }.map { "container \($0.shortID)" }
        + ImageMounts(installation).users(of: image)
    }
    EventLog(installation).append(
      items.map { item in
        switch item {
        case .untagged(let name):
          Event(type: "image", "untag", id: name.familiar, [("name", name.familiar)])
        case .deleted(let digest): Event(type: "image", "delete", id: digest.description)
        }
      })
    return items.map { $0.description }
  }
}

/// `minidock import` without its printing.
public struct ImageImport {
  let installation: Installation

  /// Imports into an installation.
  public init(_ installation: Installation) { self.installation = installation }

  /// Imports an archive by path, or from standard input for "-".
  public func importArchive(
    _ path: String, name: Reference?, config: ImageConfig, comment: String,
    platform: ImagePlatform? = nil
  ) throws(Failure) -> ImageRecord {
    let image: ImageRecord
    do throws(Failure) {
      image = try read(path, name: name, config: config, comment: comment, platform)
    } catch {
      // Whichever meets the full disk first, the blob's writer or the decoder beside it.
      throw error.addingDiskRemedy()
    }
    let attributes = name.map { [("name", $0.familiar)] } ?? []
    EventLog(installation).append([
      Event(type: "image", "import", id: image.id.description, attributes)
    ])
    return image
  }

  private func read(
    _ path: String, name: Reference?, config: ImageConfig, comment: String,
    _ platform: ImagePlatform?
  ) throws(Failure) -> ImageRecord {
    let store = try installation.imageStore()
    try store.sweep()
    if path == "-" {
      return try store.importRootfs(
        from: 0, name: name, config: config, comment: comment, created: .now,
        platform: platform, progress: nil)
    }
    guard !["http://", "https://"].contains(where: path.hasPrefix) else {
      throw Failure(
        .unsupported, "import", path, reason: "addresses are not fetched",
        remedy: "pipe it in: curl -fL ADDRESS | minidock import - NAME")
    }
    let archive = try Descriptor.open(path, .read)
    do throws(Failure) {
      return try store.importRootfs(
        from: archive.raw, name: name, config: config, comment: comment, created: .now,
        platform: platform, progress: nil)
    } catch {
      // The store knows a stream; its user knows the file.
      var failure = error
      if failure.object.isEmpty { failure.object = path }
      throw failure
    }
  }
}
