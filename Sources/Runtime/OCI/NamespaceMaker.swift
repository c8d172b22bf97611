import Linux

/// The namespaces that a bundle's process lives in.
struct NamespacePlan {
  /// New ones.
  var made: Namespaces = []
  /// Those to enter, opened, with the field that names them.
  var joined: [(kind: Namespaces, descriptor: Int32, field: String)] = []
  /// How a new user namespace numbers ids.
  var uidMappings: [Spec.IDMapping] = []
  var gidMappings: [Spec.IDMapping] = []
  /// The text of /proc/self/timens_offsets; "" leaves the clocks.
  var timeOffsets = ""

  /// Whether a process in between has to make some before the container's first is born: what counts for
  /// children only, and a user namespace, whose rights an exec in it would lose.
  var needsMaker: Bool {
    !made.isDisjoint(with: [.user, .time])
      || joined.contains { !$0.kind.isDisjoint(with: [.user, .time, .pid]) }
  }

  /// Whether the process lives in another user namespace than the runtime.
  var hasUser: Bool { made.contains(.user) || joined.contains { $0.kind == .user } }
}

/// The process between the runtime and a container's first one: enters and makes the namespaces that the
/// first one must be born in, and bears it as the runtime's own child.
struct NamespaceMaker {
  let plan: NamespacePlan
  let socket: Int32
  /// Opened by the runtime: the sealed program, and the groups' files of tasks.
  let program: Int32
  let groups: [Int32]
  let spawn: Spawn
  let childSocket: Int32

  /// The whole life of the process.
  func run() -> Int32 {
    let reporter = MessageSocket(Descriptor(owning: socket))
    do throws(Failure) {
      try bear(reporter)
      return 0
    } catch {
      try? reporter.send(BundleMessage.failed(error).bytes)
      return 1
    }
  }

  private func bear(_ reporter: borrowing MessageSocket) throws(Failure) {
    // Opened while it is this process's own by the host's reckoning.
    let offsets: Descriptor? =
      plan.timeOffsets.isEmpty
      ? nil : try Descriptor.open("/proc/self/timens_offsets", .write)
    for group in groups { try Descriptor.duplicate(of: group).write([UInt8(ascii: "0")]) }
    // With the host's rights as far as they reach; what they do not, the user namespace's may.
    var late: [(kind: Namespaces, descriptor: Int32, field: String)] = []
    for entry in plan.joined where entry.kind != .user {
      do throws(Failure) { try join(entry) } catch {
        guard plan.hasUser else { throw error }
        late.append(entry)
      }
    }
    if plan.made.contains(.user) {
      try Namespaces.user.unshare()
      try reporter.send(BundleMessage.unmapped.bytes)
      guard try reporter.receive() != nil else { exitProcess(1) }
    }
    for entry in plan.joined where entry.kind == .user { try join(entry) }
    if plan.hasUser { try ThisProcess.becomeNamespaceRoot() }
    for entry in late { try join(entry) }
    if plan.made.contains(.time) { try makeTimeNamespace(offsets) }
    var spawn = spawn
    spawn.isSibling = true
    if plan.made.contains(.pid) { spawn.namespaces = .pid }
    let child = try spawn.start(
      program: Descriptor(owning: program), socket: Descriptor(owning: childSocket))
    try reporter.send(
      BundleMessage.born(pid: child.pid).bytes, descriptors: [child.handle.raw])
  }

  private func join(
    _ entry: (kind: Namespaces, descriptor: Int32, field: String)
  ) throws(Failure) {
    try entry.kind.join(try Descriptor.duplicate(of: entry.descriptor), object: entry.field)
  }

  private func makeTimeNamespace(_ offsets: borrowing Descriptor?) throws(Failure) {
    try Namespaces.time.unshare()
    guard let number = Descriptor.borrow(offsets) else { return }
    do throws(Failure) {
      try Descriptor.duplicate(of: number).write(Array(plan.timeOffsets.utf8))
    } catch {
      throw Failure(errno: error.errno, "set", "linux.timeOffsets")
    }
  }
}
