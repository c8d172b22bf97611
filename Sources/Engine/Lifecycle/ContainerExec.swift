import Image
import Linux
import Runtime

/// What a user asks of a further process in a container: docker's flags of `exec`.
public struct ExecOptions: Sendable {
  /// The command with its arguments.
  public var command: [String] = []
  /// `-d`: goes on by itself, its output is dropped.
  public var detached = false
  /// `-i`: passes on this process's standard input.
  public var interactive = false
  /// `-t`: gives the command a terminal.
  public var terminal = false
  /// `-e` and `--env-file`, "NAME=value", on top of the container's.
  public var environment: [String] = []
  /// `-w`; nil takes the container's.
  public var workingDirectory: String?
  /// `-u`; nil takes the container's.
  public var user: String?
  /// `--privileged`: all capabilities.
  public var privileged = false
  /// `--detach-keys`; nil takes the container's.
  public var detachKeys: String?
  /// A health test, which is not told as an event of a user's.
  var isHealthTest = false

  /// Docker's defaults.
  public init() {}
}

/// `minidock exec`: a further process in a running container.
public struct ContainerExec {
  let installation: Installation
  let options: ExecOptions
  let store: ContainerStore

  /// A process with these options.
  public init(_ installation: Installation, _ options: ExecOptions) {
    self.installation = installation
    self.options = options
    store = ContainerStore(installation)
  }

  /// Runs the command in a container, to its end and exit status, or with `-d` until it runs.
  ///
  /// This process must have no thread: it enters the container's pid namespace for its children.
  /// - Throws: ``Failure/Code/inUse`` when the container does not run or is paused.
  public func run(_ text: String) throws(Failure) -> Int32 {
    ThisProcess.handle(Signal.pipe, ignoring: true)
    let record = try store.find(text)
    let keys = try DetachKeys(options.detachKeys ?? "ctrl-p,ctrl-q")
    if options.detached { return try detached(record) }
    return options.terminal ? try inTerminal(record, keys) : try inPipes(record)
  }

  /// Runs the command with this process's own standard streams.
  func directly(_ record: ContainerRecord) throws(Failure) -> Int32 {
    let launch = try launch(record, stdio: [-1, -1, -1])
    let child = launch.intoChild()
    return try Processes.wait(pidfd: child.handle)!.code
  }

  private func detached(_ record: ContainerRecord) throws(Failure) -> Int32 {
    let null = try Descriptor.open("/dev/null", .readWrite)
    _ = try launch(record, stdio: [null.raw, null.raw, null.raw])
    return 0
  }

  private func inPipes(_ record: ContainerRecord) throws(Failure) -> Int32 {
    let signals = try SignalReader(Signals.catchable)
    var streams = try StandardStreams(interactive: options.interactive)
    let launch = try launch(record, stdio: streams.containerEnds)
    streams.closeContainerEnds()
    var session = ExecSession(
      child: launch.intoChild(), streams: streams, signals: signals)
    return died(record, try session.run())
  }

  private func inTerminal(
    _ record: ContainerRecord, _ keys: DetachKeys
  ) throws(Failure) -> Int32 {
    let signals = try SignalReader(Signals.catchable)
    let null = try Descriptor.open("/dev/null", .readWrite)
    var launch = try launch(record, stdio: [null.raw, null.raw, null.raw])
    guard let master = launch.takeTerminal() else {
      throw Failure(.corrupt, "exec", record.name, reason: "the command has no terminal")
    }
    var session = try ExecTerminalSession(
      child: launch.intoChild(), master: master, isInteractive: options.interactive, keys: keys,
      signals: signals)
    // Whoever leaves ends the command: it is this process's child.
    guard let status = try session.run() else { return 0 }
    return died(record, status)
  }

  private func died(_ record: ContainerRecord, _ status: ExitStatus) -> Int32 {
    EventLog(installation).append([
      Event(container: record, "exec_die", [("exitCode", String(status.code))])
    ])
    return status.code
  }

  // MARK: - Starting

  private func launch(
    _ record: ContainerRecord, stdio: [Int32]
  ) throws(Failure) -> ContainerLaunch {
    let process = try runningProcess(of: record)
    let handle = try Processes.open(pid: process.pid)
    // Now the pid is held: is it still that process?
    guard process.isAlive else { throw notRunning(record, "exited") }
    var namespaces: Namespaces = [.mount, .uts, .ipc, .cgroup]
    // Of a container that shares another's network its own first process is in that one.
    if record.network != .host { namespaces.insert(.network) }
    // For children only: the process itself stays where it is.
    try Namespaces.pid.join(handle)
    let cgroup = Cgroup(existing: record.cgroupPath, in: try CgroupHierarchy.detect())
    var launch = try ContainerLaunch.spawn(stdio: stdio, cgroup: cgroup, namespaces: [])
    // While the child starts on another processor.
    let plan = try self.plan(record, store.options(of: record))
    try launch.join(handle, namespaces, plan)
    do throws(Failure) { try launch.waitForExec() } catch {
      // What the process met on its way to the command (a user, a directory) is docker's 126 too.
      var failure = error
      if failure.code != .commandNotFound { failure.code = .notExecutable }
      throw failure
    }
    if !options.isHealthTest {
      let words = options.command.joined(separator: " ")
      EventLog(installation).append([
        Event(container: record, "exec_create: " + words),
        Event(container: record, "exec_start: " + words),
      ])
    }
    return launch
  }

  private func runningProcess(of record: ContainerRecord) throws(Failure) -> ProcessIdentity {
    let state = store.state(of: record)
    guard state.status == .running, let process = state.process else {
      throw notRunning(record, state.status.rawValue)
    }
    return process
  }

  private func notRunning(_ record: ContainerRecord, _ status: String) -> Failure {
    Failure(
      .inUse, "exec in", record.name, reason: "the container is \(status), not running",
      remedy: status == "paused"
        ? "let it go on with minidock unpause \(record.name)"
        : "start it with minidock start \(record.name)")
  }

  private func plan(
    _ record: ContainerRecord, _ configuration: RunOptions
  ) throws(Failure) -> ProcessPlan {
    var plan = ProcessPlan()
    plan.arguments = options.command
    plan.environment = Environment.merge([
      options.terminal ? ["TERM=xterm"] : [], record.environment, options.environment,
    ])
    plan.workingDirectory = options.workingDirectory ?? record.workingDirectory
    plan.makesWorkingDirectory = false
    plan.userText = options.user ?? record.user
    plan.groupTexts = configuration.groups
    let mask = try CapabilitySets.mask(
      adding: configuration.capabilitiesAdded, dropping: configuration.capabilitiesDropped,
      privileged: configuration.privileged || options.privileged)
    plan.capabilities = CapabilityMasks(allowing: mask)
    plan.noNewPrivileges = configuration.security.noNewPrivileges
    plan.seccomp = try SeccompFilter(options: configuration, installation: installation)
      .compiled(capabilities: mask)
    for limit in configuration.limits {
      guard let number = ResourceLimit.number(limit.type) else { continue }
      plan.rlimits.append(ResourceLimit(resource: number, soft: limit.soft, hard: limit.hard))
    }
    plan.oomScoreAdjust = configuration.oomScoreAdjust.map { Int32(clamping: $0) }
    plan.hasTerminal = options.terminal
    if options.terminal { plan.terminalSize = Terminal.size(of: 0) }
    plan.outlivesParent = options.detached
    return plan
  }
}
