import Linux

/// The parent's side of starting a container: spawns `minidock init` and follows the exchange of
/// ``InitMessage`` up to the command's exec.
///
/// Call in order: ``spawn(stdio:cgroup:)``, ``begin(_:traced:)``, ``send(_:)``, ``waitForNamespaces()``,
/// ``waitUntilReady()``, ``go()``, ``waitForExec()``. Between the calls the caller does its own part (records, network)
/// while the child works on the other processor.
/// If it goes out of scope before ``go()``, the child sees the closed socket and ends.
public struct ContainerLaunch: ~Copyable {
  /// The container's first process, as the caller's pid namespace numbers it.
  public let child: Child
  private let socket: MessageSocket
  /// The master of the process's terminal, once ``waitUntilReady()`` has returned.
  private var terminal: Descriptor?
  /// Step times reported by a traced child.
  public private(set) var timings: [(step: String, nanoseconds: UInt64)] = []

  private init(child: consuming Child, socket: consuming MessageSocket) {
    self.child = child
    self.socket = socket
  }

  /// Spawns the first process inside its cgroup; it waits for its plan.
  ///
  /// - Parameters:
  ///   - stdio: the process's descriptors 0, 1 and 2, which the caller keeps too.
  ///   - cgroup: the group that it starts in; nil leaves it in the caller's.
  /// - Throws: the failed step; no process is left then.
  ///   - namespaces: those that it gets new ones of.
  public static func spawn(
    stdio: [Int32], cgroup: Cgroup?, namespaces: Namespaces = .pid
  ) throws(Failure) -> ContainerLaunch {
    let program = try SealedExecutable.open()
    let pair = try MessageSocket.pair()
    var spawn = Spawn()
    spawn.namespaces = namespaces
    spawn.arguments = ["minidock", "init"]
    // Spares the Swift runtime's search for its backtrace program, which init could not run anyway.
    spawn.environment = ["SWIFT_BACKTRACE=enable=no,swift-backtrace=/"]
    spawn.stdio = stdio
    var joins: [Int32] = []
    defer { for number in joins { ThisProcess.close(number) } }
    var group: Descriptor?
    if let directory = cgroup?.directoryForClone {
      let opened = try Descriptor.open(directory, .directory)
      spawn.cgroup = opened.raw
      group = consume opened
    }
    // A hybrid host has both: the v2 group by the clone, each v1 group by a write of the child's.
    for path in cgroup?.joinPaths ?? [] {
      joins.append(try Descriptor.open(path, .write).release())
    }
    spawn.joins = joins
    let child = try spawn.start(program: program, socket: pair.far.descriptor)
    _ = group
    return ContainerLaunch(child: child, socket: pair.near)
  }

  /// Has the first process make its namespaces, while the caller makes the plan.
  public func begin(_ namespaces: Namespaces, traced: Bool) throws(Failure) {
    try socket.send(InitMessage.begin(namespaces, traced: traced).bytes)
  }

  /// Tells the first process what to do.
  public func send(_ plan: InitPlan) throws(Failure) {
    try socket.send(InitMessage.plan(plan).bytes)
  }

  /// Tells a process that was born in a container's pid namespace to enter the others and execute a
  /// command there. ``waitForExec()`` follows.
  ///
  /// - Parameter target: the container's first process, by pidfd (setns(2) with one: Linux 5.8).
  public func join(
    _ target: borrowing Descriptor, _ namespaces: Namespaces, _ process: ProcessPlan
  ) throws(Failure) {
    try socket.send(InitMessage.join(namespaces, process).bytes, descriptors: [target.raw])
  }

  /// Waits until the container's namespaces exist and can be entered or configured from outside.
  public mutating func waitForNamespaces() throws(Failure) { try wait(for: .namespaces) }

  /// Waits until the container's file system is complete.
  public mutating func waitUntilReady() throws(Failure) { try wait(for: .ready) }

  /// Lets the command start.
  public func go() throws(Failure) { try socket.send(InitMessage.go.bytes) }

  /// Waits until the command has been executed.
  ///
  /// - Throws: what kept it from starting: ``Failure/Code/commandNotFound``,
  ///   ``Failure/Code/notExecutable`` or any other failure of the child's last steps.
  public mutating func waitForExec() throws(Failure) {
    while let message = try next() {
      if case .failed(let failure) = message { throw failure }
    }
  }

  /// What the child reported instead of getting its file system ready; nil when it did get ready.
  public mutating func failureOfChild() -> Failure? {
    do throws(Failure) {
      try waitUntilReady()
      return nil
    } catch {
      return error
    }
  }

  /// Hands out the master of the process's terminal; nil without one.
  public mutating func takeTerminal() -> Descriptor? { terminal.take() }

  /// Ends the exchange and hands out the running process.
  public consuming func intoChild() -> Child { child }

  private mutating func wait(for expected: InitMessage) throws(Failure) {
    while let message = try next() {
      switch message {
      case expected: return
      case .failed(let failure): throw failure
      default: continue
      }
    }
    throw Failure(
      .system, "start container", reason: "its first process ended unexpectedly")
  }

  private mutating func next() throws(Failure) -> InitMessage? {
    guard let received = try socket.receive() else { return nil }
    if let fd = received.descriptors.first { terminal = Descriptor(owning: fd) }
    let message = try InitMessage(received.bytes)
    if case .timing(let step, let nanoseconds) = message { timings.append((step, nanoseconds)) }
    return message
  }
}
