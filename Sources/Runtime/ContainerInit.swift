import Linux

/// `minidock init`: the first process of a container, from the clone to the command's exec.
///
/// It runs with the host's rights until the plan's process takes over, so it reads nothing but the
/// plan, follows no path of the image except through ``Root``, and reports a failure whole.
public struct ContainerInit: ~Copyable {
  private let socket: MessageSocket
  private var plan = InitPlan()
  private var lastStep = Timestamp.monotonic

  /// The descriptor of the socket to the parent, as ``Spawn`` leaves it.
  public static let socketNumber: Int32 = 3

  /// The whole life of the process: does not return unless something failed.
  ///
  /// - Returns: the exit status after a failure, which has been reported to the parent.
  public static func main() -> Int32 {
    // Nothing that the parent left open reaches the container (CVE-2024-21626, security row 2), and
    // nobody in it may look into this process before the exec (row 1).
    ThisProcess.closeDescriptors(from: 4, atExec: true)
    ThisProcess.closeAtExec(socketNumber)
    ThisProcess.forbidInspection()
    // A container never outlives the monitor that is its parent.
    try? ThisProcess.setParentDeathSignal(Signal.kill)
    ThisProcess.handle(Signal.pipe, ignoring: false)
    var container = ContainerInit(
      socket: MessageSocket(Descriptor(owning: socketNumber)))
    do throws(Failure) {
      try container.run()
    } catch {
      try? container.socket.send(InitMessage.failed(error).bytes)
      return switch error.code {
      case .commandNotFound: 127
      case .notExecutable: 126
      default: 125
      }
    }
    return 0
  }

  private init(socket: consuming MessageSocket) { self.socket = socket }

  private mutating func run() throws(Failure) {
    let (first, target) = try receiveFirst()
    if case .join(let namespaces, let process) = first, let target {
      return try ContainerJoin(socket: socket.descriptor.raw, plan: process)
        .execute(in: namespaces, of: target)
    }
    guard case .begin(let namespaces, let traced) = first else {
      throw Failure(.corrupt, "start container", reason: "minidock init is internal to minidock")
    }
    plan.traced = traced
    try make(namespaces)
    guard case .plan(let received) = try receive() else {
      throw Failure(.corrupt, "start container", reason: "unexpected message")
    }
    plan = received
    mark("wait for plan")
    try adjustOOMScore()
    try makeRootFilesystem()
    if !plan.hostname.isEmpty { try ThisProcess.setHostName(plan.hostname) }
    if !plan.domainname.isEmpty { try ThisProcess.setDomainName(plan.domainname) }
    try send(.ready)
    guard case .go = try receive() else {
      throw Failure(.corrupt, "start container", reason: "unexpected message")
    }
    mark("wait for network")
    // Only now are there links whose parameters can be set.
    try Sysctls.apply(plan.sysctls)
    try ProcessStart(plan: plan.process, socket: socket.descriptor.raw).execute()
  }

  // MARK: - Steps

  private mutating func make(_ namespaces: Namespaces) throws(Failure) {
    mark("start init")
    // The rest comes after the network namespace, which the parent can work on meanwhile.
    if namespaces.contains(.network) { try Namespaces.network.unshare() }
    try send(.namespaces)
    mark("network namespace")
    let others = namespaces.subtracting(.network)
    if !others.isEmpty { try others.unshare() }
    mark("namespaces")
  }

  // Through the host's /proc, while that is still there: the container's own may be anybody's file (row 7).
  private func adjustOOMScore() throws(Failure) {
    guard let adjust = plan.process.oomScoreAdjust else { return }
    do throws(Failure) {
      try Files.write(String(adjust), into: "/proc/self/oom_score_adj")
    } catch {
      throw Failure(
        errno: error.errno, "set", "oom_score_adj \(adjust)",
        remedy: "lowering it below the inherited value needs CAP_SYS_RESOURCE on the host")
    }
  }

  private mutating func makeRootFilesystem() throws(Failure) {
    // Slave first: nothing mounted from here on may reach the host's namespace.
    try Mounts.setRootPropagation(plan.rootPropagation == .isPrivate ? .isPrivate : .slave)
    try RootMount.attach(plan.root)
    let name = plan.root.directory
    let directory = try Descriptor.open(name, .path)
    mark("root")
    var executor = MountExecutor(root: Linux.Root(try directory.duplicate(), name: ""))
    for step in plan.steps { try executor.run(step) }
    mark("mounts")
    if let terminal = executor.takeTerminal() { try useTerminal(terminal) }
    try Mounts.pivot(to: directory, name: name)
    try RootMount.finish(propagation: plan.rootPropagation, readOnly: plan.rootReadOnly)
    mark("pivot root")
  }

  private mutating func useTerminal(_ terminal: consuming TerminalPair) throws(Failure) {
    if let size = plan.process.terminalSize { Terminal.setSize(size, of: terminal.master.raw) }
    try socket.send(InitMessage.terminal.bytes, descriptors: [terminal.master.raw])
    for number in 0...2 as ClosedRange<Int32> {
      try ThisProcess.place(terminal.peer.raw, at: number)
    }
  }

  // MARK: - Messages

  private func receive() throws(Failure) -> InitMessage {
    guard let message = try socket.receive(limit: MessageSocket.capacity) else {
      // The parent is gone: nobody would wait for this container.
      exitProcess(125)
    }
    return try InitMessage(message.bytes)
  }

  // The first message may bring a descriptor along.
  private func receiveFirst() throws(Failure) -> (InitMessage, Int32?) {
    guard let message = try socket.receive(limit: MessageSocket.capacity) else { exitProcess(125) }
    return (try InitMessage(message.bytes), message.descriptors.first)
  }

  private func send(_ message: InitMessage) throws(Failure) { try socket.send(message.bytes) }

  private mutating func mark(_ step: String) {
    guard plan.traced else { return }
    let now = Timestamp.monotonic
    try? send(.timing(step: step, nanoseconds: now - lastStep))
    lastStep = Timestamp.monotonic
  }
}
