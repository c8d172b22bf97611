import Linux

/// What a container's monitor and its clients say to each other, one message a datagram.
///
///     starter                            monitor (the container's parent)
///        | <-------- started (+ master) --- |   or failed
///        | ---- ready --------------------> |   its terminal is set up: output may come
///        | ---- leave --------------------> |   the detach keys
///        | <--------------------- exited -- |
///
///     anybody, by the socket             monitor
///        | ---- attach / wait ------------> |
///        | <------ attached (+ input) ----- |   or failed; the answer to attach
///        | <--------------------- exited -- |
///        | ---- wake ---------------------> |   the container was stopped or connected: look
enum MonitorMessage: Equatable {
  case started(ProcessIdentity, trace: [String])
  case failed(Failure)
  case exited(Int32)
  case ready
  case leave
  case attach
  case attached(isTerminal: Bool)
  case wait
  case wake

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
    case .ready: writer.put(UInt8(4))
    case .leave: writer.put(UInt8(5))
    case .attach: writer.put(UInt8(6))
    case .attached(let isTerminal):
      writer.put(UInt8(7))
      writer.put(isTerminal)
    case .wait: writer.put(UInt8(8))
    case .wake: writer.put(UInt8(9))
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
    case 4: self = .ready
    case 5: self = .leave
    case 6: self = .attach
    case 7: self = .attached(isTerminal: try reader.getBool())
    case 8: self = .wait
    case 9: self = .wake
    case let tag: throw Failure(.corrupt, "decode", "message", reason: "unknown message \(tag)")
    }
  }
}

/// A process that has connected to a monitor.
final class MonitorConnection {
  let socket: MessageSocket
  /// Whether it is told the end.
  var waits = false

  init(_ socket: consuming MessageSocket) { self.socket = socket }

  /// Sends a message; a client that is gone or does not listen gets none.
  func send(_ message: MonitorMessage, descriptors: [Int32] = []) {
    // Its buffer holds thousands of these; one that never reads must not hold the monitor up.
    guard Watch.takesOutput(socket.descriptor.raw) else { return }
    try? socket.send(message.bytes, descriptors: descriptors)
  }
}
