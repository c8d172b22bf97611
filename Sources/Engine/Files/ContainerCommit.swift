import Image
import Linux

/// What `minidock commit` is asked for.
public struct CommitOptions: Sendable {
  /// The name that shall lead to the image; nil for none.
  public var name: Reference?
  /// docker's `-m`.
  public var message = ""
  /// docker's `-a`.
  public var author = ""
  /// docker's `-c`: Dockerfile instructions.
  public var changes: [String] = []
  /// docker's `-p`: whether the container stands still meanwhile.
  public var pause = true

  /// The defaults.
  public init() {}
}

/// `minidock commit`: an image of a container's image and what the container has changed.
public struct ContainerCommit {
  let installation: Installation

  /// Commits in an installation.
  public init(_ installation: Installation) { self.installation = installation }

  /// Makes the image. This process must have no thread.
  ///
  /// The image's layers are used again; the upper directory becomes one more, unless it is empty. What
  /// is mounted in the container is no part of it.
  ///
  /// - Parameter progress: told the bytes stored so far.
  public func commit(
    _ container: String, _ options: CommitOptions, progress: ((Int64) -> Void)? = nil
  ) throws(Failure) -> ImageRecord {
    let store = ContainerStore(installation)
    let (record, state) = try store.findWithState(container)
    let image = try ContainerFilesystem.image(of: record, installation)
    var config = ContainerCommit.config(of: record, image.config)
    config.healthcheck = store.options(of: record).health.healthcheck ?? config.healthcheck
    var addition = ImageAddition(
      config: try ImageChanges(options.changes).config(changing: config))
    addition.createdBy = record.command.joined(separator: " ")
    addition.author = options.author
    addition.comment = options.message
    do throws(Failure) {
      let freeze =
        options.pause
        ? try ContainerFreeze.begin(record, state, lockPath: store.freezeLock(record.id)) : nil
      defer { _ = freeze }
      let upper = try Descriptor.open(store.directory(record.id) + "/upper", .directory)
      let diff = try ContainerDiff(installation).compare(record, upper)
      let images = try installation.imageStore()
      let number = upper.raw
      let write = { (output: Int32) throws(Failure) in
        try LayerWriter.write(Descriptor.duplicate(of: number), diff, to: output) { _ in }
      }
      let made = try images.addImage(
        onTopOf: image, layer: diff.isEmpty ? nil : write, name: options.name, addition,
        progress: progress)
      EventLog(installation).append([
        Event(container: record, "commit", [("imageID", made.id.description)])
      ])
      return made
    } catch {
      throw error.during("commit", container).addingDiskRemedy()
    }
  }

  /// The container's configuration as an image's: without what the engine added to it.
  static func config(of record: ContainerRecord, _ image: ImageConfig) -> ImageConfig {
    var config = image
    let added =
      [Environment.defaultPath, "HOSTNAME=" + record.hostname]
      + (record.terminal ? ["TERM=xterm"] : [])
    config.env = record.environment.filter { !added.contains($0) || image.env.contains($0) }
    config.entrypoint = Array(record.command.prefix(record.entrypointCount))
    config.cmd = Array(record.command.dropFirst(record.entrypointCount))
    config.user = record.user
    if record.workingDirectory != "/" || !image.workingDir.isEmpty {
      config.workingDir = record.workingDirectory
    }
    config.labels = Dictionary(record.labels.map { ($0.key, $0.value) }) { _, new in new }
    if record.stopSignal != "SIGTERM" || image.stopSignal != nil {
      config.stopSignal = record.stopSignal
    }
    return config
  }
}
