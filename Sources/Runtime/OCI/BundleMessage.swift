import Linux

/// What the runtime (`minidock oci create`, `run`, `exec`) and the process that it starts say to each other.
///
///     runtime                               process (minidock oci-init)
///        | ---- plan (+ memory, fifos) --------> | the plan lies in a file in memory: it has no limit
///        | ---- more (+ descriptors) ----------> | namespaces to join, clones of mounts
///        | <------------------------ mounted --- | namespaces and file system are there
///        | ---- go ----------------------------> | prestart and createRuntime hooks are done
///        | <---------------- terminal (+ fd) --- | createContainer hooks are done; with a terminal
///        | <---------------- listener (+ fd) --- | with a filter that asks
///        | <-------------------------- ready --- | user, rights and filter are the command's
///        | ---- go ----------------------------> | the container is written down
///        |                                       | waits for a byte in the fifo, executes
///
/// In place of any message of its own the process may send `failed` with the whole failure and end. It ends
/// too when the runtime is gone before the last `go`.
enum BundleMessage {
  case plan
  case more
  case mounted
  case terminal
  case listener
  case ready
  case go
  /// From the process that makes the namespaces: its user namespace waits for its mappings.
  case unmapped
  /// From the process that makes the namespaces: the container's first process, by pid.
  case born(pid: Int32)
  case failed(Failure)

  var bytes: [UInt8] {
    var writer = WireWriter(capacity: 64)
    switch self {
    case .plan: writer.put(UInt8(1))
    case .more: writer.put(UInt8(2))
    case .mounted: writer.put(UInt8(3))
    case .terminal: writer.put(UInt8(4))
    case .listener: writer.put(UInt8(5))
    case .ready: writer.put(UInt8(6))
    case .go: writer.put(UInt8(7))
    case .unmapped: writer.put(UInt8(8))
    case .born(let pid):
      writer.put(UInt8(9))
      writer.put(pid)
    case .failed(let failure):
      writer.put(UInt8(10))
      writer.put(failure)
    }
    return writer.bytes
  }

  init(_ bytes: [UInt8]) throws(Failure) {
    var reader = WireReader(bytes)
    switch try reader.get(UInt8.self) {
    case 1: self = .plan
    case 2: self = .more
    case 3: self = .mounted
    case 4: self = .terminal
    case 5: self = .listener
    case 6: self = .ready
    case 7: self = .go
    case 8: self = .unmapped
    case 9: self = .born(pid: try reader.get())
    case 10: self = .failed(try Failure(&reader))
    case let tag:
      throw Failure(.corrupt, "decode", "message", reason: "unknown message \(tag)")
    }
  }
}
