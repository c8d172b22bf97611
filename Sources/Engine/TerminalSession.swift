import Linux
import Runtime

/// A foreground run with a terminal: the process that the user started becomes the client, a forked one
/// the container's monitor. The client can leave by the detach keys and the container goes on.
///
///     client                             monitor (the container's parent)
///        | <-------- started (+ master) --- |   or failed
///        |  copies between both terminals   |   leaves the master alone while the client is there
///        | <--------------------- exited -- |
///
/// When the client is gone the monitor reads and drops what the container prints, so that a full
/// terminal never stops it.
enum TerminalSession {
  static func run(
    _ runner: consuming ContainerRunner, report: ([String]) -> Void
  ) throws(Failure) -> Int32 {
    let detachKeys = try DetachKeys(runner.options.detachKeys)
    let interactive = runner.options.interactive
    let proxies = runner.options.signalProxy
    let pair = try MessageSocket.pair()
    // A copy on each side of the fork: the parent's ends with the scope, the child's with its exit.
    let monitorEnd = try pair.far.descriptor.duplicate().release()
    var moved = Optional(consume runner)
    let monitor = try Processes.fork {
      TerminalMonitor.main(moved.take()!, client: MessageSocket(Descriptor(owning: monitorEnd)))
    }
    ThisProcess.close(monitorEnd)
    // Only the monitor's copy of its end may be open, or its death would go unnoticed.
    let near = try pair.near.descriptor.duplicate()
    _ = consume pair
    _ = consume monitor
    var client = TerminalClient(
      monitor: MessageSocket(near), detachKeys: detachKeys, interactive: interactive,
      proxiesSignals: proxies)
    return try client.run(report: report)
  }
}

/// What a monitor tells its client.
enum MonitorMessage {
  case started(ProcessIdentity, trace: [String])
  case failed(Failure)
  case exited(Int32)

  var bytes: [UInt8] {
    var writer = WireWriter()
    switch self {
    case .started(let process, let trace):
      writer.put(UInt8(1))
      writer.put(process.pid)
      writer.put(process.startTime)
      writer.put(trace)
    case .failed(let failure):
      writer.put(UInt8(2))
      writer.put(failure)
    case .exited(let code):
      writer.put(UInt8(3))
      writer.put(code)
    }
    return writer.bytes
  }

  init(_ bytes: [UInt8]) throws(Failure) {
    var reader = WireReader(bytes)
    switch try reader.get(UInt8.self) {
    case 1:
      let pid = try reader.get(Int32.self)
      let process = ProcessIdentity(pid: pid, startTime: try reader.get())
      self = .started(process, trace: try reader.getStrings())
    case 2: self = .failed(try Failure(&reader))
    case 3: self = .exited(try reader.get())
    case let tag: throw Failure(.corrupt, "decode", "message", reason: "unknown message \(tag)")
    }
  }
}

/// The container's parent when it has a terminal.
enum TerminalMonitor {
  static func main(
    _ runner: consuming ContainerRunner, client: consuming MessageSocket
  ) -> Int32 {
    // The user's terminal must not reach this process, nor its end end it.
    ThisProcess.leadSession()
    ThisProcess.handle(Signal.hangup, ignoring: true)
    let installation = runner.installation
    do throws(Failure) {
      let null = try Descriptor.open("/dev/null", .readWrite)
      var started = try runner.start(stdio: [null.raw, null.raw, null.raw])
      for number in 0...2 as ClosedRange<Int32> { try ThisProcess.place(null.raw, at: number) }
      let end = ContainerEnd(
        installation: installation, record: started.record, cgroup: started.cgroup)
      guard let master = started.terminal.take() else {
        throw Failure(.corrupt, "start container", reason: "it has no terminal")
      }
      // A command that has ended already has no identity any more; nobody can signal it either.
      let pid = started.child.pid
      let process = ProcessIdentity(of: pid) ?? ProcessIdentity(pid: pid, startTime: 0)
      try client.send(
        MonitorMessage.started(process, trace: runner.trace.lines).bytes, descriptors: [master.raw])
      let status = try wait(for: started.child.handle, master.raw, client.descriptor.raw)
      end.finish(status)
      try? client.send(MonitorMessage.exited(status.code).bytes)
      return 0
    } catch {
      try? client.send(MonitorMessage.failed(error).bytes)
      return 1
    }
  }

  private static func wait(
    for child: borrowing Descriptor, _ master: Int32, _ client: Int32
  ) throws(Failure) -> ExitStatus {
    var hasClient = true
    while true {
      // Once the client is gone its socket reports that for ever; then the terminal is watched.
      var watched = [Watch(child.raw), Watch(hasClient ? client : master)]
      try Watch.wait(&watched)
      if let status = try Processes.wait(pidfd: child, hang: false) { return status }
      if hasClient {
        hasClient = !watched[1].isReady
      } else if watched[1].isReady, !Terminal.discardInput(master) {
        // Every process has closed the terminal: only the end of the container is left to wait for.
        return try Processes.wait(pidfd: child)!
      }
    }
  }
}
