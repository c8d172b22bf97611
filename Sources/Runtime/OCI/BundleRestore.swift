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
    if place.usesSystemd {
      throw Failure(
        .unsupported, "restore container", id,
        reason: "minidock cannot restore into a scope of systemd's",
        remedy: "leave --systemd-cgroup out")
    }
    let criu = try program()
    let hierarchy = try? CgroupHierarchy.detect()
    var record = BundleRecord(id, of: bundle)
    let path = bundle.spec.linux?.cgroupsPath ?? ""
    if hierarchy != nil { record.cgroup = path.isEmpty ? "/minidock-oci/" + id : path }
    let lock = try store.claim(id)
    defer { _ = lock.raw }
    do throws(Failure) {
      try store.write(record)
      try Files.replace(store.config(id), with: bundle.document, mode: 0o600)
      if let hierarchy {
        _ = try Cgroup.create(
          path: record.cgroup, resources: bundle.resources, in: hierarchy, everywhere: true)
      }
      let pid = try run(criu, record, bundle)
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
    if let hierarchy, !record.cgroup.isEmpty {
      let group = Cgroup(existing: record.cgroup, in: hierarchy)
      if record.process != nil || group.processes().isEmpty { try? group.remove() }
    }
    try? Files.removeTree(store.directory(record.id))
  }

  private func run(
    _ criu: String, _ record: BundleRecord, _ bundle: Bundle
  ) throws(Failure) -> Int32 {
    let images = try Bundle.absolute(options.images)
    let call = CriuCall(options, images: images)
    // It wants a mount point, and nothing mounted over its parents.
    let root = store.directory(record.id) + "/root"
    let pidFile = store.directory(record.id) + "/criu.pid"
    try Files.makeDirectories(root, mode: 0o700)
    var words = call.restore(
      rootfs: root, pidFile: pidFile, cgroup: record.cgroup,
      external: CriuMounts(bundle.spec, bundle: bundle.path).restored())
    let network = try joinedNetwork(bundle.spec)
    let number = Descriptor.borrow(network)
    if let number { words += ["--inherit-fd", "fd[\(number)]:\(CriuCall.networkKey)"] }
    words += try pipes(images)
    let child = try Processes.fork {
      do throws(Failure) {
        // What is mounted for criu's sake goes with it.
        try Namespaces.mount.unshare()
        try Mounts.setRootPropagation(.slave)
        let clone = try DetachedMount.clone(path: bundle.rootfs, recursive: true)
        try clone.attach(to: try Descriptor.open(root, .path), object: root)
      } catch {
        Console.error("minidock-oci: \(error)")
        return 125
      }
      if let number { ThisProcess.keepAtExec(number) }
      _ = ThisProcess.execute(
        criu, arguments: [criu] + words, environment: ProgramCall.environment)
      return 127
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
