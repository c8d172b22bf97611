import Linux

extension BundleCheckpoint {
  /// What belongs to the new container rather than to the images.
  public struct Place: Sendable {
    /// `--bundle`.
    public var bundle = "."
    /// `--pid-file`; nil for none.
    public var pidFile: String?
    /// `--systemd-cgroup`.
    public var usesSystemd = false

    /// runc's defaults.
    public init() {}
  }

  /// Makes a container of the processes in a directory of images.
  ///
  /// - Returns: the first process, a child of this one, which runs already.
  /// - Throws: criu's complaint; nothing that was made remains.
  public func restore(_ id: String, _ place: Place) throws(Failure) -> CreatedContainer {
    try BundleStore.validate(id: id)
    let bundle = try Bundle(path: place.bundle)
    try Self.check(bundle.spec)
    let criu = try program()
    let hierarchy = try? CgroupHierarchy.detect()
    let unit = place.usesSystemd ? try SystemdUnit.wanted(by: bundle.spec, id: id) : nil
    var record = BundleRecord(id, of: bundle)
    record.choose(
      group: bundle.spec.linux?.cgroupsPath ?? "", unit, hasGroups: hierarchy != nil)
    let lock = try store.claim(id)
    defer { _ = lock.raw }
    do throws(Failure) {
      try store.write(record)
      try Files.replace(store.config(id), with: bundle.document, mode: 0o600)
      if unit == nil, let hierarchy {
        _ = try Cgroup.create(
          path: record.cgroup, resources: bundle.resources, in: hierarchy, everywhere: true)
      }
      let pid = try run(criu, &record, bundle) { (record, pid) throws(Failure) in
        if let unit { _ = try record.enter(unit, pid, bundle.resources, in: hierarchy) }
      }
      guard let identity = ProcessIdentity(of: pid) else {
        throw Failure(.system, "restore container", id, reason: "its first process has ended")
      }
      record.process = identity
      record.isReady = true
      try store.write(record)
      if let file = place.pidFile {
        try Files.replace(file, with: Array(String(pid).utf8), mode: 0o644)
      }
      return CreatedContainer(
        record: record, child: Child(pid: pid, handle: try Processes.open(pid: pid)),
        terminal: nil)
    } catch {
      undo(record, hierarchy)
      throw error
    }
  }

  private func undo(_ record: BundleRecord, _ hierarchy: CgroupHierarchy?) {
    if let process = record.process { _ = try? Processes.signal(process, Signal.kill) }
    record.removeGroup(in: hierarchy)
    try? Files.removeTree(store.directory(record.id))
  }

  // criu waits until `enter` has put it in the container's group, if it is to be there: a scope of systemd's
  // is made around a process, and then holds what criu makes. Where that is, it hears only then.
  private func run(
    _ criu: String, _ record: inout BundleRecord, _ bundle: Bundle,
    entering enter: (inout BundleRecord, Int32) throws(Failure) -> Void
  ) throws(Failure) -> Int32 {
    let images = try Bundle.absolute(options.images)
    let call = CriuCall(options, images: images)
    let root = store.directory(record.id) + "/root"
    let pidFile = store.directory(record.id) + "/criu.pid"
    try Files.makeDirectories(root, mode: 0o700)
    let network = try joinedNetwork(bundle.spec)
    let number = Descriptor.borrow(network)
    var more = CriuMounts(bundle.spec, bundle: bundle.path).restored() + (try pipes(images))
    if let number { more += ["--inherit-fd", "fd[\(number)]:\(CriuCall.networkKey)"] }
    let pair = try MessageSocket.pair()
    let (near, far) = (pair.near.descriptor.raw, pair.far.descriptor.raw)
    let child = try Processes.fork {
      let cgroup: String
      do throws(Failure) {
        try Self.mount(bundle.rootfs, at: root)
        // Its own copy of the other end would keep it waiting for ever.
        _ = Descriptor(owning: near)
        guard let group = try MessageSocket(Descriptor(owning: far)).receive() else { return 125 }
        cgroup = String(decoding: group.bytes.dropLast(), as: UTF8.self)
      } catch {
        Console.error("minidock-oci: \(error)")
        return 125
      }
      if let number { ThisProcess.keepAtExec(number) }
      let words = call.restore(rootfs: root, pidFile: pidFile, cgroup: cgroup, external: more)
      _ = ThisProcess.execute(
        criu, arguments: [criu] + words, environment: ProgramCall.environment)
      return 127
    }
    do throws(Failure) {
      try enter(&record, child.pid)
      // Never empty, which would be the end.
      try pair.near.send(Array(record.cgroup.utf8) + [0])
    } catch {
      Processes.signal(child.handle, Signal.kill)
      _ = try? Processes.wait(pidfd: child.handle)
      throw error
    }
    let status = try Processes.wait(pidfd: child.handle)
    _ = network
    guard status == .exited(0) else {
      throw call.failure("restore container", record.id, status, log: "restore.log")
    }
    guard let pid = Files.text(pidFile).flatMap({ Int32($0) }) else {
      throw Failure(
        .corrupt, "restore container", record.id, reason: "criu names no process in \(pidFile)")
    }
    return pid
  }

  // criu wants the root at a mount point, and nothing mounted over its parents. What is mounted for its sake
  // goes with it.
  private static func mount(_ rootfs: String, at root: String) throws(Failure) {
    try Namespaces.mount.unshare()
    try Mounts.setRootPropagation(.slave)
    let clone = try DetachedMount.clone(path: rootfs, recursive: true)
    try clone.attach(to: try Descriptor.open(root, .path), object: root)
  }

  private func joinedNetwork(_ spec: Spec) throws(Failure) -> Descriptor? {
    let entry = (spec.linux?.namespaces ?? []).first { $0.type == "network" }
    guard let path = entry?.path else { return nil }
    return try Descriptor.open(path, .read)
  }

  // Pipes to the engine that were open when the container was dumped are this process's own now.
  private func pipes(_ images: String) throws(Failure) -> [String] {
    guard let bytes = try Files.read(images + "/" + Self.descriptorsFile, limit: 4096),
      case .array(let targets)? = try? JSONValue(parsing: bytes)
    else { return [] }
    var words: [String] = []
    for (number, target) in targets.prefix(3).enumerated() {
      guard case .string(let text) = target, text.hasPrefix("pipe:") else { continue }
      words += ["--inherit-fd", "fd[\(number)]:\(text)"]
    }
    return words
  }
}
