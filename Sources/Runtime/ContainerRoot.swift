import Linux

/// A container's root file system, opened for looking at and copying by this process: no container is
/// started, nothing is mounted where anybody else sees it.
public enum ContainerRoot {
  /// The root of a running process with everything that is mounted there, such as volumes.
  ///
  /// - Throws: ``Failure/Code/notFound`` when the process has ended, or another one has its pid by now.
  public static func open(of process: ProcessIdentity) throws(Failure) -> Descriptor {
    let gone = Failure(.notFound, "open root of", "process \(process.pid)", reason: "it has ended")
    guard let root = try? Descriptor.open("/proc/\(process.pid)/root", .directory) else {
      throw gone
    }
    // The descriptor holds whatever was opened: only now is it compared whose it is.
    guard process.isAlive else { throw gone }
    return root
  }

  /// The root file system of a running process without what is mounted on it: a clone of that one mount.
  ///
  /// A mount can be cloned in its own mount namespace only (before Linux 6.15), so that a child goes
  /// there and hands the clone out.
  public static func openBare(of process: ProcessIdentity) throws(Failure) -> Descriptor {
    let name = "process \(process.pid)"
    let namespace: Descriptor
    do throws(Failure) {
      namespace = try Descriptor.open("/proc/\(process.pid)/ns/mnt", .read)
    } catch {
      throw Failure(.notFound, "open root of", name, reason: "it has ended")
    }
    guard process.isAlive else {
      throw Failure(.notFound, "open root of", name, reason: "it has ended")
    }
    let ends = try MessageSocket.pair()
    let near = ends.near
    let far = ends.far
    let (target, report) = (namespace.raw, far.descriptor.raw)
    let child = try Processes.fork {
      let socket = MessageSocket(Descriptor(owning: report))
      do throws(Failure) {
        try Namespaces.mount.join(Descriptor(owning: target), object: name)
        let root = try DetachedMount.clone(path: "/", recursive: false)
        try socket.send([1], descriptors: [root.descriptor.raw])
        return 0
      } catch {
        try? socket.send(InitMessage.failed(error).bytes)
        return 1
      }
    }
    _ = consume far
    let message = try near.receive()
    _ = try Processes.wait(pidfd: child.handle)
    if let descriptor = message?.descriptors.first { return Descriptor(owning: descriptor) }
    if let message, case .failed(let failure) = try InitMessage(message.bytes) { throw failure }
    throw Failure(.system, "open root of", name, reason: "the helper ended without a result")
  }

  /// Mounts a stopped container's root in a mount namespace of this process's own, where it ends with the
  /// process; what is bound there is bound by the container's own rules.
  ///
  /// - Parameters:
  ///   - overlay: the root file system.
  ///   - mounts: binds of the specification, in order; others are left out.
  ///   - readOnly: makes the root's own mount read-only in the end.
  public static func mount(
    _ overlay: Overlay, mounts: [Spec.Mount], readOnly: Bool
  ) throws(Failure) -> Descriptor {
    try enterPrivateNamespace()
    try RootMount.attach(.overlay(overlay))
    let directory = try Descriptor.open(overlay.target, .directory)
    var spec = Spec()
    spec.mounts = mounts
    var executor = MountExecutor(root: Linux.Root(try directory.duplicate(), name: ""))
    for step in try MountPlan.steps(for: spec, cgroupMounts: { _, _ in [] }) {
      guard case .bind = step else { continue }
      try executor.run(step)
    }
    if readOnly { try setMountAttributes(directory, set: .readOnly, object: "/") }
    return directory
  }

  /// Mounts layers on top of each other for reading alone, in a mount namespace of this process's own.
  ///
  /// - Parameters:
  ///   - layers: the lowest first; at least two, the uppermost may be a container's upper directory.
  ///   - base: what relative paths among them start at.
  ///   - target: an empty directory of the host.
  public static func mount(
    layers: [String], base: String, target: String
  ) throws(Failure) -> Descriptor {
    try enterPrivateNamespace()
    let list = Array(layers.reversed())
    let options = "lowerdir=" + list.joined(separator: ":")
    // mount(2) takes a page of options; beyond that the new mount API takes layer after layer (6.5).
    if options.utf8.count < 4000 {
      try ThisProcess.changeDirectory(base)
      let readOnly: UInt = 1  // MS_RDONLY
      try Mounts.mount(
        source: "overlay", target: target, type: "overlay", flags: readOnly, data: options)
    } else {
      let absolute = list.map { $0.hasPrefix("/") ? $0 : base + "/" + $0 }
      let mounted = try DetachedMount.make(
        type: "overlay", source: "overlay", options: absolute.map { "lowerdir+=" + $0 },
        attributes: .readOnly, object: target)
      try mounted.attach(to: try Descriptor.open(target, .path), object: target)
    }
    return try Descriptor.open(target, .directory)
  }

  private static func enterPrivateNamespace() throws(Failure) {
    try Namespaces.mount.unshare()
    // Nothing from here reaches the host's namespace.
    try Mounts.setRootPropagation(.isPrivate)
  }
}
