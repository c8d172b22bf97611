import Linux

/// One step in making a container's file system. The list of steps is data, made and tested without
/// privileges by ``MountPlan``; ``MountExecutor`` carries it out in the container's mount namespace.
public enum MountStep: Sendable, Equatable {
  /// A new instance of a file system on a directory of the container.
  case fileSystem(
    type: String, source: String, target: String, options: [String], attributes: MountAttributes)
  /// What a directory of the image has copied into the tmpfs that is mounted on it next.
  case copyUp(target: String)
  /// The mount on a path gets these attributes and propagation; it is there already.
  case adjust(target: String, options: BindOptions)
  /// A host path (or the part of it that is mounted) bound to a path in the container.
  case bind(source: String, target: String, options: BindOptions)
  /// A device node, fifo or bound host device below /dev.
  case device(
    path: String, kind: DeviceKind, major: UInt32, minor: UInt32, mode: UInt32, uid: UInt32,
    gid: UInt32)
  /// A symbolic link below /dev, left alone when something is there.
  case symlink(target: String, path: String)
  /// The process's terminal on /dev/console.
  case console
  /// The mount on a path made read-only once what belongs below it is mounted.
  case seal(path: String)
  /// A path hidden behind an empty directory or the null device, when it exists.
  case mask(path: String)
  /// A path that cannot be written through, when it exists.
  case readOnly(path: String)
}

/// How a bind mount is made.
public struct BindOptions: Sendable, Equatable {
  /// Takes the mounts below the source along.
  public var recursive = false
  /// Attributes that are turned on before the bind is attached.
  public var set: MountAttributes = []
  /// Attributes that are turned off before the bind is attached.
  public var clear: MountAttributes = []
  /// Attributes that are turned on for this mount and those below.
  public var recursiveSet: MountAttributes = []
  /// Attributes that are turned off for this mount and those below.
  public var recursiveClear: MountAttributes = []
  /// nil keeps the source's.
  public var propagation: Propagation?
  /// Sets the propagation of the mounts below too.
  public var isPropagationRecursive = false
  /// The place of the source's clone, made where only the host could, in the list that came with the
  /// plan; negative: it is still to be made.
  public var clone: Int32 = -1

  /// A plain bind.
  public init() {}
}

/// What mknod(2) makes.
public enum DeviceKind: UInt8, Sendable {
  case character
  case block
  case fifo

  var fileKind: FileStatus.Kind {
    switch self {
    case .character: .characterDevice
    case .block: .blockDevice
    case .fifo: .fifo
    }
  }
}

/// Where the container's root file system comes from.
public enum RootSource: Sendable, Equatable {
  /// A directory of the host.
  case directory(path: String)
  /// An overlayfs that is mounted in the container's own mount namespace, so that nothing is left on
  /// the host to unmount.
  case overlay(Overlay)
}

/// The overlayfs of a container's root.
public struct Overlay: Sendable, Equatable {
  /// The directory that the other paths are relative to: it keeps mount(2)'s one page of options short.
  public var base: String
  /// Lower directories, the lowest first.
  public var lower: [String]
  /// The writable layer: what the container changes.
  public var upper: String
  /// overlayfs's scratch directory: empty, on the file system of `upper`.
  public var work: String
  /// The absolute path of the (empty) directory that it is mounted on.
  public var target: String
  /// True when the upper layer need not survive a crash, which spares its sync at the unmount.
  public var volatile: Bool

  /// An overlay.
  public init(
    base: String, lower: [String], upper: String, work: String, target: String, volatile: Bool
  ) {
    self.base = base
    self.lower = lower
    self.upper = upper
    self.work = work
    self.target = target
    self.volatile = volatile
  }
}

extension RootSource {
  /// The directory that becomes "/".
  public var directory: String {
    switch self {
    case .directory(let path): path
    case .overlay(let overlay): overlay.target
    }
  }
}
