import Image
import Linux

/// `minidock load` without its printing.
public struct ImageLoading {
  let installation: Installation
  /// Which image of an archive with several; nil for this machine's.
  public var platform: ImagePlatform?

  /// Loads into an installation.
  public init(_ installation: Installation) { self.installation = installation }

  /// Loads every image of an archive.
  ///
  /// - Parameters:
  ///   - path: a file, or the directory of an OCI layout; nil for standard input.
  ///   - progress: told as it goes.
  public func load(
    _ path: String?, progress: @escaping (LoadProgress) -> Void
  ) throws(Failure) -> [LoadedImage] {
    var load = ImageLoad(into: try installation.imageStore())
    load.platform = platform
    load.progress = progress
    let images: [LoadedImage]
    do throws(Failure) {
      images = try read(path, load)
    } catch {
      var failure = error.addingDiskRemedy()
      if failure.object.isEmpty { failure.object = path ?? "" }
      throw failure
    }
    EventLog(installation).append(
      images.map { image in
        Event(
          type: "image", "load", id: image.id.description,
          image.names.first.map { [("name", $0.familiar)] } ?? [])
      })
    return images
  }

  private func read(_ path: String?, _ load: ImageLoad) throws(Failure) -> [LoadedImage] {
    guard let path, path != "-" else {
      guard !Console.inputIsTerminal else {
        throw Failure(
          .invalid, "load", reason: "standard input is a terminal",
          remedy: "use -i FILE or redirect an archive to it")
      }
      return try load.load(from: 0)
    }
    if try FileStatus(path).kind == .directory { return try load.load(layout: path) }
    let file = try Descriptor.open(path, .read)
    return try load.load(from: file.raw)
  }
}

/// `minidock save` without its printing.
public struct ImageSaving {
  let installation: Installation

  /// Saves from an installation.
  public init(_ installation: Installation) { self.installation = installation }

  /// Writes images into an archive.
  ///
  /// - Parameters:
  ///   - names: ids, names, and names without a tag, which stand for all tags, as docker's do.
  ///   - path: the file or directory to make, whole or not at all; nil for standard output.
  public func save(
    _ names: [String], format: ImageSave.Format, to path: String?,
    progress: @escaping (TransferCount) -> Void
  ) throws(Failure) {
    let store = try installation.imageStore()
    let items = try items(names, store)
    var save = ImageSave(store)
    save.progress = progress
    if format == .ociDirectory {
      guard let path else {
        throw Failure(
          .invalid, "save", "images", reason: "a directory cannot go to standard output",
          remedy: "name it with -o")
      }
      do throws(Failure) { try save.write(items, directory: path) } catch {
        throw error.addingDiskRemedy()
      }
    } else if let path {
      var file = try OutputFile(path)
      do throws(Failure) {
        try save.write(items, format: format, to: file.descriptor.raw)
        try file.publish()
      } catch {
        throw error.addingDiskRemedy()
      }
    } else {
      try TarOutput.refuseTerminal("save", "use -o FILE or redirect it")
      try save.write(items, format: format, to: 1)
    }
    EventLog(installation).append(
      items.map { Event(type: "image", "save", id: $0.image.id.description) })
  }

  private func items(
    _ names: [String], _ store: ImageStore
  ) throws(Failure) -> [ImageSave.Item] {
    var items: [ImageSave.Item] = []
    func add(_ image: ImageRecord, _ names: [Reference]) {
      guard let place = items.firstIndex(where: { $0.image.id == image.id }) else {
        return items.append(ImageSave.Item(image: image, names: names))
      }
      let more = names.filter { !items[place].names.contains($0) }
      items[place] = ImageSave.Item(image: image, names: items[place].names + more)
    }
    for text in names {
      let reference = try? Reference(text)
      let leaf = text.split(separator: "/").last ?? ""
      if let reference, reference.digest == nil, !leaf.contains(":") {
        let tagged = try store.list().filter { image in
          image.names.contains { $0.repository == reference.repository }
        }
        for image in tagged {
          add(image, image.names.filter { $0.repository == reference.repository })
        }
        if !tagged.isEmpty { continue }
      }
      let image = try store.required(text, "save")
      add(image, reference.map { name in image.names.filter { $0 == name } } ?? [])
    }
    return items
  }
}

/// `minidock tag` without its printing.
public struct ImageTagging {
  let installation: Installation

  /// Names in an installation.
  public init(_ installation: Installation) { self.installation = installation }

  /// Gives an image a further name; a name that led elsewhere leads here from now on.
  public func tag(_ image: String, as name: Reference) throws(Failure) {
    let store = try installation.imageStore()
    let record = try store.required(image, "tag")
    try store.tag(record, as: name)
    EventLog(installation).append([
      Event(type: "image", "tag", id: record.id.description, [("name", name.familiar)])
    ])
  }
}

/// `minidock image check` without its printing.
public struct ImageCheck {
  let installation: Installation

  /// Checks an installation.
  public init(_ installation: Installation) { self.installation = installation }

  /// The check of its store, ready to run; what is lost comes from the registries that images are from.
  public func check() throws(Failure) -> StoreCheck {
    let store = try installation.imageStore()
    let sources = ImageSources(store)
    var check = StoreCheck(store)
    check.fetch = { (lost, file) throws(Failure) in try sources.fetch(lost, into: file) }
    return check
  }
}
