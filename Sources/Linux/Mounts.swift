import CLinux
import Glibc

/// Attributes of one mount, as mount_setattr(2) names them (Linux 5.12).
public struct MountAttributes: OptionSet, Sendable, Hashable {
  /// The kernel's MOUNT_ATTR_* bits, as `attr_set` and `attr_clr` take them.
  public let rawValue: UInt64

  /// Attributes by their kernel bits (MOUNT_ATTR_*).
  public init(rawValue: UInt64) { self.rawValue = rawValue }

  /// Nothing can be written through this mount (MOUNT_ATTR_RDONLY).
  public static let readOnly = MountAttributes(rawValue: UInt64(CLX_MOUNT_ATTR_RDONLY))
  /// Executing a file ignores its set-user-ID, set-group-ID and file capabilities.
  public static let noSetuid = MountAttributes(rawValue: UInt64(CLX_MOUNT_ATTR_NOSUID))
  /// Device nodes cannot be opened (MOUNT_ATTR_NODEV).
  public static let noDevices = MountAttributes(rawValue: UInt64(CLX_MOUNT_ATTR_NODEV))
  /// Programs cannot be executed from it (MOUNT_ATTR_NOEXEC).
  public static let noExecute = MountAttributes(rawValue: UInt64(CLX_MOUNT_ATTR_NOEXEC))
  /// Access times are never updated; excludes ``strictAccessTime``.
  public static let noAccessTime = MountAttributes(rawValue: UInt64(CLX_MOUNT_ATTR_NOATIME))
  /// Access times are updated at every read; neither of the two is relatime.
  public static let strictAccessTime = MountAttributes(rawValue: UInt64(CLX_MOUNT_ATTR_STRICTATIME))
  /// Access times of directories are never updated (MOUNT_ATTR_NODIRATIME).
  public static let noDirectoryAccessTime = MountAttributes(
    rawValue: UInt64(CLX_MOUNT_ATTR_NODIRATIME))
  /// Path resolution fails at symbolic links (Linux 5.14); readlink(2) still works.
  public static let noSymlinkFollow = MountAttributes(rawValue: UInt64(CLX_MOUNT_ATTR_NOSYMFOLLOW))
  /// The bits that choose how access times are kept: cleared together before one is set.
  static let accessTimeMask = MountAttributes(rawValue: UInt64(CLX_MOUNT_ATTR_ATIME))
}

/// How mount events travel between a mount and its peers (mount_namespaces(7)).
public enum Propagation: UInt64, Sendable {
  case isPrivate = 0x40000
  case slave = 0x80000
  case shared = 0x100000
  case unbindable = 0x20000
}

/// A mount held by descriptor: not attached anywhere yet, or a clone of one that is.
///
/// Everything that minidock mounts into a container is made detached, checked and then attached to a
/// target that is itself a held descriptor: nothing is looked up by path twice (security row 3).
public struct DetachedMount: ~Copyable, Sendable {
  /// The mount's root (O_PATH-like).
  public let descriptor: Descriptor

  /// Takes a mount that another process has made or cloned.
  public init(descriptor: consuming Descriptor) { self.descriptor = descriptor }

  /// A new instance of a file system (fsopen(2), Linux 5.2).
  ///
  /// - Parameters:
  ///   - options: "key=value" and flags, as in mount(8)'s -o; those that are mount attributes go into
  ///     `attributes` instead.
  public static func make(
    type: String, source: String? = nil, options: [String] = [],
    attributes: MountAttributes = [], object: String
  ) throws(Failure) -> DetachedMount {
    let operation = "mount \(type) on"
    let context = Descriptor(
      owning: try check(operation, object) { clx_fsopen(type) })
    if let source {
      try configure(context, "source", source, operation, object)
    }
    for option in options {
      if let equals = option.firstIndex(of: "=") {
        try configure(
          context, String(option[..<equals]), String(option[option.index(after: equals)...]),
          operation, object)
      } else {
        let result = clx_fsconfig(context.raw, UInt32(CLX_FSCONFIG_SET_FLAG), option, nil, 0)
        if result < 0 { throw failure(context, operation, object, option: option) }
      }
    }
    if clx_fsconfig(context.raw, UInt32(CLX_FSCONFIG_CMD_CREATE), nil, nil, 0) < 0 {
      throw failure(context, operation, object, option: nil)
    }
    let mounted = clx_fsmount(context.raw, UInt32(attributes.rawValue))
    if mounted < 0 { throw failure(context, operation, object, option: nil) }
    return DetachedMount(descriptor: Descriptor(owning: mounted))
  }

  private static func configure(
    _ context: borrowing Descriptor, _ key: String, _ value: String, _ operation: String,
    _ object: String
  ) throws(Failure) {
    let result = value.withCString {
      clx_fsconfig(context.raw, UInt32(CLX_FSCONFIG_SET_STRING), key, $0, 0)
    }
    if result < 0 { throw failure(context, operation, object, option: "\(key)=\(value)") }
  }

  // The kernel explains a refused option in a message that is read from the context.
  private static func failure(
    _ context: borrowing Descriptor, _ operation: String, _ object: String, option: String?
  ) -> Failure {
    let number = Glibc.errno
    var reason = ""
    var text = [UInt8](repeating: 0, count: 512)
    let count = read(context.raw, &text, text.count)
    if count > 2 { reason = String(decoding: text[2..<count], as: UTF8.self).trimmed }
    if let option { reason = (reason.isEmpty ? errorText(number) : reason) + " (option \(option))" }
    return Failure(errno: number, operation, object, reason: reason)
  }

  /// A clone of the mount at a host path, as the start of a bind mount (open_tree(2), Linux 5.2).
  public static func clone(
    path: String, recursive: Bool
  ) throws(Failure) -> DetachedMount {
    let flags = openTreeFlags(recursive)
    return DetachedMount(
      descriptor: Descriptor(
        owning: try check("bind", path) { clx_open_tree(AT_FDCWD, path, flags) }))
  }

  /// A clone of the mount at an open location.
  public static func clone(
    _ location: borrowing Descriptor, recursive: Bool = false, object: String
  ) throws(Failure) -> DetachedMount {
    try clone(number: location.raw, recursive: recursive, object: object)
  }

  /// As ``clone(_:recursive:object:)`` by an open descriptor's number.
  public static func clone(
    number: Int32, recursive: Bool = false, object: String
  ) throws(Failure) -> DetachedMount {
    let flags = openTreeFlags(recursive) | UInt32(CLX_AT_EMPTY_PATH)
    return DetachedMount(
      descriptor: Descriptor(
        owning: try check("bind", object) { clx_open_tree(number, "", flags) }))
  }

  private static func openTreeFlags(_ recursive: Bool) -> UInt32 {
    UInt32(CLX_OPEN_TREE_CLONE) | UInt32(CLX_OPEN_TREE_CLOEXEC)
      | (recursive ? UInt32(CLX_AT_RECURSIVE) : 0)
  }

  /// Sets and clears attributes, and the propagation when given (mount_setattr(2), Linux 5.12).
  public func set(
    _ attributes: MountAttributes, clear: MountAttributes = [], propagation: Propagation? = nil,
    recursive: Bool = false, object: String
  ) throws(Failure) {
    try setMountAttributes(
      descriptor, set: attributes, clear: clear, propagation: propagation, recursive: recursive,
      object: object)
  }

  /// Shows the files below with the ids of a user namespace (MOUNT_ATTR_IDMAP, Linux 5.12).
  public func map(
    by userNamespace: borrowing Descriptor, recursive: Bool, object: String
  ) throws(Failure) {
    var attributes = clx_mount_attr()
    attributes.attr_set = UInt64(CLX_MOUNT_ATTR_IDMAP)
    attributes.userns_fd = UInt64(userNamespace.raw)
    let flags = UInt32(CLX_AT_EMPTY_PATH) | (recursive ? UInt32(CLX_AT_RECURSIVE) : 0)
    try check("map ids of", object) {
      clx_mount_setattr(descriptor.raw, "", flags, &attributes)
    }
  }

  /// Attaches the mount on top of an open location (move_mount(2), Linux 5.2).
  public func attach(to target: borrowing Descriptor, object: String) throws(Failure) {
    let flags = UInt32(CLX_MOVE_MOUNT_F_EMPTY_PATH) | UInt32(CLX_MOVE_MOUNT_T_EMPTY_PATH)
    try check("attach mount to", object) {
      clx_move_mount(descriptor.raw, "", target.raw, "", flags)
    }
  }
}

/// Changes the attributes of the mount at an open location (mount_setattr(2), Linux 5.12).
public func setMountAttributes(
  _ location: borrowing Descriptor, set: MountAttributes, clear: MountAttributes = [],
  propagation: Propagation? = nil, recursive: Bool = false, object: String
) throws(Failure) {
  var attributes = clx_mount_attr()
  attributes.attr_set = set.rawValue
  attributes.attr_clr = clear.rawValue
  if !set.intersection([.noAccessTime, .strictAccessTime]).isEmpty
    || !clear.intersection([.noAccessTime, .strictAccessTime]).isEmpty
  {
    attributes.attr_clr |= MountAttributes.accessTimeMask.rawValue
  }
  attributes.propagation = propagation?.rawValue ?? 0
  let flags = UInt32(CLX_AT_EMPTY_PATH) | (recursive ? UInt32(CLX_AT_RECURSIVE) : 0)
  try check("set mount attributes of", object) {
    clx_mount_setattr(location.raw, "", flags, &attributes)
  }
}

/// Calls on mounts by path, for paths of the host.
public enum Mounts {
  /// mount(2) with a data string of at most a page.
  public static func mount(
    source: String, target: String, type: String, flags: UInt = 0, data: String = ""
  ) throws(Failure) {
    try check("mount \(type) on", target) {
      data.withCString { Glibc.mount(source, target, type, flags, $0) }
    }
  }

  /// Makes the mount that a path lies on private to this mount namespace, and no other.
  public static func makeHostPrivate(_ path: String) throws(Failure) {
    var path = path
    while true {
      if Glibc.mount(nil, path, nil, UInt(Propagation.isPrivate.rawValue), nil) == 0 { return }
      // Only a mount's own root can be changed: go up to it.
      guard Glibc.errno == EINVAL, path != "/" else {
        throw .last("change mount propagation of", path)
      }
      path = Files.parent(of: path)
    }
  }

  /// Makes an open directory, a mount's root, the root of this process alone, for a root on the initial
  /// ramdisk, where pivot_root(2) cannot be used: the mount is moved onto "/".
  public static func moveToRoot(_ root: borrowing Descriptor, name: String) throws(Failure) {
    try check("change directory to", name) { fchdir(root.raw) }
    try check("move mount to /", name) { Glibc.mount(".", "/", nil, 0x2000 /* MS_MOVE */, nil) }
    try check("change root to", name) { chroot(".") }
    try check("change directory to", "/") { chdir("/") }
  }

  /// Changes the propagation of the whole tree below "/" in this mount namespace.
  public static func setRootPropagation(_ propagation: Propagation) throws(Failure) {
    try check("change mount propagation of", "/") {
      Glibc.mount(nil, "/", nil, UInt(propagation.rawValue) | 0x4000 /* MS_REC */, nil)
    }
  }

  /// Detaches the mount at a path now; it goes away when nobody uses it any more.
  public static func detach(_ path: String) throws(Failure) {
    try check("unmount", path) { umount2(path, 2 /* MNT_DETACH */ | 8 /* UMOUNT_NOFOLLOW */) }
  }

  /// Makes an open directory the root of this mount namespace and lets go of the old one.
  ///
  /// The old root is stacked on the new one and detached from there (pivot_root(2), "pivot_root(".",
  /// ".")"), so no directory in the new root is needed.
  ///
  /// - Parameter isShared: whether mounts of the old root may be peers of another namespace's. They are made
  ///   slaves first, or letting go of them would unmount the others'.
  public static func pivot(
    to root: borrowing Descriptor, name: String, isShared: Bool = false
  ) throws(Failure) {
    var old = isShared ? try Descriptor.open("/", .path) : nil
    try check("change directory to", name) { fchdir(root.raw) }
    try check("pivot_root to", name) { clx_pivot_root(".", ".") }
    if let old = old.take() {
      try setMountAttributes(old, set: [], propagation: .slave, recursive: true, object: "old root")
    }
    try check("unmount old root of", name) { umount2(".", 2 /* MNT_DETACH */) }
    try check("change directory to", "/") { chdir("/") }
  }
}
