import Linux

/// Tests a container's health at intervals, one test at a time, each in a forked process that enters the
/// container as `exec` does.
struct HealthMonitor: ~Copyable {
  private let store: ContainerStore
  private let id: String
  private var options = HealthOptions()
  private var state = HealthState()
  private var containerStart: UInt64 = 0
  /// When the next test begins, or the current one has taken too long, by the clock that never jumps.
  private(set) var due: UInt64?
  private var probe: HealthProbe?
  private var hasActed = false
  /// Whether the container is to be started again although its restart policy may not say so.
  private(set) var asksForRestart = false
  /// What was done about bad health, for the record; nil when nothing was.
  private(set) var tookAction: String?

  init(store: ContainerStore, id: String) {
    self.store = store
    self.id = id
  }

  /// Begins to test, when there is a test.
  ///
  /// - Parameter started: when the command was started, by the clock that never jumps.
  mutating func begin(started: UInt64) {
    guard let record = try? store.read(id), record.hasHealthTest else { return }
    options = store.options(of: record).health.resolved
    guard options.isActive else { return }
    containerStart = started
    state = store.health(of: id)
    try? store.write(state, of: id)
    due = Timestamp.monotonic + pause
  }

  /// Ends all testing.
  mutating func end() {
    probe?.kill()
    probe = nil
    due = nil
  }

  var interests: [Watch] { probe?.interests ?? [] }

  private var isStarting: Bool {
    state.status == .starting
      && Timestamp.monotonic - containerStart < UInt64(options.startPeriod)
  }

  private var pause: UInt64 {
    UInt64(isStarting ? min(options.startInterval, options.interval) : options.interval)
  }

  /// Does what is due.
  ///
  /// - Returns: what is to be done with a container that has just become unhealthy; nil otherwise.
  mutating func step() -> HealthOptions.Action? {
    guard let due, probe != nil || due <= Timestamp.monotonic else { return nil }
    if Files.exists(store.pausedPath(id)) {
      // A frozen command answers nothing; docker does not test one either.
      probe?.kill()
      probe = nil
      self.due = Timestamp.monotonic + pause
      return nil
    }
    if probe != nil { return check() }
    probe = HealthProbe(store: store, id: id, command: options.command)
    self.due = Timestamp.monotonic + UInt64(options.timeout)
    if probe == nil {
      let now = Timestamp.now
      return take(
        HealthState.Probe(
          start: now, end: now, exitCode: -1, output: "the test could not be started"))
    }
    return nil
  }

  private mutating func check() -> HealthOptions.Action? {
    if let result = probe!.result() {
      probe = nil
      return take(result)
    }
    guard let due, due <= Timestamp.monotonic else { return nil }
    let result = probe!.expire(after: options.timeout)
    probe = nil
    return take(result)
  }

  private mutating func take(_ result: HealthState.Probe) -> HealthOptions.Action? {
    let before = state.status
    state.add(result, retries: options.retries, countsFailure: !isStarting)
    try? store.write(state, of: id)
    due = Timestamp.monotonic + pause
    guard state.status != before, let record = try? store.read(id) else { return nil }
    EventLog(store.installation).append([
      Event(container: record, "health_status: \(state.status.rawValue)")
    ])
    guard state.status == .unhealthy, !hasActed, options.onFailure != .none else { return nil }
    hasActed = true
    asksForRestart = options.onFailure == .restart
    tookAction =
      "it was \(options.onFailure == .kill ? "killed" : "stopped") because its health test "
      + "failed \(state.failingStreak) times in a row"
    return options.onFailure
  }
}

/// One test that runs.
final class HealthProbe {
  private let child: Child
  private let pipe: Descriptor
  private let start = Timestamp.now
  private var output: [UInt8] = []
  private var pipeEnded = false

  /// Starts it; nil when that fails.
  init?(store: ContainerStore, id: String, command: [String]) {
    guard let ends = try? Descriptor.pipe() else { return nil }
    let writer = ends.write.raw
    let body = {
      HealthProbe.run(store: store, id: id, command: command, output: writer)
    }
    guard let child = try? Processes.fork(body) else { return nil }
    let reader = ends.read
    self.child = child
    pipe = reader
  }

  private static func run(
    store: ContainerStore, id: String, command: [String], output: Int32
  ) -> Int32 {
    for number in [1, 2] as [Int32] { try? ThisProcess.place(output, at: number) }
    MonitorProcess.silence([0])
    ThisProcess.closeDescriptors(from: 3, atExec: false)
    var options = ExecOptions()
    options.command = command
    options.isHealthTest = true
    do throws(Failure) {
      guard let record = try store.read(id) else { return 1 }
      return try ContainerExec(store.installation, options).directly(record)
    } catch {
      Console.error("minidock: \(error)")
      return error.exitCode
    }
  }

  var interests: [Watch] {
    [Watch(child.handle.raw), Watch(pipeEnded ? -1 : pipe.raw)]
  }

  /// Kills it.
  func kill() { child.kill() }

  /// How it ended; nil while it runs.
  func result() -> HealthState.Probe? {
    readOutput()
    guard let status = (try? Processes.wait(pidfd: child.handle, hang: false)) ?? nil else {
      return nil
    }
    readOutput()
    return probe(status.code)
  }

  /// Kills a test that takes too long.
  func expire(after timeout: Int64) -> HealthState.Probe {
    kill()
    readOutput()
    output = Array("the test took longer than \(timeout / 1_000_000) ms".utf8)
    return probe(-1)
  }

  private func probe(_ code: Int32) -> HealthState.Probe {
    HealthState.Probe(
      start: start, end: .now, exitCode: code,
      output: String(decoding: output, as: UTF8.self))
  }

  // More than docker's 4096 bytes are read and dropped: the test must not wait for a reader.
  private func readOutput() {
    // Not until it is empty: a test that prints without end must not keep the monitor from all else.
    for _ in 0..<16 where !pipeEnded && Watch.hasInput(pipe.raw) {
      guard let bytes = try? readSome(pipe.raw, limit: 16 << 10), !bytes.isEmpty else {
        pipeEnded = true
        return
      }
      output += bytes.prefix(max(0, 4096 - output.count))
    }
  }
}
