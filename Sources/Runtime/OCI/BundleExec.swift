import Linux

/// `exec`: a further process in a container.
public struct BundleExec: Sendable {
  let store: BundleStore

  /// What an engine asks beside the process.
  public struct Options: Sendable {
    /// `--detach`: the process goes on by itself.
    public var detaches = false
    /// `--pid-file`; nil for none.
    public var pidFile: String?
    /// `--console-socket`; nil for none.
    public var consoleSocket: String?
    /// `--pidfd-socket`: where a pidfd of the process is sent; nil for none.
    public var pidfdSocket: String?
    /// `--preserve-fds`.
    public var preserved: UInt32 = 0
    /// `--ignore-paused`: start it in a paused container too, where it waits.
    public var ignoresPause = false
    /// `--cgroup`: a group below the container's; nil for the container's own.
    public var cgroup: String?
    /// Told what is done in another way than the process asks.
    public var warn: @Sendable (String) -> Void = { _ in }

    /// runc's defaults.
    public init() {}
  }

  /// A process in a container of a store.
  public init(_ store: BundleStore) { self.store = store }

  /// The container's own process as the start of another one, from its copy of config.json.
  public func template(_ id: String) throws(Failure) -> Spec.Process {
    _ = try store.record(id)
    return try specification(id).process ?? Spec.Process()
  }

  /// A process in a file: what `exec --process` names.
  public static func process(file path: String) throws(Failure) -> Spec.Process {
    guard let bytes = try Files.read(path, limit: Bundle.documentLimit) else {
      throw Failure(.notFound, "read", path, reason: "no such file or directory")
    }
    do throws(JSONFault) { return try Spec.Process(json: JSONValue(parsing: bytes)) } catch {
      throw Failure(json: error, path)
    }
  }

  private func specification(_ id: String) throws(Failure) -> Spec {
    guard let bytes = try Files.read(store.config(id), limit: Bundle.documentLimit) else {
      throw Failure(
        .corrupt, "exec in container", id, reason: "its copy of config.json is missing")
    }
    var spec = try Bundle.parse(bytes, name: store.config(id))
    spec.normalize()
    return spec
  }

  /// Starts the process; returns when its command has been executed or cannot be.
  public func start(
    _ id: String, _ process: Spec.Process, _ options: Options
  ) throws(Failure) -> CreatedContainer {
    let record = try store.record(id)
    let status = store.status(of: record)
    guard let first = record.process, [.running, .created, .paused].contains(status) else {
      throw Failure(
        .inUse, "exec in container", id, reason: "cannot exec in a \(status.rawValue) container",
        remedy: "start it first")
    }
    if status == .paused, !options.ignoresPause {
      throw Failure(
        .inUse, "exec in container", id, reason: "cannot exec in a paused container",
        remedy: "use --ignore-paused, or resume it")
    }
    let spec = try specification(id)
    try BundleCheck(spec: spec, bundle: record.bundle).checkProcess(process, "process")
    try check(process, options)
    var process = process
    process.capabilities?.leaveOutUnknown(options.warn)
    let cgroup = try group(of: record, options)
    var (namespaces, joins) = try open(spec, of: first)
    defer {
      namespaces.close()
      for join in joins { ThisProcess.close(join.descriptor) }
    }
    var plan = BundlePlan()
    plan.isExec = true
    plan.isInUserNamespace = namespaces.hasUser
    plan.joins = joins.map(\.kind)
    plan.start.process = try ProcessPlan(
      bundle: process, linux: spec.linux ?? Spec.Linux(), try filter(spec, process))
    plan.start.process.makesWorkingDirectory = false
    if !namespaces.hasUser { plan.start.process.limitCapabilities(options.warn) }
    plan.start.process.limitToGrantable(options.warn)
    try PreservedDescriptors.prepare(options.preserved, &plan.start.process)
    // Only children are to be born there; without a user namespace this process can do so itself.
    if !namespaces.hasUser, let entry = namespaces.joined.first(where: { $0.kind == .pid }) {
      try Namespaces.pid.join(
        try Descriptor.duplicate(of: entry.descriptor), object: entry.field)
      ThisProcess.close(entry.descriptor)
      namespaces.joined = []
    }
    let launch = try BundleLaunch.spawn(
      namespaces, cgroup: SystemdScope.mustAttach(record.unit) ? nil : cgroup,
      preserved: options.preserved)
    return try follow(
      launch, plan, record, spec, process, options, joins: joins.map(\.descriptor))
  }

  private func follow(
    _ launch: consuming BundleLaunch, _ plan: BundlePlan, _ record: BundleRecord, _ spec: Spec,
    _ process: Spec.Process, _ options: Options, joins: [Int32]
  ) throws(Failure) -> CreatedContainer {
    var terminal: Descriptor?
    do throws(Failure) {
      if SystemdScope.mustAttach(record.unit) {
        try SystemdScope.attach(launch.child.pid, to: record.unit, below: options.cgroup)
      }
      if let adjust = process.oomScoreAdj {
        try OOMScore.write(adjust, of: launch.child.pid)
      }
      try launch.send(plan, fifos: [], more: joins)
      terminal = try waitUntilReady(launch, record, spec, options)
      if let path = options.pidfdSocket {
        try StreamSocket.send(
          Array("setns".utf8), descriptor: launch.child.handle.raw, to: path)
      }
      if let path = options.pidFile {
        try Files.replace(path, with: Array(String(launch.child.pid).utf8), mode: 0o644)
      }
      try launch.go()
      try launch.waitForExec()
    } catch {
      Processes.signal(launch.child.handle, Signal.kill)
      _ = try? Processes.wait(pidfd: launch.child.handle)
      throw error
    }
    return CreatedContainer(record: record, child: launch.intoChild(), terminal: terminal)
  }

  private func waitUntilReady(
    _ launch: borrowing BundleLaunch, _ record: BundleRecord, _ spec: Spec, _ options: Options
  ) throws(Failure) -> Descriptor? {
    var terminal: Descriptor?
    while true {
      var event = try launch.wait()
      switch event.message {
      case .terminal:
        guard let master = event.descriptor.take() else { break }
        if let path = options.consoleSocket {
          try StreamSocket.send(Array("/dev/ptmx".utf8), descriptor: master.raw, to: path)
        } else {
          terminal = consume master
        }
      case .listener:
        guard let listener = event.descriptor.take() else { break }
        try SeccompListener.hand(
          listener, of: spec,
          state: record.document(status: .running, pid: record.process?.pid),
          version: record.version, pid: launch.child.pid)
      case .ready: return terminal
      default: break
      }
    }
  }

  private func check(_ process: Spec.Process, _ options: Options) throws(Failure) {
    let hasTerminal = process.terminal ?? false
    if hasTerminal, options.detaches, options.consoleSocket == nil {
      throw Failure.field(
        "process.terminal", "cannot allocate tty without a console socket",
        remedy: "give --console-socket")
    }
    if !hasTerminal, options.consoleSocket != nil {
      throw Failure.field(
        "--console-socket", "cannot use console socket: process.terminal is false")
    }
  }

  private func group(of record: BundleRecord, _ options: Options) throws(Failure) -> Cgroup? {
    guard !record.cgroup.isEmpty, let hierarchy = try? CgroupHierarchy.detect() else {
      return nil
    }
    guard let below = options.cgroup, !below.isEmpty, below != "/" else {
      let group = Cgroup(existing: record.cgroup, in: hierarchy)
      return record.unit.isEmpty ? group : group.joiningUnit()
    }
    let path = (record.cgroup + "/" + below).tidyPath
    try Cgroup.validate(path: path)
    let group = Cgroup(existing: path, in: hierarchy)
    guard group.exists else {
      throw Failure(
        .notFound, "use", "--cgroup \(below)", reason: "the container has no such cgroup")
    }
    return group
  }

  private func filter(_ spec: Spec, _ process: Spec.Process) throws(Failure) -> [UInt8]? {
    guard let profile = spec.linux?.seccomp else { return nil }
    let bounding = try CapabilitySets.mask(of: process.capabilities?.bounding ?? [])
    return try SeccompCache(directory: store.seccompCache)
      .program(profile, capabilities: bounding, allowsListener: true)
  }

  /// What the process must be born in, and what it enters afterwards: the program that does so is loaded in
  /// the host's mount namespace, where no file of the container's can stand in for a library.
  private func open(
    _ spec: Spec, of first: ProcessIdentity
  ) throws(Failure) -> (NamespacePlan, [(kind: Namespaces, descriptor: Int32)]) {
    var plan = NamespacePlan()
    var joins: [(kind: Namespaces, descriptor: Int32)] = []
    let files: [(kind: Namespaces, name: String)] = [
      (.pid, "pid"), (.user, "user"), (.ipc, "ipc"), (.uts, "uts"), (.network, "net"),
      (.cgroup, "cgroup"), (.time, "time"), (.mount, "mnt"),
    ]
    for (kind, name) in files {
      let isOwn = (spec.linux?.namespaces ?? []).contains { LinuxCheck.kind($0.type) == kind }
      guard isOwn else { continue }
      do throws(Failure) {
        let descriptor = try Descriptor.open("/proc/\(first.pid)/ns/\(name)", .read)
        if kind == .pid || kind == .user {
          plan.joined.append((kind, descriptor.release(), "the container's \(name) namespace"))
        } else {
          joins.append((kind, descriptor.release()))
        }
      } catch {
        plan.close()
        for join in joins { ThisProcess.close(join.descriptor) }
        throw Failure(errno: error.errno, "enter container", remedy: "it may have ended")
      }
    }
    // Whatever was opened is held now: only then is it compared whose it is.
    guard first.isAlive else {
      plan.close()
      for join in joins { ThisProcess.close(join.descriptor) }
      throw Failure(.inUse, "exec in container", reason: "container not running")
    }
    return (plan, joins)
  }
}

extension BundleLaunch {
  /// Waits for the exec, which closes the process's end; or for what kept it from that.
  func waitForExec() throws(Failure) {
    while let received = try receive() {
      if case .failed(let failure) = received { throw failure }
    }
  }
}
