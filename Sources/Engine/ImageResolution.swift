import Image
import Linux

/// Finds the image of a run: in the store, else among the bundled ones, else at its registry.
public struct ImageResolution {
  let installation: Installation
  /// Folders with NAME.tar (or NAME.tar.gz …) and NAME.conf beside it.
  let bundleFolders: [String]
  /// Called with one line for the user when something else than the store was used.
  let notice: (String) -> Void
  /// Brings an image from its registry, for a platform or this machine's; tells the user about it.
  let pull: (Reference, String?) throws(Failure) -> ImageRecord

  /// - Parameter bundleFolders: where the bundled images are.
  public init(
    installation: Installation, bundleFolders: [String], notice: @escaping (String) -> Void,
    pull: @escaping (Reference, String?) throws(Failure) -> ImageRecord
  ) {
    self.installation = installation
    self.bundleFolders = bundleFolders
    self.notice = notice
    self.pull = pull
  }

  /// The folders of bundled images beside a program: `MINIDOCK_IMAGES`, or share/minidock/images of the
  /// prefix that the program is installed under.
  public static func standardFolders() -> [String] {
    if let folder = Console.environment("MINIDOCK_IMAGES") { return [folder] }
    guard let program = try? SealedExecutable.ownPath() else { return [] }
    let prefix = Files.parent(of: Files.parent(of: program))
    return [prefix + "/share/minidock/images"]
  }

  /// The image with a name, id or digest.
  ///
  /// - Throws: ``Failure/Code/notFound`` with what to do, ``Failure/Code/unsupported`` for another
  ///   platform, the failure of a pull.
  public func find(
    _ text: String, pull policy: PullPolicy, platform: String?
  ) throws(Failure) -> ImageRecord {
    let store = try installation.imageStore()
    if policy == .always, let name = try? Reference(text) {
      try checkBeforePull(platform, text)
      let image = try pull(name, platform)
      try checkPlatform(of: image, text, platform)
      return image
    }
    if let image = try store.find(text) {
      // As with docker, a platform that the image here is not for is one to pull.
      let fits = try isFor(platform, image)
      if policy == .never || fits || (try? Reference(text)) == nil {
        try checkPlatform(of: image, text, platform)
        return image
      }
    } else if policy != .never, let image = try importBundled(text, into: store) {
      try checkPlatform(of: image, text, platform)
      return image
    }
    guard policy != .never, let name = try? Reference(text) else {
      throw Failure(
        .notFound, "find image", text, reason: "no such image in the store",
        remedy: "pull one, or import one with minidock import FILE \(text); "
          + "minidock images lists what there is")
    }
    try checkBeforePull(platform, text)
    notice("\(name.familiar) is not in the store: pulling it from \(name.domain)")
    let image = try pull(name, platform)
    try checkPlatform(of: image, text, platform)
    return image
  }

  private func importBundled(
    _ text: String, into store: ImageStore
  ) throws(Failure) -> ImageRecord? {
    guard let reference = try? Reference(text), reference.digest == nil,
      reference.tag == nil || reference.tag == "latest",
      !reference.repository.contains("/"), !reference.repository.contains("..")
    else { return nil }
    for folder in bundleFolders {
      for suffix in ["tar", "tar.zst", "tar.gz", "tar.xz"] {
        let path = "\(folder)/\(reference.repository).\(suffix)"
        guard Files.exists(path) else { continue }
        // Two first runs at once: the second waits and finds the image.
        let lock = try FileLock.acquire(installation.runRoot + "/bundled.lock")
        defer { _ = lock }
        if let image = try store.find(text) { return image }
        notice("\(reference.familiar) is not in the store: using the bundled image \(path)")
        let conf = try Files.read("\(folder)/\(reference.repository).conf") ?? []
        let archive = try Descriptor.open(path, .read)
        return try store.importRootfs(
          from: archive.raw, name: reference, config: ImageConfig(conf: FieldText(parsing: conf)),
          comment: "bundled with minidock", created: .now, progress: nil)
      }
    }
    return nil
  }

  private func isFor(_ platform: String?, _ image: ImageRecord) throws(Failure) -> Bool {
    guard let platform else { return true }
    return try ImagePlatform(platform).accepts(image.platform)
  }

  /// Nothing is pulled that could not be run.
  private func checkBeforePull(_ platform: String?, _ text: String) throws(Failure) {
    guard let platform else { return }
    let refusal = HostPlatform.refusal(try ImagePlatform(platform), "run image", text)
    if let refusal { throw refusal }
  }

  private func checkPlatform(
    of image: ImageRecord, _ text: String, _ platform: String?
  ) throws(Failure) {
    guard try isFor(platform, image) else {
      throw Failure(
        .notFound, "find image", text,
        reason: "it is for \(image.platform), not for \(platform ?? "")")
    }
    if let refusal = HostPlatform.refusal(image.platform, "run image", text) { throw refusal }
  }
}

extension ImageConfig {
  /// The run configuration that an image recipe's image.conf describes.
  init(conf: FieldText) {
    self.init()
    env = conf.all("env")
    cmd = conf.all("cmd")
    entrypoint = conf.all("entrypoint")
    user = conf["user"] ?? ""
    workingDir = conf["workdir"] ?? ""
    volumes = conf.all("volume")
    for label in conf.all("label") {
      let parts = label.split(separator: "=", maxSplits: 1).map(String.init)
      labels[parts[0]] = parts.count == 2 ? parts[1] : ""
    }
  }
}
