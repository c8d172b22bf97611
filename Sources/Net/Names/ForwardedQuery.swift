import Linux

/// A question that came as a datagram, on its way to the name servers: each try has a socket of its own
/// with a random port and a random id, so that nobody can guess what a forged answer would have to be.
final class ForwardedQuery {
  private let query: DNSQuery
  private let bytes: [UInt8]
  private let asker: SocketAddress
  private let servers: [SocketAddress]
  private var socket: InternetSocket?
  private var id: UInt16 = 0
  private var attempts = 0
  /// When this try is over, by the clock that never jumps.
  private(set) var deadline: UInt64 = 0
  private(set) var isDone = false

  /// Resolvers ask again after five seconds: by then every server has had its turn.
  private static let patience: UInt64 = 2_000_000_000

  init(
    _ query: DNSQuery, _ bytes: [UInt8], from asker: SocketAddress, to servers: [SocketAddress]
  ) {
    self.query = query
    self.bytes = bytes
    self.asker = asker
    self.servers = servers
    attempt()
  }

  var descriptor: Int32 { socket?.descriptor.raw ?? -1 }

  private var maxAttempts: Int { servers.count == 1 ? 2 : min(servers.count, 3) }

  private func attempt() {
    deadline = Timestamp.monotonic + ForwardedQuery.patience
    while attempts < maxAttempts {
      let server = servers[attempts % servers.count]
      attempts += 1
      guard let socket = try? InternetSocket.datagrams(to: server) else { continue }
      id = UInt16.random(in: 0 ... .max)
      let question = [UInt8(id >> 8), UInt8(id & 255)] + bytes[2...]
      guard case .wrote = socket.write(question[...]) else { continue }
      self.socket = consume socket
      return
    }
    socket = nil
    deadline = 0
  }

  /// Takes an answer, tries the next server, or gives up.
  func step(reply: ([UInt8], SocketAddress) -> Void) {
    while let progress = socket?.read(limit: 65_535), !isDone {
      switch progress {
      case .bytes(let answer):
        guard query.isAnswered(by: answer, id: id) else { continue }
        // "Server failure" and "refused": another one may know better.
        if [2, 5].contains(answer[3] & 15), attempts < servers.count {
          attempt()
          continue
        }
        finish(answer, reply)
        return
      case .notNow:
        guard deadline <= Timestamp.monotonic else { return }
        attempt()
      // Nobody listens there.
      case .ended, .failed, .wrote: attempt()
      }
    }
    guard !isDone, socket == nil else { return }
    isDone = true
    reply(query.answer(.serverFailure), asker)
  }

  private func finish(_ answer: [UInt8], _ reply: ([UInt8], SocketAddress) -> Void) {
    isDone = true
    guard answer.count <= query.answerLimit else { return reply(query.truncatedAnswer, asker) }
    reply([UInt8(query.id >> 8), UInt8(query.id & 255)] + answer[2...], asker)
  }
}
