import CLinux
import Glibc
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
  private var devNumber: Int32?
  /// An empty read-only directory for masks, made when first needed.
  private var emptyDirectory: DetachedMount?
  private var emptyNumber: Int32 = -1
  /// The process's terminal once it is open.
  private(set) var terminal: TerminalPair?
  private var devpts: Descriptor?
  private var hasDevpts = false

  init(root: consuming Root) { self.root = root }

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
    case .console:
      try attachConsole()
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
    let location = try directory(for: type, at: target)
    let mounted = try DetachedMount.make(
      type: type, source: source, options: options, attributes: attributes, object: target)
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
        return try root.open(
          target, flags: Int32(CLX_O_PATH) | O_DIRECTORY | O_NOFOLLOW, noSymlinks: true)
      } catch where error.errno == ENOENT {
      } catch where error.errno == ENOTDIR || error.errno == ELOOP {
        throw Failure(
          .refused, "mount \(type) on", target,
          reason: "the image has something else than a directory there")
      }
    }
    return try root.makeDirectory(target)
  }

  private func bind(
    _ source: String, to target: String, _ options: BindOptions
  ) throws(Failure) {
    let clone = try DetachedMount.clone(path: source, recursive: options.recursive)
    let isDirectory = try clone.descriptor.status().st_mode & S_IFMT == S_IFDIR
    let location = isDirectory ? try root.makeDirectory(target) : try root.makeFile(target)
    if !isDirectory, try location.status().st_mode & S_IFMT == S_IFDIR {
      throw Failure(
        .invalid, "bind \(source) to", target, reason: "the source is a file, the target a directory")
    }
    if !options.set.isEmpty || !options.clear.isEmpty {
      try clone.set(
        options.set, clear: options.clear, recursive: options.recursiveAttributes, object: target)
    }
    if let propagation = options.propagation {
      try clone.set([], propagation: propagation, recursive: options.recursive, object: target)
    }
    try clone.attach(to: location, object: target)
  }

  // MARK: - /dev

  private func makeDevice(
    _ path: String, _ kind: DeviceKind, _ major: UInt32, _ minor: UInt32, _ mode: UInt32,
    _ uid: UInt32, _ gid: UInt32
  ) throws(Failure) {
    let (parent, name) = try parentInDev(of: path)
    let type: mode_t =
      switch kind {
      case .character: S_IFCHR
      case .block: S_IFBLK
      case .fifo: S_IFIFO
      }
    if mknodat(parent, name, type | (mode & 0o7777), clx_makedev(major, minor)) < 0 {
      guard errno == EEXIST else { throw .last("create device", path) }
      unlinkat(parent, name, 0)
      try check("create device", path) {
        mknodat(parent, name, type | (mode & 0o7777), clx_makedev(major, minor))
      }
    }
    if uid != 0 || gid != 0 {
      try check("change owner of", path) { fchownat(parent, name, uid, gid, AT_SYMLINK_NOFOLLOW) }
    }
  }

  private func makeLink(to target: String, at path: String) throws(Failure) {
    let (parent, name) = try parentInDev(of: path)
    if symlinkat(target, parent, name) < 0 && errno != EEXIST { throw .last("create link", path) }
  }

  // The tmpfs is minidock's own and nobody else can reach it yet, so names below it need no care but
  // for the folders of a nested path such as /dev/net/tun.
  private func parentInDev(of path: String) throws(Failure) -> (Int32, String) {
    guard let device = devNumber, path.hasPrefix("/dev/") else {
      throw Failure(.invalid, "create", path, reason: "it is not below a /dev of the container's own")
    }
    var parent = device
    let components = path.dropFirst(5).split(separator: "/").map(String.init)
    guard let name = components.last, !components.contains(".."), !components.contains(".") else {
      throw Failure(.invalid, "create", path, reason: "it is no plain path")
    }
    for component in components.dropLast() {
      if mkdirat(parent, component, 0o755) < 0 && errno != EEXIST {
        throw .last("create directory of", path)
      }
      let next = clx_open(parent, component, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC, 0)
      if next < 0 { throw .last("open directory of", path) }
      // The few descriptors of nested device folders end with the process's exec.
      parent = next
    }
    return (parent, name)
  }

  private mutating func attachConsole() throws(Failure) {
    guard let device = devNumber, hasDevpts else {
      throw Failure(.invalid, "open terminal", reason: "the container has no /dev/pts of its own")
    }
    let pts = devpts.take()!
    let pair = try Terminal.openPair(devpts: pts)
    let fd = clx_open(device, "console", O_CREAT | O_EXCL | O_WRONLY | O_NOFOLLOW | O_CLOEXEC, 0o620)
    if fd < 0 { throw .last("create", "/dev/console") }
    let location = Descriptor(owning: fd)
    let clone = try DetachedMount.clone(pair.peer, object: "/dev/console")
    try clone.attach(to: location, object: "/dev/console")
    terminal = consume pair
  }

  // MARK: - Masked and read-only paths

  private mutating func mask(_ path: String) throws(Failure) {
    guard let location = try existing(path) else { return }
    let isDirectory = try location.status().st_mode & S_IFMT == S_IFDIR
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
    guard let device = devNumber else {
      throw Failure(.invalid, "mask path", reason: "the container has no /dev of its own")
    }
    let fd = clx_open(device, "null", Int32(CLX_O_PATH) | O_NOFOLLOW | O_CLOEXEC, 0)
    if fd < 0 { throw .last("open", "/dev/null") }
    let null = Descriptor(owning: fd)
    let info = try null.status()
    guard info.st_mode & S_IFMT == S_IFCHR, info.st_rdev == clx_makedev(1, 3) else {
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
    } catch where error.errno == ENOENT || error.errno == ENOTDIR {
      return nil
    }
  }
}
