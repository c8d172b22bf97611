import Linux

/// A container's TCP connection to its name server (RFC 7766): each message has its length in front. One
/// question is on its way at a time; what is not known here goes on by TCP too.
final class NameConnection {
  private let socket: InternetSocket
  private var input: [UInt8] = []
  private var output: [UInt8] = []
  private var forwarded: ForwardedStream?
  /// When it is given up, by the clock that never jumps.
  private(set) var deadline: UInt64
  private(set) var isDone = false
  private var hasEnded = false

  private static let patience: UInt64 = 10_000_000_000
  private static let inputLimit = 64 << 10

  init(_ socket: consuming InternetSocket) {
    self.socket = socket
    deadline = Timestamp.monotonic + NameConnection.patience
  }

  var interests: [Watch] {
    var watches: [Watch] = []
    let number = socket.descriptor.raw
    if !output.isEmpty { watches.append(Watch(number, forOutput: true)) }
    if let forwarded {
      watches.append(forwarded.interest)
    } else if output.isEmpty && !hasEnded {
      watches.append(Watch(number))
    }
    return watches
  }

  /// Does what can be done without waiting.
  func step(
    _ outcome: ([UInt8]) -> NameResolution.Outcome, servers: () -> [SocketAddress]
  ) {
    if deadline <= Timestamp.monotonic { return isDone = true }
    finishForwarded()
    read()
    while forwarded == nil, output.isEmpty, let message = nextMessage() {
      switch outcome(message) {
      case .ignore: return isDone = true
      case .answer(_, let answer): put(answer)
      case .forward(let query): forwarded = ForwardedStream(query, message, to: servers())
      }
      finishForwarded()
      write()
    }
    write()
    if hasEnded && forwarded == nil && output.isEmpty { isDone = true }
  }

  private func finishForwarded() {
    guard let forwarded, let answer = forwarded.step() else { return }
    put(answer)
    self.forwarded = nil
  }

  private func put(_ message: [UInt8]) {
    guard message.count <= 65_535 else { return isDone = true }
    output += [UInt8(message.count >> 8), UInt8(message.count & 255)] + message
    deadline = Timestamp.monotonic + NameConnection.patience
  }

  private func read() {
    guard forwarded == nil, input.count < NameConnection.inputLimit else { return }
    switch socket.read(limit: 16 << 10) {
    case .bytes(let bytes): input += bytes
    case .ended, .failed: hasEnded = true
    case .notNow, .wrote: break
    }
  }

  private func write() {
    while !output.isEmpty {
      switch socket.write(output[...]) {
      case .wrote(let count): output.removeFirst(count)
      case .notNow: return
      case .ended, .failed, .bytes: return isDone = true
      }
    }
  }

  private func nextMessage() -> [UInt8]? { FramedMessages.next(of: &input) }
}

/// Messages with their length in two bytes in front.
enum FramedMessages {
  /// Takes the first whole message out of `bytes`; nil while there is none.
  static func next(of bytes: inout [UInt8]) -> [UInt8]? {
    guard bytes.count >= 2 else { return nil }
    let length = Int(bytes[0]) << 8 | Int(bytes[1])
    guard bytes.count >= 2 + length else { return nil }
    let message = Array(bytes[2..<2 + length])
    bytes.removeFirst(2 + length)
    return message
  }
}

/// A question on its way to the name servers by TCP.
final class ForwardedStream {
  private let query: DNSQuery
  private let servers: [SocketAddress]
  private let message: [UInt8]
  private var socket: InternetSocket?
  private var output: [UInt8] = []
  private var input: [UInt8] = []
  private var attempts = 0
  private var deadline: UInt64 = 0

  private static let patience: UInt64 = 3_000_000_000

  init(_ query: DNSQuery, _ message: [UInt8], to servers: [SocketAddress]) {
    self.query = query
    self.servers = servers
    self.message = message
    attempt()
  }

  var interest: Watch { Watch(socket?.descriptor.raw ?? -1, forOutput: !output.isEmpty) }

  private func attempt() {
    socket = nil
    input = []
    deadline = Timestamp.monotonic + ForwardedStream.patience
    while attempts < servers.count {
      let server = servers[attempts]
      attempts += 1
      guard let next = try? InternetSocket.connecting(to: server) else { continue }
      socket = consume next
      output = [UInt8(message.count >> 8), UInt8(message.count & 255)] + message
      return
    }
  }

  /// The answer to pass back, once there is one.
  func step() -> [UInt8]? {
    while socket != nil {
      if deadline <= Timestamp.monotonic {
        attempt()
        continue
      }
      guard let progress = advance() else { return nil }
      if progress { continue }
      if let answer = FramedMessages.next(of: &input) {
        if query.isAnswered(by: answer, id: query.id) { return answer }
      }
      attempt()
    }
    return query.answer(.serverFailure)
  }

  // Nil: nothing can be done now. True: again. False: there is an answer, or this server has failed.
  private func advance() -> Bool? {
    if !output.isEmpty {
      guard Watch.takesOutput(socket?.descriptor.raw ?? -1) else { return nil }
      switch socket?.write(output[...]) {
      case .wrote(let count)?:
        output.removeFirst(count)
        return true
      case .notNow?: return nil
      default: return false
      }
    }
    switch socket?.read(limit: 16 << 10) {
    case .bytes(let bytes)?:
      input += bytes
      let length = input.count < 2 ? Int.max : Int(input[0]) << 8 | Int(input[1])
      return input.count < 2 || input.count < 2 + length
    case .notNow?: return nil
    default: return false
    }
  }
}
