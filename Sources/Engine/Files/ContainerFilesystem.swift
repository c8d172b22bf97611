import Image
import Linux
import Runtime

/// A container's file system as this process sees it: by an open directory, without anything that another
/// process could see mounted.
struct ContainerFilesystem: ~Copyable {
  /// Its root.
  let root: Root
  /// Whether processes of the container may work in it.
  let isRunning: Bool
  /// Keeps a stopped container from being started: two overlays must not write to the same upper
  /// directory.
  private let lock: FileLock?

  /// The file system with volumes and, of a running container, everything else that is mounted in it.
  ///
  /// A stopped container's is mounted in a mount namespace that this process enters, which must have no
  /// thread; its working directory may change.
  static func complete(
    _ record: ContainerRecord, _ state: ContainerState, _ installation: Installation
  ) throws(Failure) -> ContainerFilesystem {
    let store = ContainerStore(installation)
    var lock: FileLock?
    var process = state.process
    // A container that is just starting runs soon, and the monitor of one that has just ended is gone soon;
    // for that it needs the lock.
    for _ in 0..<1000 where process == nil {
      lock = try store.lock(record.id)
      process = store.state(of: record).process
      if process != nil || !store.mayBeAlive(record.id) { break }
      lock = nil
      pause(microseconds: 5000)
    }
    if let process {
      return ContainerFilesystem(
        root: Root(try ContainerRoot.open(of: process), name: record.name + ":"), isRunning: true,
        lock: nil)
    }
    guard lock != nil else {
      throw Failure(
        .inUse, "open files of", record.name, reason: "it is about to start or has just ended",
        remedy: "try again")
    }
    let directory = "containers/\(record.id)"
    let bundle = store.directory(record.id)
    let overlay = Overlay(
      base: installation.root, lower: try layers(record, installation),
      upper: directory + "/upper", work: directory + "/work", target: bundle + "/rootfs",
      volatile: false)
    let mounted = try ContainerRoot.mount(
      overlay, mounts: try BundleMounts.binds(bundle: bundle), readOnly: record.readOnly)
    return ContainerFilesystem(
      root: Root(mounted, name: record.name + ":"), isRunning: false, lock: lock.take())
  }

  /// The root file system alone, for reading: mount points are empty.
  ///
  /// A stopped container's is mounted as by ``complete(_:_:_:)``.
  static func bare(
    _ record: ContainerRecord, _ state: ContainerState, _ installation: Installation
  ) throws(Failure) -> ContainerFilesystem {
    if let process = state.process {
      return ContainerFilesystem(
        root: Root(try ContainerRoot.openBare(of: process), name: record.name + ":"),
        isRunning: true, lock: nil)
    }
    let bundle = ContainerStore(installation).directory(record.id)
    let mounted = try ContainerRoot.mount(
      layers: try layers(record, installation) + ["containers/\(record.id)/upper"],
      base: installation.root, target: bundle + "/rootfs")
    return ContainerFilesystem(
      root: Root(mounted, name: record.name + ":"), isRunning: false, lock: nil)
  }

  /// A container's image, which stays as long as the container does.
  static func image(
    of record: ContainerRecord, _ installation: Installation
  ) throws(Failure) -> ImageRecord {
    guard let image = try installation.imageStore().find(record.imageID) else {
      throw Failure(
        .notFound, "find image", record.imageID, reason: "the image of the container is gone")
    }
    return image
  }

  // Relative to the root where they are below it: mount(2) takes no more than a page of them.
  private static func layers(
    _ record: ContainerRecord, _ installation: Installation
  ) throws(Failure) -> [String] {
    let root = installation.root + "/"
    return try image(of: record, installation).layers.map { layer in
      layer.path.hasPrefix(root) ? String(layer.path.dropFirst(root.count)) : layer.path
    }
  }
}

extension ContainerStore {
  /// The container that a command is about, with its state.
  func findWithState(_ name: String) throws(Failure) -> (ContainerRecord, ContainerState) {
    let record = try find(name)
    return (record, state(of: record))
  }

  /// What serializes those who freeze a container.
  func freezeLock(_ id: String) -> String { directory(id) + "/freeze.lock" }
}
