import Linux

/// What `minidock` and the container's first process say to each other, each message one datagram on
/// the socket that is the child's descriptor 3.
///
///     parent                                child (minidock init)
///        | ---- begin (namespaces) ------------> | unshare: the network namespace takes the kernel
///        | <--------------------- namespaces --- | longest, and the parent still makes the plan
///        | ---- plan --------------------------> | the parent may set up the network
///        |                                       | root, mounts, devices, pivot_root
///        | <---------------- terminal (+ fd) --- | only with a terminal
///        | <-------------------------- ready --- |
///        | ---- go ----------------------------> | network done, container recorded
///        |                                       | limits, user, capabilities, seccomp
///        | <------------------------- (closed) - | execve has closed the socket: it runs
///
/// A later process of a container (exec) is born in the container's cgroup and pid namespace:
///
///     parent                                child (minidock init)
///        | ---- join (+ pidfd) ----------------> | the other namespaces, terminal, user …
///        | <---------------- terminal (+ fd) --- | only with a terminal
///        | <------------------------- (closed) - | it runs
///
/// In place of any message of its own the child may send `failed` with the whole failure and end.
/// With tracing on, `timing` messages come in between.
public enum InitMessage: Sendable, Equatable {
  case plan(InitPlan)
  /// Make these namespaces now; the flag asks for step times.
  case begin(Namespaces, traced: Bool)
  /// Enter these namespaces of the process behind the descriptor, and execute this there.
  case join(Namespaces, ProcessPlan)
  case namespaces
  case terminal
  case ready
  case go
  case failed(Failure)
  case timing(step: String, nanoseconds: UInt64)

  /// The message as bytes for ``MessageSocket``.
  public var bytes: [UInt8] {
    var writer = WireWriter(capacity: 8192)
    switch self {
    case .plan(let plan):
      writer.put(UInt8(1))
      writer.put(plan)
    case .begin(let namespaces, let traced):
      writer.put(UInt8(8))
      writer.put(namespaces.rawValue)
      writer.put(traced)
    case .join(let namespaces, let process):
      writer.put(UInt8(9))
      writer.put(namespaces.rawValue)
      writer.put(process)
    case .namespaces: writer.put(UInt8(2))
    case .terminal: writer.put(UInt8(3))
    case .ready: writer.put(UInt8(4))
    case .go: writer.put(UInt8(5))
    case .failed(let failure):
      writer.put(UInt8(6))
      writer.put(failure)
    case .timing(let step, let nanoseconds):
      writer.put(UInt8(7))
      writer.put(step)
      writer.put(nanoseconds)
    }
    return writer.bytes
  }

  /// Decodes a message.
  public init(_ bytes: [UInt8]) throws(Failure) {
    var reader = WireReader(bytes)
    switch try reader.get(UInt8.self) {
    case 1: self = .plan(try InitPlan(&reader))
    case 2: self = .namespaces
    case 3: self = .terminal
    case 4: self = .ready
    case 5: self = .go
    case 6: self = .failed(try Failure(&reader))
    case 7: self = .timing(step: try reader.getString(), nanoseconds: try reader.get())
    case 8:
      let namespaces = Namespaces(rawValue: try reader.get())
      self = .begin(namespaces, traced: try reader.getBool())
    case 9:
      let namespaces = Namespaces(rawValue: try reader.get())
      self = .join(namespaces, try ProcessPlan(&reader))
    case let tag:
      throw Failure(.corrupt, "decode", "message", reason: "unknown message \(tag)")
    }
  }
}
