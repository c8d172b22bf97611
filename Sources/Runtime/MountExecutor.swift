import Linux

/// Carries out mount steps below a container's root, before pivot_root, in its own mount namespace.
///
/// Every target is resolved once, inside the root, to a descriptor; mounts are made detached and then
/// moved onto that descriptor. Nothing that an image or another container can exchange in the meantime
/// is looked at again (security rows 3 to 9).
struct MountExecutor: ~Copyable {
  let root: Root
  /// The tmpfs on /dev once it is mounted: nodes are made through it, never by a path in the image.
  private var dev: Descriptor?
  var devNumber: Int32?
  /// An empty read-only directory for masks, made when first needed.
  private var emptyDirectory: DetachedMount?
  private var emptyNumber: Int32 = -1
  /// The process's terminal once it is open.
  var terminal: TerminalPair?
  var devpts: Descriptor?
  var hasDevpts = false
  /// The clones that came with the plan, by their place.
  private let clones: [Int32]
  /// The directory whose content the next tmpfs gets.
  private var copied: Descriptor?
  /// Whether nodes that may not be made (in a user namespace) are bound from the host's /dev.
  let bindsDevices: Bool

  init(root: consuming Root, clones: [Int32] = [], bindsDevices: Bool = false) {
    self.root = root
    self.clones = clones
    self.bindsDevices = bindsDevices
  }

  mutating func run(_ step: MountStep) throws(Failure) {
    switch step {
    case .fileSystem(let type, let source, let target, let options, let attributes):
      try mount(type, source, on: target, options, attributes)
    case .bind(let source, let target, let options):
      try bind(source, to: target, options)
    case .device(let path, let kind, let major, let minor, let mode, let uid, let gid):
      try makeDevice(path, kind, major, minor, mode, uid, gid)
    case .symlink(let target, let path):
      try makeLink(to: target, at: path)
    case .copyUp(let target):
      do {
        copied = try root.open(
          target == "/" ? "." : target, flags: OpenMode.readDirectoryFlags, mode: 0)
      } catch {
        // A directory that the mount makes has nothing to copy.
        guard error.errno == ErrorNumber.noEntry else { throw error }
        copied = nil
      }
    case .adjust(let target, let options):
      try adjust(target, options)
    case .console:
      try attachConsole()
    case .seal(let path):
      try setMountAttributes(root.locate(path), set: .readOnly, object: path)
    case .mask(let path):
      try mask(path)
    case .readOnly(let path):
      try makeReadOnly(path)
    }
  }

  /// Hands out the master of the process's terminal.
  mutating func takeTerminal() -> TerminalPair? { terminal.take() }

  // MARK: - File systems and binds

  private mutating func mount(
    _ type: String, _ source: String, on target: String, _ options: [String],
    _ attributes: MountAttributes
  ) throws(Failure) {
    try refuseImitation(of: target, isGenuine: type == "proc" || type == "sysfs")
    let location = try directory(for: type, at: target)
    let mounted = try DetachedMount.make(
      type: type, source: source, options: options, attributes: attributes, object: target)
    if let source = copied.take() {
      try DirectoryCopy.copy(
        source, into: Root(try mounted.descriptor.open(".", .directory), name: target),
        name: target)
    }
    if type == "devpts" && target == "/dev/pts" {
      devpts = try mounted.descriptor.duplicate()
      hasDevpts = true
    }
    try mounted.attach(to: location, object: target)
    if type == "tmpfs" && target == "/dev" {
      let held = try mounted.descriptor.duplicate()
      devNumber = held.raw
      dev = consume held
    }
  }

  // /proc and /sys decide what the rest of the set-up talks to, so a link in their place is refused
  // instead of followed (CVE-2019-19921, security row 4); so is one for /dev (row 8).
  private func directory(for type: String, at target: String) throws(Failure) -> Descriptor {
    let isFixed = ["proc", "sysfs"].contains(type) || target == "/dev" || target.hasPrefix("/dev/")
    if isFixed {
      do throws(Failure) {
        return try root.plainDirectory(target)
      } catch  where error.errno == ErrorNumber.noEntry {
      } catch  where error.errno == ErrorNumber.notDirectory || error.errno == ErrorNumber.linkLoop
      {
        throw Failure(
          .refused, "mount \(type) on", target,
          reason: "the image has something else than a directory there")
      }
    }
    return try root.makeDirectory(target)
  }

  // What masks, sysctls and many programs write to below /proc and /sys must be the kernel's (rows 4, 7).
  private func refuseImitation(of target: String, isGenuine: Bool) throws(Failure) {
    let components = target.split(separator: "/").filter { $0 != "." }
    guard components == ["proc"] || components == ["sys"], !isGenuine else { return }
    throw Failure(
      .refused, "mount on", target, reason: "only the kernel's own file system may be there")
  }

  private func bind(
    _ source: String, to target: String, _ options: BindOptions
  ) throws(Failure) {
    let clone = try clone(of: source, options)
    try refuseImitation(of: target, isGenuine: clone.descriptor.isKernelFileSystem)
    let isDirectory = try clone.descriptor.fileStatus().kind == .directory
    let location = isDirectory ? try root.makeDirectory(target) : try root.makeFile(target)
    if !isDirectory, try location.fileStatus().kind == .directory {
      throw Failure(
        .invalid, "bind \(source) to", target,
        reason: "the source is a file, the target a directory")
    }
    try MountExecutor.apply(options, to: clone.descriptor, target)
    try clone.attach(to: location, object: target)
  }

  private func clone(
    of source: String, _ options: BindOptions
  ) throws(Failure) -> DetachedMount {
    guard options.clone >= 0 else {
      return try DetachedMount.clone(path: source, recursive: options.recursive)
    }
    guard clones.indices.contains(Int(options.clone)) else {
      throw Failure(.corrupt, "bind", source, reason: "its clone is missing")
    }
    return DetachedMount(
      descriptor: try Descriptor.duplicate(of: clones[Int(options.clone)]))
  }

  private static func apply(
    _ options: BindOptions, to mount: borrowing Descriptor, _ target: String
  ) throws(Failure) {
    if !options.set.isEmpty || !options.clear.isEmpty {
      try setMountAttributes(mount, set: options.set, clear: options.clear, object: target)
    }
    if !options.recursiveSet.isEmpty || !options.recursiveClear.isEmpty {
      try setMountAttributes(
        mount, set: options.recursiveSet, clear: options.recursiveClear, recursive: true,
        object: target)
    }
    if let propagation = options.propagation {
      try setMountAttributes(
        mount, set: [], propagation: propagation, recursive: options.isPropagationRecursive,
        object: target)
    }
  }

  private func adjust(_ target: String, _ options: BindOptions) throws(Failure) {
    let location = try root.locate(target)
    do throws(Failure) { try MountExecutor.apply(options, to: location, target) } catch
      where error.isInvalid
    {
      throw Failure(
        errno: error.errno, "remount", target, reason: "nothing is mounted there",
        remedy: "name a mount's target")
    }
  }

  // MARK: - Masked and read-only paths

  private mutating func mask(_ path: String) throws(Failure) {
    guard let location = try existing(path) else { return }
    let isDirectory = try location.fileStatus().kind == .directory
    if isDirectory {
      // Kernels before 6.15 clone attached mounts only: the first mask is the original.
      if emptyNumber < 0 {
        let empty = try DetachedMount.make(
          type: "tmpfs", source: "tmpfs", options: ["size=4k", "mode=0755"],
          attributes: [.readOnly, .noSetuid, .noDevices, .noExecute], object: path)
        try empty.attach(to: location, object: path)
        emptyNumber = empty.descriptor.raw
        emptyDirectory = consume empty
      } else {
        let clone = try DetachedMount.clone(number: emptyNumber, object: path)
        try clone.attach(to: location, object: path)
      }
    } else {
      let clone = try DetachedMount.clone(try nullDevice(), object: path)
      try clone.attach(to: location, object: path)
    }
  }

  // The container's own /dev/null, checked to be one: an image's could be anything (row 5).
  private func nullDevice() throws(Failure) -> Descriptor {
    // With the host's /dev bound in its place, the host's own is as good.
    let null =
      if let device = devNumber {
        try Descriptor.duplicate(of: device).open("null", .path)
      } else {
        try Descriptor.open("/dev/null", .path)
      }
    let info = try null.fileStatus()
    guard info.kind == .characterDevice, info.major == 1, info.minor == 3 else {
      throw Failure(.refused, "mask path", "/dev/null", reason: "it is not the null device")
    }
    return null
  }

  private func makeReadOnly(_ path: String) throws(Failure) {
    guard let location = try existing(path) else { return }
    let clone = try DetachedMount.clone(location, recursive: true, object: path)
    try clone.set(
      [.readOnly, .noSetuid, .noDevices, .noExecute], recursive: true, object: path)
    try clone.attach(to: location, object: path)
  }

  private func existing(_ path: String) throws(Failure) -> Descriptor? {
    do throws(Failure) {
      return try root.locate(path, noSymlinks: path.hasPrefix("/proc"))
    } catch  where error.errno == ErrorNumber.noEntry || error.errno == ErrorNumber.notDirectory {
      return nil
    }
  }
}
