import Linux

/// Carries to a container the datagrams that the host's own programs send to [::1] and a published port, as
/// ``LoopbackRelay`` does connections, and its answers back.
///
/// Each sender has a socket of its own towards the container, so that answers find their way; it is given up
/// when nothing has passed for a while, as docker's proxy does it.
final class DatagramRelay {
  private let listeners: [Int32]
  private let targets: (UInt16) -> [SocketAddress]
  private var exchanges: [DatagramExchange] = []

  /// At a time; beyond, the one that has been silent for the longest gives way.
  static let maxExchanges = 256
  /// Nanoseconds without a datagram.
  private static let patience: UInt64 = 90_000_000_000
  /// Datagrams from one socket before others get their turn.
  private static let turns = 64
  /// The largest that IPv6 carries.
  fileprivate static let limit = 65_535

  /// - Parameters:
  ///   - sockets: descriptors of sockets that reserve ports, of which it serves those of UDP and IPv6.
  ///   - targets: where what comes to this port of the host's is to go, by order of preference.
  init(sockets: [Int32], targets: @escaping (UInt16) -> [SocketAddress]) {
    listeners = sockets.filter(InternetSocket.takesDatagrams6)
    self.targets = targets
  }

  var interests: [Watch] {
    listeners.map { Watch($0) } + exchanges.compactMap { $0.number.map { Watch($0) } }
  }

  /// When an exchange is to be given up, by the clock that never jumps; nil while there is none.
  var due: UInt64? { exchanges.map(\.used).min().map { $0 + DatagramRelay.patience } }

  /// Does whatever can be done without waiting.
  func serve() {
    for listener in Watch.ready(listeners) { take(from: listener) }
    guard !exchanges.isEmpty else { return }
    for exchange in exchanges { exchange.answer(turns: DatagramRelay.turns) }
    let now = Timestamp.monotonic
    exchanges.removeAll { $0.number == nil || $0.used + DatagramRelay.patience <= now }
  }

  /// Passes on the answers that are there, and gives up all exchanges.
  func end() {
    for exchange in exchanges { exchange.answer(turns: DatagramRelay.turns) }
    exchanges = []
  }

  private func take(from listener: Int32) {
    for _ in 0..<DatagramRelay.turns {
      guard let (bytes, sender) = InternetSocket.receive(from: listener, limit: DatagramRelay.limit)
      else { return }
      // All others are led past this socket, or come while somebody has flushed the packet rules.
      guard sender.isLoopback6 else { continue }
      exchange(of: sender, at: listener).pass(bytes)
    }
  }

  private func exchange(of client: SocketAddress, at listener: Int32) -> DatagramExchange {
    if let known = exchanges.first(where: {
      $0.listener == listener && $0.client == client && $0.number != nil
    }) {
      return known
    }
    exchanges.removeAll { $0.number == nil }
    if exchanges.count >= DatagramRelay.maxExchanges,
      let oldest = exchanges.indices.min(by: { exchanges[$0].used < exchanges[$1].used })
    {
      exchanges.remove(at: oldest)
    }
    let new = DatagramExchange(client, at: listener, targets(InternetSocket.port(of: listener)))
    exchanges.append(new)
    return new
  }
}

/// One sender's datagrams and the answers to it.
private final class DatagramExchange {
  let listener: Int32
  let client: SocketAddress
  /// When something has passed, by the clock that never jumps.
  private(set) var used = Timestamp.monotonic
  private var targets: ArraySlice<SocketAddress>
  private var server: RelayEnd?
  /// Sent to a target that may yet say that nothing listens there.
  private var unanswered: [UInt8]?

  init(_ client: SocketAddress, at listener: Int32, _ targets: [SocketAddress]) {
    self.client = client
    self.listener = listener
    self.targets = targets[...]
    connectNext()
  }

  /// The socket towards the container; nil when there is none, as nothing listens at any target.
  var number: Int32? { server?.number }

  private func connectNext() {
    server = nil
    while let target = targets.popFirst() {
      guard let socket = try? InternetSocket.datagrams(to: target) else { continue }
      return server = RelayEnd(socket)
    }
  }

  /// Sends a datagram to the container; it is lost where a network would lose it.
  func pass(_ bytes: [UInt8]) {
    used = Timestamp.monotonic
    if unanswered != nil || !targets.isEmpty { unanswered = bytes }
    // What an earlier one met is told here, too (ECONNREFUSED).
    while let server, server.socket.write(bytes[...]) == .failed { connectNext() }
  }

  /// Sends the container's answers to the sender.
  func answer(turns: Int) {
    for _ in 0..<turns {
      guard let server else { return }
      switch server.socket.read(limit: DatagramRelay.limit) {
      case .bytes(let bytes): give(bytes)
      // An empty datagram.
      case .ended: give([])
      case .notNow, .wrote: return
      case .failed:
        connectNext()
        if let unanswered { pass(unanswered) }
      }
    }
  }

  private func give(_ bytes: [UInt8]) {
    used = Timestamp.monotonic
    // Here it is.
    targets = []
    unanswered = nil
    InternetSocket.send(bytes, from: listener, to: client)
  }
}
