import Linux

/// A connection to a bus, or to a program that speaks D-Bus without one: one call at a time.
struct DBusConnection: ~Copyable {
  /// Where programs listen.
  struct Address: Equatable, Sendable {
    /// The socket's path.
    var path: String
    /// Whether a bus is there, which wants to be greeted and names its members.
    var isBus = true
  }

  /// A call that was refused: the error's name stays at hand, as callers act on it.
  struct Refusal: Error, Equatable {
    var name: String
    var text: String
  }

  private let stream: StreamConnection
  private let isBus: Bool
  private var serial: UInt32 = 0
  private var buffer: [UInt8] = []
  /// Signals that came while something else was awaited.
  private var signals: [DBusMessage] = []

  /// Connects and says who is there.
  init(_ address: Address, milliseconds: UInt64) throws(Failure) {
    try self.init(
      try StreamConnection.open(address.path, milliseconds: milliseconds), isBus: address.isBus)
  }

  /// Takes over a connection on which nothing has been said.
  init(_ stream: consuming StreamConnection, isBus: Bool) throws(Failure) {
    self.stream = stream
    self.isBus = isBus
    try authenticate()
    if isBus {
      _ = try checked(
        "org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus", "Hello", [])
    }
  }

  // EXTERNAL with an empty identity: the socket tells who this is, in whatever user namespace it runs
  // (D-Bus specification, "Authentication Protocol"). BEGIN goes with it, as systemd's own clients have it,
  // and nothing follows before OK: systemd reads 256 bytes at a time while somebody logs in, and a call that
  // it finds behind BEGIN lies there until more comes.
  private mutating func authenticate() throws(Failure) {
    try stream.send(Array("\0AUTH EXTERNAL\r\nDATA\r\nBEGIN\r\n".utf8))
    while true {
      let line = try line()
      if line == "DATA" || line.hasPrefix("DATA ") { continue }
      if line.hasPrefix("OK") { return }
      throw Failure(
        .refused, "log in at", stream.name,
        reason: "it does not accept this user: \"\(line.prefix(80))\"")
    }
  }

  private mutating func line() throws(Failure) -> String {
    while true {
      if let end = buffer.firstIndex(of: UInt8(ascii: "\n")) {
        let line = buffer[..<end].filter { $0 != UInt8(ascii: "\r") }
        buffer.removeSubrange(...end)
        return String(decoding: line, as: UTF8.self)
      }
      guard buffer.count < 4096 else { throw DBusReader.damaged("a line does not end") }
      buffer += try stream.receive(limit: 4096)
    }
  }

  /// Calls a method and waits for its answer.
  ///
  /// - Returns: the values, or how it was refused.
  /// - Throws: the connection's failure.
  mutating func call(
    _ destination: String, _ path: String, _ interface: String, _ member: String,
    _ body: [DBusValue]
  ) throws(Failure) -> Result<[DBusValue], Refusal> {
    serial += 1
    let call = DBusMessage.call(
      isBus ? destination : "", path, interface, member, body, serial: serial)
    try stream.send(call.bytes)
    while true {
      let message = try receive()
      switch message.kind {
      case .signal: keep(message)
      case .reply where message.replySerial == serial: return .success(message.body)
      case .error where message.replySerial == serial:
        return .failure(Refusal(name: message.error, text: message.body.first?.text ?? ""))
      default: break
      }
    }
  }

  /// As ``call(_:_:_:_:_:)``; a refusal is a failure.
  mutating func checked(
    _ destination: String, _ path: String, _ interface: String, _ member: String,
    _ body: [DBusValue]
  ) throws(Failure) -> [DBusValue] {
    switch try call(destination, path, interface, member, body) {
    case .success(let values): return values
    case .failure(let refusal):
      throw Failure(.refused, "call \(member) at", stream.name, reason: refusal.description)
    }
  }

  /// Asks the bus for a signal; without a bus every signal comes unasked.
  mutating func subscribe(_ rule: String) throws(Failure) {
    guard isBus else { return }
    _ = try checked(
      "org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus", "AddMatch",
      [.string(rule)])
  }

  /// The next signal of a name for which `isIt` holds, earlier ones that nobody took included.
  mutating func signal(
    _ interface: String, _ member: String, _ isIt: ([DBusValue]) -> Bool
  ) throws(Failure) -> [DBusValue] {
    while true {
      while !signals.isEmpty {
        let message = signals.removeFirst()
        if message.interface == interface, message.member == member, isIt(message.body) {
          return message.body
        }
      }
      let message = try receive()
      if message.kind == .signal { keep(message) }
    }
  }

  // Only jobs' ends are ever awaited; a flood of others must not fill the memory.
  private mutating func keep(_ message: DBusMessage) {
    guard message.member == "JobRemoved" else { return }
    if signals.count >= 1000 { signals.removeFirst() }
    signals.append(message)
  }

  private mutating func receive() throws(Failure) -> DBusMessage {
    try fill(DBusMessage.prefixLength)
    let length = try DBusMessage.length(buffer)
    try fill(length)
    let message = try DBusMessage(Array(buffer[..<length]))
    buffer.removeFirst(length)
    return message
  }

  private mutating func fill(_ count: Int) throws(Failure) {
    while buffer.count < count { buffer += try stream.receive(limit: 65536) }
  }
}

extension DBusConnection.Refusal {
  /// The text with the name behind it.
  var description: String { text.isEmpty ? name : "\(text) (\(name))" }
}
