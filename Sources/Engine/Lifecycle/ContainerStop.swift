import Linux
import Runtime

/// `minidock stop`, `kill` and `restart`.
public struct ContainerStop {
  let installation: Installation
  let store: ContainerStore
  /// `--signal`; nil takes the container's own, SIGTERM unless it says otherwise.
  public var signal: String?
  /// `--timeout`, seconds until SIGKILL, -1 to wait for ever; nil takes the container's own or docker's 10.
  public var timeout: Int?

  /// Stops in an installation.
  public init(_ installation: Installation) {
    self.installation = installation
    store = ContainerStore(installation)
  }

  /// A container that has been asked to end.
  public final class Pending {
    let record: ContainerRecord
    /// The first process; -1 when there is none to wait for.
    let process: Descriptor
    let monitor: ProcessIdentity?
    /// When it is killed, by the clock that never jumps; nil for never.
    let deadline: UInt64?

    init(
      _ record: ContainerRecord, process: consuming Descriptor = Descriptor(owning: -1),
      monitor: ProcessIdentity?, deadline: UInt64?
    ) {
      self.record = record
      self.process = process
      self.monitor = monitor
      self.deadline = deadline
    }
  }

  /// Asks a container to end, so that several can end at the same time; ``finish(_:)`` follows.
  ///
  /// - Throws: ``Failure/Code/notFound``, ``Failure/Code/invalid`` for a signal that does not exist.
  public func begin(_ text: String) throws(Failure) -> Pending {
    let record = try store.find(text)
    let state = store.state(of: record)
    let number = try signalNumber(record)
    let seconds = timeout ?? store.options(of: record).stopTimeout ?? 10
    let deadline =
      seconds < 0 ? nil : Timestamp.monotonic + UInt64(clamping: seconds) * 1_000_000_000
    // One that has ended may be about to be started again: its monitor has still to decide.
    guard state.status.isInUse || state.monitor?.isAlive == true else {
      return Pending(record, monitor: nil, deadline: nil)
    }
    // Said before it is done: the monitor looks for it when the command has ended.
    store.setStopped(record.id, true)
    guard let process = state.process else {
      wake(record)
      return Pending(record, monitor: state.monitor, deadline: deadline)
    }
    guard let handle = try? Processes.open(pid: process.pid), process.isAlive else {
      wake(record)
      return Pending(record, monitor: state.monitor, deadline: deadline)
    }
    SignalNotes(store).add(record.id, number, by: "minidock stop")
    Processes.signal(handle, number)
    // A frozen process gets a signal when it goes on.
    if state.status == .paused { try? ContainerPause(installation).thaw(record) }
    return Pending(record, process: handle, monitor: state.monitor, deadline: deadline)
  }

  /// Waits until the container has ended, killing it when its time is over, and until its monitor has
  /// written that down.
  public func finish(_ pending: Pending) throws(Failure) {
    if pending.process.raw >= 0 {
      if !(try wait(pending.process, until: pending.deadline)) {
        SignalNotes(store).add(
          pending.record.id, Signal.kill, by: "minidock stop, after its time-out")
        Processes.signal(pending.process, Signal.kill)
        try waitForKilled(pending.process, pending.record)
      }
      EventLog(installation).append([Event(container: pending.record, "stop")])
    }
    try waitForMonitor(of: pending.record, pending.monitor)
  }

  /// Sends a signal, SIGKILL unless another was named.
  ///
  /// - Throws: ``Failure/Code/inUse`` when the container does not run.
  public func kill(_ text: String) throws(Failure) {
    let record = try store.find(text)
    let state = store.state(of: record)
    let number = try signal.map { text throws(Failure) in try parse(text) } ?? Signal.kill
    guard state.status.isActive, let process = state.process else {
      if state.status == .restarting {
        store.setStopped(record.id, true)
        return wake(record)
      }
      throw Failure(
        .inUse, "kill container", text, reason: "it is \(state.status.rawValue), not running")
    }
    // As docker: what is meant to end the container is not answered by a restart.
    if number == Signal.kill || number == Signals.number(record.stopSignal) {
      store.setStopped(record.id, true)
    }
    SignalNotes(store).add(record.id, number, by: "minidock kill")
    guard try Processes.signal(process, number) else { return }
    if state.status == .paused && number == Signal.kill {
      try? ContainerPause(installation).thaw(record)
    }
    EventLog(installation).append([
      Event(container: record, "kill", [("signal", String(number))])
    ])
  }

  private func signalNumber(_ record: ContainerRecord) throws(Failure) -> Int32 {
    if let signal { return try parse(signal) }
    return Signals.number(record.stopSignal) ?? Signal.terminate
  }

  private func parse(_ text: String) throws(Failure) -> Int32 {
    guard let number = Signals.number(text) else {
      throw Failure(.invalid, "send signal", text, reason: "there is no such signal")
    }
    return number
  }

  // Tells a monitor that waits to start its container again, or whose container has been connected.
  func wake(_ record: ContainerRecord) {
    guard
      let socket = try? MessageSocket.connect(
        directory: installation.runs, name: store.socketName(record.id))
    else { return }
    try? socket.send(MonitorMessage.wake.bytes)
  }

  private func wait(
    _ process: borrowing Descriptor, until deadline: UInt64?
  ) throws(Failure) -> Bool {
    while true {
      var milliseconds: Int32 = -1
      if let deadline {
        let now = Timestamp.monotonic
        if deadline <= now {
          var ended = [Watch(process.raw)]
          return try Watch.wait(&ended, milliseconds: 0)
        }
        milliseconds = Int32(clamping: (deadline - now) / 1_000_000 + 1)
      }
      var ended = [Watch(process.raw)]
      if try Watch.wait(&ended, milliseconds: milliseconds) { return true }
    }
  }

  private func waitForKilled(
    _ process: borrowing Descriptor, _ record: ContainerRecord
  ) throws(Failure) {
    var ended = [Watch(process.raw)]
    guard try Watch.wait(&ended, milliseconds: 10_000) else {
      throw Failure(
        .system, "kill container", record.name, reason: "it has not ended within 10 seconds",
        remedy: "a process of it may hang in the kernel; see minidock inspect and dmesg")
    }
  }

  /// Waits until a monitor has given back what its container held, which is told by the run file.
  func waitForMonitor(
    of record: ContainerRecord, _ monitor: ProcessIdentity?
  ) throws(Failure) {
    guard let monitor, let handle = try? Processes.open(pid: monitor.pid), monitor.isAlive else {
      return
    }
    let watch = try FileWatch()
    try watch.add(installation.runs, removals: true)
    let limit = Timestamp.monotonic + 5_000_000_000
    while let run = store.runFile(of: record.id), run.monitor == monitor {
      let now = Timestamp.monotonic
      if now >= limit { return }
      var watches = [Watch(handle.raw), Watch(watch.descriptor.raw)]
      try Watch.wait(&watches, milliseconds: Int32(clamping: (limit - now) / 1_000_000 + 1))
      if watches[0].isReady { return }
      watch.drain()
    }
  }
}

/// What was sent to a container and by whom, for `explain`: the last few signals, beside the record.
struct SignalNotes {
  let store: ContainerStore

  init(_ store: ContainerStore) { self.store = store }

  struct Note: Equatable {
    var time: Timestamp
    var signal: Int32
    /// What sent it, such as "minidock stop".
    var command: String
    /// The process that did, and its user when sudo told.
    var sender: String
  }

  private func path(_ id: String) -> String { store.directory(id) + "/signals" }

  /// Notes a signal before it is sent.
  func add(_ id: String, _ signal: Int32, by command: String) {
    var sender = "process \(ThisProcess.id)"
    if let user = Console.environment("SUDO_USER") { sender += " of \(user)" }
    var notes = list(id).suffix(9)
    notes.append(Note(time: .now, signal: signal, command: command, sender: sender))
    var text = FieldText()
    for note in notes {
      text.add(
        "signal",
        "\(note.time.nanoseconds) \(note.signal) \(note.command.count) "
          + note.command + note.sender)
    }
    try? Files.replace(path(id), with: text.bytes)
  }

  /// The notes, oldest first.
  func list(_ id: String) -> [Note] {
    guard let bytes = (try? Files.read(path(id))) ?? nil else { return [] }
    return FieldText(parsing: bytes).all("signal").compactMap { line in
      let parts = line.split(separator: " ", maxSplits: 3, omittingEmptySubsequences: false)
      guard parts.count == 4, let time = Int64(parts[0]), let signal = Int32(parts[1]),
        let length = Int(parts[2])
      else { return nil }
      return Note(
        time: Timestamp(nanoseconds: time), signal: signal,
        command: String(parts[3].prefix(length)), sender: String(parts[3].dropFirst(length)))
    }
  }
}
