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
