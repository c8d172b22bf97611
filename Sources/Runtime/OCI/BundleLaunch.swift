import Linux

/// The runtime's side of the exchange with a bundle's process (``BundleMessage``).
///
/// Call in order: ``spawn(_:groups:preserved:)``, ``send(_:descriptors:)``, ``wait()`` until what is awaited has
/// come, ``go()``. Going out of scope before the last ``go()`` ends the process.
struct BundleLaunch: ~Copyable {
  let child: Child
  private let socket: MessageSocket

  private init(child: consuming Child, socket: consuming MessageSocket) {
    self.child = child
    self.socket = socket
  }

  /// Starts the process inside its groups and, through ``NamespaceMaker`` where that is needed, in those
  /// namespaces that it must be born in.
  static func spawn(
    _ namespaces: NamespacePlan, cgroup: Cgroup?, preserved: UInt32
  ) throws(Failure) -> BundleLaunch {
    let program = try SealedExecutable.open()
    let pair = try MessageSocket.pair()
    let near = pair.near
    let far = pair.far
    var spawn = Spawn()
    spawn.arguments = ["minidock", "oci-init", String(preserved)]
    // Spares the Swift runtime's search for its backtrace program, which init could not run anyway.
    spawn.environment = ["SWIFT_BACKTRACE=enable=no,swift-backtrace=/"]
    spawn.socketNumber = 3 + Int32(preserved)
    var groups: [Int32] = []
    defer { for number in groups { ThisProcess.close(number) } }
    for path in cgroup?.joinPaths ?? [] {
      groups.append(try Descriptor.open(path, .write).release())
    }
    if namespaces.needsMaker {
      if let path = cgroup?.unifiedJoinPath {
        groups.append(try Descriptor.open(path, .write).release())
      }
      let child = try make(
        namespaces, spawn, program: program.raw, groups: groups, childSocket: far.descriptor.raw)
      return BundleLaunch(child: child, socket: near)
    }
    if namespaces.made.contains(.pid) { spawn.namespaces = .pid }
    spawn.joins = groups
    var group: Descriptor?
    if let path = cgroup?.directoryForClone {
      let opened = try Descriptor.open(path, .directory)
      spawn.cgroup = opened.raw
      group = consume opened
    }
    let child = try spawn.start(program: program, socket: far.descriptor)
    _ = group
    return BundleLaunch(child: child, socket: near)
  }

  private static func make(
    _ namespaces: NamespacePlan, _ spawn: Spawn, program: Int32, groups: [Int32],
    childSocket: Int32
  ) throws(Failure) -> Child {
    let pair = try MessageSocket.pair()
    let near = pair.near
    let far = pair.far
    let maker = NamespaceMaker(
      plan: namespaces, socket: far.descriptor.raw, program: program, groups: groups,
      spawn: spawn, childSocket: childSocket)
    let nearNumber = near.descriptor.raw
    let helper = try Processes.fork {
      // Or it would be its own other end and never see that the runtime is gone.
      ThisProcess.close(nearNumber)
      return maker.run()
    }
    _ = consume far
    do throws(Failure) {
      let child = try follow(near, namespaces, helper.pid)
      _ = try? Processes.wait(pidfd: helper.handle)
      return child
    } catch {
      // It may wait for an answer that does not come any more.
      Processes.signal(helper.handle, Signal.kill)
      _ = try? Processes.wait(pidfd: helper.handle)
      throw error
    }
  }

  private static func follow(
    _ near: borrowing MessageSocket, _ namespaces: NamespacePlan, _ helper: Int32
  ) throws(Failure) -> Child {
    while let message = try near.receive() {
      switch try BundleMessage(message.bytes) {
      case .unmapped:
        try IDMaps.write(namespaces.uidMappings, namespaces.gidMappings, of: helper)
        try near.send(BundleMessage.go.bytes)
      case .born(let pid):
        guard let handle = message.descriptors.first else { break }
        return Child(pid: pid, handle: Descriptor(owning: handle))
      case .failed(let failure): throw failure
      default: break
      }
    }
    throw Failure(.system, "create namespaces", reason: "the process that makes them ended")
  }

  /// Tells the process what to do.
  ///
  /// - Parameters:
  ///   - fifos: those of ``BundleStore``, or none.
  ///   - more: the namespaces to enter and the clones of mounts, in the plan's order.
  func send(
    _ plan: BundlePlan, fifos: [Int32], more: [Int32]
  ) throws(Failure) {
    var plan = plan
    try noteGroups(&plan)
    let memory = try MemoryFile.make(plan.bytes, name: "plan")
    try socket.send(BundleMessage.plan.bytes, descriptors: [memory.raw] + fifos)
    var rest = more[...]
    while !rest.isEmpty {
      try socket.send(BundleMessage.more.bytes, descriptors: Array(rest.prefix(8)))
      rest = rest.dropFirst(8)
    }
  }

  // A user namespace whose only group is an unprivileged user's own forbids setgroups(2) to whoever is in it
  // (CVE-2014-8989, security row 38).
  private func noteGroups(_ plan: inout BundlePlan) throws(Failure) {
    guard plan.isInUserNamespace,
      Files.text("/proc/\(child.pid)/setgroups")?.trimmed == "deny"
    else { return }
    guard plan.start.process.groups.isEmpty else {
      throw Failure.field(
        "process.user.additionalGids", "the container's user namespace forbids setgroups(2)",
        code: .unsupported, remedy: "map more than one group, with ranges in /etc/subgid")
    }
    plan.start.process.extras.keepsGroups = true
  }

  /// The next message of the process, with its descriptor.
  ///
  /// - Throws: its failure, or that it has ended.
  func wait() throws(Failure) -> BundleEvent {
    guard let received = try socket.receive() else {
      throw Failure(
        .system, "start container", reason: "its first process ended unexpectedly",
        remedy: "a limit of its memory may be too low")
    }
    let descriptor = received.descriptors.first.map { Descriptor(owning: $0) }
    let message = try BundleMessage(received.bytes)
    if case .failed(let failure) = message { throw failure }
    return BundleEvent(message: message, descriptor: descriptor)
  }

  func receive() throws(Failure) -> BundleMessage? {
    guard let received = try socket.receive() else { return nil }
    return try BundleMessage(received.bytes)
  }

  /// Lets the process go on.
  func go() throws(Failure) { try socket.send(BundleMessage.go.bytes) }

  /// Ends the exchange and hands out the process.
  consuming func intoChild() -> Child { child }
}

/// A message with the descriptor that it brought along.
struct BundleEvent: ~Copyable {
  let message: BundleMessage
  var descriptor: Descriptor?

  init(message: BundleMessage, descriptor: consuming Descriptor?) {
    self.message = message
    self.descriptor = descriptor
  }
}
