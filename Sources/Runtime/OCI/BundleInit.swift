import Linux

/// `minidock oci-init`: the first process of a bundle's container, or a further one (exec), from its birth
/// to the command's exec.
///
/// Unlike ``ContainerInit`` it outlives the process that has started it: between `create` and `start` it
/// waits alone, with nothing open but the two fifos.
public struct BundleInit: ~Copyable {
  private let socket: MessageSocket
  private let socketNumber: Int32
  private var plan = BundlePlan()
  /// The fifo that `start` writes to, and the one that tells it how the exec went.
  private var startFifo: Descriptor?
  private var resultFifo: Descriptor?
  /// Whether the runtime has let go.
  private var isAlone = false
  private var rootNumber: Int32 = -1
  private var joins: [Int32] = []
  private var clones: [Int32] = []
  /// Made before anything can stand in for /proc, when something is to be written there.
  private var procfs: Root?

  /// The whole life of the process: does not return unless something failed.
  ///
  /// - Parameter words: how many descriptors from 3 on belong to the command; the socket comes after them.
  /// - Returns: the exit status after a failure, which has been reported.
  public static func main(_ words: [String]) -> Int32 {
    let preserved = words.first.flatMap { Int32($0) } ?? 0
    let number = 3 + max(0, min(preserved, 1 << 20))
    // Nothing that the caller left open reaches the container (CVE-2024-21626, security row 2), and
    // nobody in it may look into this process before the exec (row 1).
    ThisProcess.closeDescriptors(from: UInt32(number + 1), atExec: true)
    ThisProcess.closeAtExec(number)
    ThisProcess.forbidInspection()
    ThisProcess.handle(Signal.pipe, ignoring: false)
    var process = BundleInit(
      socket: MessageSocket(Descriptor(owning: number)), socketNumber: number)
    do throws(Failure) { try process.run() } catch { process.report(error) }
    return 1
  }

  private init(socket: consuming MessageSocket, socketNumber: Int32) {
    self.socket = socket
    self.socketNumber = socketNumber
  }

  // To the runtime; once that is gone, through the fifo to whoever says `start`.
  private func report(_ failure: Failure) {
    if isAlone, let fifo = Descriptor.borrow(resultFifo) {
      var writer = WireWriter()
      writer.put(failure)
      try? Descriptor.duplicate(of: fifo).write(writer.bytes)
    } else {
      try? socket.send(BundleMessage.failed(failure).bytes)
    }
  }

  private mutating func run() throws(Failure) {
    try receivePlan()
    if plan.isExec { return try enter() }
    try makeNamespaces()
    var executor = try mountRoot()
    try send(.mounted)
    try waitForGo()
    try HookRun.run(
      plan.createContainer, point: "createContainer", state: seenInside(plan.creating))
    if let terminal = executor.takeTerminal() { try useTerminal(terminal) }
    try enterRoot()
    try reopenNull()
    if !plan.start.hostname.isEmpty { try ThisProcess.setHostName(plan.start.hostname) }
    if !plan.start.domainname.isEmpty { try ThisProcess.setDomainName(plan.start.domainname) }
    if let procfs = procfs.take() {
      try Sysctls.apply(plan.start.sysctls, through: procfs)
      try plan.start.process.extras.label(through: procfs)
    }
    let environment = try becomeCommand()
    try tellReady()
    try waitForStart()
    // Its own number is free now; the socket's owner must not close what comes to be there.
    try HookRun.run(
      plan.startContainer, point: "startContainer", state: seenInside(plan.created))
    try search(environment).execute()
  }

  // Hooks in the container's namespaces read the pid as these number it (runtime-spec, "State").
  private func seenInside(_ state: String) -> String {
    guard case .object(var members) = try? JSONValue(parsing: Array(state.utf8)),
      let index = members.firstIndex(where: { $0.key == "pid" })
    else { return state }
    members[index].value = .number(Int64(ThisProcess.id))
    return JSONValue.object(members).compact
  }

  // MARK: - The first process

  private mutating func makeNamespaces() throws(Failure) {
    for (index, kind) in plan.joins.enumerated() {
      try kind.join(Descriptor.duplicate(of: joins[index]), object: "linux.namespaces")
    }
    for number in joins { ThisProcess.close(number) }
    joins = []
    if !plan.start.namespaces.isEmpty { try plan.start.namespaces.unshare() }
    // An engine that leaves the network to the runtime expects loopback to work, as with runc and crun.
    if plan.start.namespaces.contains(.network) { try NetworkNamespace.raiseLoopback() }
  }

  private mutating func mountRoot() throws(Failure) -> MountExecutor {
    let start = plan.start
    if start.rootPropagation == .shared {
      // What is mounted in the container may reach the host, but not its root itself.
      try Mounts.makeHostPrivate(start.root.directory)
    } else {
      // Slave first: nothing mounted from here on may reach the host's namespace.
      try Mounts.setRootPropagation(start.rootPropagation == .isPrivate ? .isPrivate : .slave)
    }
    if !start.sysctls.isEmpty || start.process.extras.hasLabel { procfs = try Sysctls.procfs() }
    let name = start.root.directory
    let directory: Descriptor
    if plan.rootIsCloned, let number = clones.first {
      // The root's clone comes first: from inside a user namespace its path may not be reached.
      let clone = DetachedMount(descriptor: Descriptor(owning: number))
      clones.removeFirst()
      try clone.attach(to: try Descriptor.open("/", .path), object: name)
      directory = try clone.descriptor.open(".", .directory)
      rootNumber = try directory.duplicate().release()
    } else {
      try RootMount.attach(start.root)
      directory = try Descriptor.open(name, .directory)
      rootNumber = try directory.duplicate().release()
    }
    var executor = MountExecutor(
      root: Root(directory, name: ""), clones: clones, bindsDevices: plan.isInUserNamespace)
    for step in start.steps { try executor.run(step) }
    for number in clones { ThisProcess.close(number) }
    clones = []
    return executor
  }

  private mutating func enterRoot() throws(Failure) {
    let root = Descriptor(owning: rootNumber)
    let name = plan.start.root.directory
    let propagation = plan.start.rootPropagation
    if plan.avoidsPivot {
      try Mounts.moveToRoot(root, name: name)
    } else {
      try Mounts.pivot(to: root, name: name, isShared: propagation == .shared)
    }
    try RootMount.finish(propagation: propagation, readOnly: plan.start.rootReadOnly)
  }

  private func useTerminal(_ terminal: consuming TerminalPair) throws(Failure) {
    let process = plan.start.process
    if let size = process.terminalSize { Terminal.setSize(size, of: terminal.master.raw) }
    if process.uid != 0 || process.gid != 0 {
      // As a login would: the command may open its own terminal again.
      try? terminal.peer.changeOwner(uid: process.uid)
    }
    try socket.send(BundleMessage.terminal.bytes, descriptors: [terminal.master.raw])
    for number in 0...2 as ClosedRange<Int32> {
      try ThisProcess.place(terminal.peer.raw, at: number)
    }
  }

  // MARK: - A further process

  // The namespaces of the container's first process, by its pidfd; then a terminal of the container's own.
  private mutating func enter() throws(Failure) {
    for (index, kind) in plan.joins.enumerated() {
      do throws(Failure) { try kind.join(Descriptor.duplicate(of: joins[index])) } catch {
        throw Failure(errno: error.errno, "enter container", remedy: "it may have ended")
      }
    }
    for number in joins { ThisProcess.close(number) }
    let process = plan.start.process
    if process.extras.hasLabel { procfs = try Sysctls.procfs() }
    if plan.isInUserNamespace { try ThisProcess.becomeNamespaceRoot() }
    if process.hasTerminal {
      let devpts = try Root(path: "/").plainDirectory("/dev/pts")
      guard devpts.isTerminalFileSystem else {
        throw Failure(
          .refused, "open terminal", "/dev/pts", reason: "the container has no devpts there")
      }
      try useTerminal(try Terminal.openPair(devpts: devpts))
    }
    try reopenNull()
    if let procfs = procfs.take() { try process.extras.label(through: procfs) }
    let environment = try becomeCommand()
    try tellReady()
    try search(environment).execute()
  }

  // Where the runtime was given the host's null device, the container's own takes its place: a process that
  // holds a file of no mount of its own cannot be checkpointed.
  private func reopenNull() throws(Failure) {
    for number in 0...2 as ClosedRange<Int32> {
      guard let held = try? Descriptor.duplicate(of: number),
        let status = try? held.fileStatus(), status.isNull,
        let own = try? FileStatus("/dev/null"), own.isNull, own.device != status.device,
        let null = try? Descriptor.open("/dev/null", .readWrite)
      else { continue }
      try ThisProcess.place(null.raw, at: number)
    }
  }

  // MARK: - The command

  private func becomeCommand() throws(Failure) -> [String] {
    let start = ProcessStart(plan: plan.start.process, socket: socketNumber)
    let environment: [String]
    do throws(Failure) {
      environment = try start.prepare(
        check: { (environment) throws(Failure) in try search(environment).check() },
        listener: { (listener) throws(Failure) in
          try socket.send(BundleMessage.listener.bytes, descriptors: [listener.raw])
        })
    } catch {
      throw inField(error)
    }
    return environment
  }

  // What of the specification asked for something that the kernel refused.
  private func inField(_ failure: Failure) -> Failure {
    switch failure.operation {
    case "set limit":
      let limits = plan.start.process.rlimits
      let index = limits.firstIndex { $0.name == failure.object } ?? 0
      return failure.during("use", "process.rlimits[\(index)]")
    case "change directory to":
      let reason = failure.reason.isEmpty ? errorText(failure.errno) : failure.reason
      return .field("process.cwd", "\(failure.object): \(reason)", code: failure.code)
    default: return failure
    }
  }

  private func search(_ environment: [String]) -> CommandSearch {
    CommandSearch(
      arguments: plan.start.process.arguments, environment: environment,
      firstClosed: 3 + plan.start.process.extras.preserved)
  }

  // Nothing but one read(2): the filter is in place already and knows only the command's calls. The fifo is
  // open for writing here too, so that the read waits however often `start` opens and closes it.
  private mutating func waitForStart() throws(Failure) {
    isAlone = true
    ThisProcess.close(socketNumber)
    guard let fifo = startFifo.take() else { return }
    _ = try readSome(fifo.raw, limit: 1)
  }

  // MARK: - Messages

  private mutating func receivePlan() throws(Failure) {
    let (message, descriptors) = try receive()
    guard case .plan = message, let memory = descriptors.first else {
      throw Failure(.corrupt, "start container", reason: "minidock oci-init is internal")
    }
    if descriptors.count == 3 {
      startFifo = Descriptor(owning: descriptors[1])
      resultFifo = Descriptor(owning: descriptors[2])
    }
    let file = Descriptor(owning: memory)
    plan = try BundlePlan(try file.readToEnd(limit: 64 << 20, object: "plan"))
    var more: [Int32] = []
    while more.count < plan.joins.count + Int(plan.cloneCount) {
      let (message, descriptors) = try receive()
      guard case .more = message, !descriptors.isEmpty else {
        throw Failure(.corrupt, "start container", reason: "unexpected message")
      }
      more += descriptors
    }
    joins = Array(more[..<plan.joins.count])
    clones = Array(more[plan.joins.count...])
  }

  private func receive() throws(Failure) -> (BundleMessage, [Int32]) {
    // Without the runtime nobody would wait for this container.
    guard let message = try socket.receive() else { exitProcess(1) }
    return (try BundleMessage(message.bytes), message.descriptors)
  }

  private func waitForGo() throws(Failure) {
    guard case (.go, _) = try receive() else {
      throw Failure(.corrupt, "start container", reason: "unexpected message")
    }
  }

  private func send(_ message: BundleMessage) throws(Failure) { try socket.send(message.bytes) }

  // By read(2) and write(2): a filter that is in place may know no other calls.
  private func tellReady() throws(Failure) {
    try socket.descriptor.write(BundleMessage.ready.bytes, object: "message")
    let answer = try readSome(socketNumber, limit: 4096)
    guard !answer.isEmpty else { exitProcess(1) }
    guard case .go = try BundleMessage(answer) else {
      throw Failure(.corrupt, "start container", reason: "unexpected message")
    }
  }
}

extension FileStatus {
  fileprivate var isNull: Bool { kind == .characterDevice && major == 1 && minor == 3 }
}
