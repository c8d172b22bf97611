import Glibc
import Linux

@testable import Runtime

/// The other end of a D-Bus connection, in a thread of its own: logs whoever calls in, as a bus does, and
/// answers each call as a test says.
final class FakeBus: @unchecked Sendable {
  /// What the bus does about a call.
  enum Answer {
    /// Sends these messages.
    case messages([DBusMessage])
    /// Sends these bytes, whatever they are.
    case bytes([UInt8])
    /// Says nothing.
    case silence
    /// Closes the connection.
    case end
  }

  private let answer: @Sendable (DBusMessage) -> Answer
  private let number: Int32
  private let login: String
  private var thread = pthread_t()
  /// The calls so far, "Member", and their first argument where it is a text; read after ``finish()``.
  private(set) var calls: [DBusMessage] = []

  /// A connection with the fake bus at its end.
  ///
  /// - Parameter login: what it says to AUTH.
  static func connect(
    isBus: Bool = true, login: String = "DATA\r\nOK 0123\r\n", milliseconds: UInt64 = 20_000,
    _ answer: @escaping @Sendable (DBusMessage) -> Answer
  ) throws -> (bus: FakeBus, stream: Int32) {
    var ends: [Int32] = [-1, -1]
    guard socketpair(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0, &ends) == 0 else {
      throw Failure.last("create socket pair")
    }
    return (FakeBus(ends[0], login, answer), ends[1])
  }

  private init(
    _ number: Int32, _ login: String, _ answer: @escaping @Sendable (DBusMessage) -> Answer
  ) {
    self.number = number
    self.login = login
    self.answer = answer
    let me = Unmanaged.passRetained(self).toOpaque()
    pthread_create(
      &thread, nil,
      { context in
        guard let context else { return nil }
        let bus = Unmanaged<FakeBus>.fromOpaque(context).takeRetainedValue()
        bus.serve()
        close(bus.number)
        return nil
      }, me)
  }

  /// Waits until the other side has closed the connection, or this one has.
  func finish() -> [String] {
    pthread_join(thread, nil)
    return calls.map(\.member)
  }

  private func send(_ bytes: [UInt8]) {
    var sent = 0
    while sent < bytes.count {
      let count = bytes[sent...].withUnsafeBytes {
        Glibc.send(number, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
      }
      if count <= 0 { return }
      sent += count
    }
  }

  private func serve() {
    var buffer: [UInt8] = []
    func fill() -> Bool {
      guard let more = try? readSome(number, limit: 65536), !more.isEmpty else { return false }
      buffer += more
      return true
    }
    while !buffer.contains(UInt8(ascii: "D")) || buffer.last != UInt8(ascii: "\n") {
      if !fill() { return }
    }
    send(Array(login.utf8))
    let begin = Array("BEGIN\r\n".utf8)
    while !buffer.ends(with: begin) {
      // Slow, as a busy manager is: whatever a client says behind BEGIN is read together with it. systemd
      // then lets it lie until more comes (sd-bus, bus_socket_read_auth).
      usleep(20_000)
      if !fill() { return }
    }
    buffer = []
    while true {
      while buffer.count < 16 { if !fill() { return } }
      guard let length = try? DBusMessage.length(buffer) else { return }
      while buffer.count < length { if !fill() { return } }
      guard let call = try? DBusMessage(Array(buffer[..<length])) else { return }
      buffer.removeFirst(length)
      calls.append(call)
      switch answer(call) {
      case .messages(let messages): for message in messages { send(message.bytes) }
      case .bytes(let bytes): send(bytes)
      case .silence: break
      case .end: return
      }
    }
  }
}

/// A manager that answers as systemd does.
enum FakeSystemd {
  static let job = "/org/freedesktop/systemd1/job/7"
  static let interface = "org.freedesktop.systemd1.Manager"

  /// The signal that a job has ended.
  static func removed(
    _ result: String, job: String = job, unit: String = "box-one.scope"
  ) -> DBusMessage {
    .signal(
      "/org/freedesktop/systemd1", interface, "JobRemoved",
      [.uint32(7), .objectPath(job), .string(unit), .string(result)])
  }

  /// What it says to a call when all goes well.
  static func answer(_ call: DBusMessage, group: String = "/system.slice/box-one.scope")
    -> FakeBus.Answer
  {
    switch call.member {
    case "Hello": .messages([.reply(to: call, [.string(":1.5")])])
    case "Get" where call.body.last == .string("Version"):
      .messages([.reply(to: call, [.variant(.string("252.39-1~deb12u1"))])])
    case "Get": .messages([.reply(to: call, [.variant(.string(group))])])
    case "StartTransientUnit", "StopUnit":
      // Another job's end first, and the signal before the answer, as a bus may deliver them.
      .messages([
        removed("failed", job: "/org/freedesktop/systemd1/job/6"), removed("done"),
        .reply(to: call, [.objectPath(job)]),
      ])
    default: .messages([.reply(to: call, [])])
    }
  }
}

extension [UInt8] {
  fileprivate func ends(with tail: [UInt8]) -> Bool { suffix(tail.count).elementsEqual(tail) }
}
