import Linux

/// `create`: makes everything of a container but its command.
///
/// In the order of the specification's lifecycle; what is made can be found by the record, which is written
/// first, so that `delete --force` clears what a kill leaves at any point.
public struct BundleCreation: ~Copyable {
  let store: BundleStore
  let options: BundleOptions
  let bundle: Bundle
  private(set) var record: BundleRecord
  private let lock: FileLock
  private let hierarchy: CgroupHierarchy?
  /// What systemd is asked for; nil for the cgroupfs driver.
  private let unit: SystemdUnit?
  /// The terminal's master, when nobody but this process takes it.
  private var terminal: Descriptor?

  /// Makes the container and leaves it waiting for `start`.
  ///
  /// - Returns: the first process, a child of this one, and its terminal when there is no console socket.
  /// - Throws: what failed; nothing that was made remains.
  public static func create(
    _ id: String, _ options: BundleOptions, in store: BundleStore
  ) throws(Failure) -> CreatedContainer {
    try BundleStore.validate(id: id)
    var bundle = try Bundle(path: options.bundle)
    bundle.spec.process?.capabilities?.leaveOutUnknown(options.warn)
    try check(options, bundle.spec.process?.terminal ?? false)
    let unit = options.usesSystemd ? try SystemdUnit.wanted(by: bundle.spec, id: id) : nil
    var creation = try BundleCreation(id, bundle, options, store, unit)
    do throws(Failure) {
      return try creation.run()
    } catch {
      creation.undo()
      throw error
    }
  }

  private init(
    _ id: String, _ bundle: Bundle, _ options: BundleOptions, _ store: BundleStore,
    _ unit: SystemdUnit?
  ) throws(Failure) {
    self.unit = unit
    self.store = store
    self.options = options
    self.bundle = bundle
    hierarchy = try? CgroupHierarchy.detect()
    var record = BundleRecord(id, of: bundle)
    record.choose(
      group: bundle.spec.linux?.cgroupsPath ?? "", unit, hasGroups: hierarchy != nil)
    lock = try store.claim(id)
    self.record = record
  }

  // A terminal needs somebody to take its other end, and only a terminal does.
  private static func check(_ options: BundleOptions, _ hasTerminal: Bool) throws(Failure) {
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

  private mutating func run() throws(Failure) -> CreatedContainer {
    try store.write(record)
    try Files.replace(store.config(record.id), with: bundle.document, mode: 0o600)
    let cgroup = try makeCgroup()
    let linux = bundle.spec.linux ?? Spec.Linux()
    let namespaces = try NamespacePlan(linux)
    defer { namespaces.close() }
    let filter = try compileFilter(linux)
    try Fifos.make(store.startFifo(record.id))
    try Fifos.make(store.resultFifo(record.id))
    let launch = try BundleLaunch.spawn(
      namespaces, cgroup: cgroup, preserved: options.preserved)
    do throws(Failure) {
      // A scope is made around a process that is there already.
      let group = try unit.map { (unit) throws(Failure) in
        try record.enter(unit, launch.child.pid, bundle.resources, in: hierarchy)
      }
      var plan = try BundlePlan(bundle, cgroup: group ?? cgroup, seccomp: filter)
      try complete(&plan, namespaces)
      let late = namespaces.needsMaker ? [] : namespaces.joined
      plan.joins = late.map(\.kind)
      var clones = MountClones()
      try clones.make(for: bundle, hasUserNamespace: namespaces.hasUser, &plan)
      try follow(launch, &plan, more: late.map(\.descriptor) + clones.numbers)
    } catch {
      Processes.signal(launch.child.handle, Signal.kill)
      _ = try? Processes.wait(pidfd: launch.child.handle)
      throw error
    }
    return CreatedContainer(
      record: record, child: launch.intoChild(), terminal: terminal.take())
  }

  private func complete(_ plan: inout BundlePlan, _ namespaces: NamespacePlan) throws(Failure) {
    plan.start.namespaces = namespaces.madeLate
    plan.isInUserNamespace = namespaces.hasUser
    plan.avoidsPivot = options.avoidsPivot
    if !namespaces.hasUser { plan.start.process.limitCapabilities(options.warn) }
    plan.start.process.limitToGrantable(options.warn)
    try prepare(&plan.start.process)
  }

  private mutating func follow(
    _ launch: borrowing BundleLaunch, _ plan: inout BundlePlan, more: [Int32]
  ) throws(Failure) {
    let pid = launch.child.pid
    guard let identity = ProcessIdentity(of: pid) else {
      throw Failure(.system, "start container", reason: "its first process ended unexpectedly")
    }
    record.process = identity
    try store.write(record)
    if let adjust = bundle.spec.process?.oomScoreAdj {
      try OOMScore.write(adjust, of: pid)
    }
    plan.creating = record.document(status: .creating, pid: pid).compact
    plan.created = record.document(status: .created, pid: pid).compact
    let start = try Fifos.open(store.startFifo(record.id), blocking: true)
    let result = try Fifos.open(store.resultFifo(record.id), blocking: false)
    try launch.send(plan, fifos: [start.raw, result.raw], more: more)
    _ = try launch.wait()
    try moveLinks(to: pid)
    let hooks = bundle.spec.hooks
    try HookRun.run(hooks?.prestart ?? [], point: "prestart", state: plan.creating)
    try HookRun.run(hooks?.createRuntime ?? [], point: "createRuntime", state: plan.creating)
    try launch.go()
    try waitUntilReady(launch)
    if let program = try? FileStatus("/proc/\(pid)/exe") {
      record.waiting = (program.device, program.inode)
    }
    record.isReady = true
    try store.write(record)
    // Engines read it as soon as it is there, and ask for the state then.
    if let path = options.pidFile {
      try Files.replace(path, with: Array(String(pid).utf8), mode: 0o644)
    }
    if let path = options.pidfdSocket {
      try StreamSocket.send(
        Array("standard".utf8), descriptor: launch.child.handle.raw, to: path)
    }
    try launch.go()
  }

  private mutating func waitUntilReady(_ launch: borrowing BundleLaunch) throws(Failure) {
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
          listener, of: bundle.spec,
          state: record.document(status: .creating, pid: record.process?.pid),
          version: record.version, pid: launch.child.pid)
      case .ready: return
      default: break
      }
    }
  }

  // MARK: - Parts

  private func moveLinks(to pid: Int32) throws(Failure) {
    let devices = (bundle.spec.linux?.netDevices ?? [:]).sorted { $0.key < $1.key }
    guard !devices.isEmpty else { return }
    guard let move = options.moveLink else {
      throw Failure.field(
        "linux.netDevices", "this runtime does not move links", code: .unsupported)
    }
    let namespace = try Descriptor.open("/proc/\(pid)/ns/net", .read)
    for (name, device) in devices {
      do throws(Failure) { try move(name, device.name ?? name, namespace.raw) } catch {
        throw error.during("use", "linux.netDevices.\(name)")
      }
    }
  }

  private func makeCgroup() throws(Failure) -> Cgroup? {
    guard unit == nil, let hierarchy, !record.cgroup.isEmpty else { return nil }
    let resources = bundle.resources
    do throws(Failure) {
      return try Cgroup.create(
        path: record.cgroup, resources: resources, in: hierarchy, everywhere: true)
    } catch  where error.isDenied && !ThisProcess.isRoot && resources == Resources() {
      // Without root there is often no group to be had; nothing that needs one is asked for.
      return nil
    } catch {
      throw error.during("use", resources.field(of: error))
    }
  }

  private func compileFilter(_ linux: Spec.Linux) throws(Failure) -> [UInt8]? {
    guard let profile = linux.seccomp else { return nil }
    let bounding = try CapabilitySets.mask(
      of: bundle.spec.process?.capabilities?.bounding ?? [])
    do throws(Failure) {
      return try SeccompCache(directory: store.seccompCache)
        .program(profile, capabilities: bounding, allowsListener: true)
    } catch {
      throw error.during("use", "linux.seccomp")
    }
  }

  private func prepare(_ process: inout ProcessPlan) throws(Failure) {
    process.extras.keepsKeyring = options.keepsKeyring
    try PreservedDescriptors.prepare(options.preserved, &process)
  }

  /// Removes all that was made, after a failure.
  private func undo() {
    // After a `delete --force` there may be another container of this id.
    if let other = try? store.record(record.id), other.created != record.created { return }
    record.removeGroup(in: hierarchy)
    try? Files.removeTree(store.directory(record.id))
    if record.process != nil { PostStop.run(bundle.spec.hooks, record) }
  }
}

/// A container that waits for `start`.
public struct CreatedContainer: ~Copyable {
  /// What is written down about it.
  public let record: BundleRecord
  /// Its first process, a child of this one.
  public let child: Child
  /// The master of its terminal; nil without one, or when it went to the console socket.
  public var terminal: Descriptor?

  init(record: BundleRecord, child: consuming Child, terminal: consuming Descriptor?) {
    self.record = record
    self.child = child
    self.terminal = terminal
  }

  consuming func intoChild() -> Child { child }
}
