import Linux

/// Carries to a container what the host's own programs begin at [::1] and a published port.
///
/// The kernel sends no answer back to ::1 from another link (IPv6 has no route_localnet), so that packet
/// rules cannot lead such a connection to a container as they do from 127.0.0.1. They leave it to the
/// socket that reserves the port, whose owner, the container's monitor, makes a second connection and
/// passes bytes on; datagrams likewise (``DatagramRelay``). Whatever else gets as far as such a socket, as
/// while somebody has flushed the packet rules, is reset at once and not left waiting.
///
/// Nothing here waits: ``interests`` goes into the monitor's poll(2), and ``serve()`` does what is ready.
public final class LoopbackRelay {
  private let listeners: [Int32]
  private let targets: (UInt16) -> [SocketAddress]
  private var connections: [RelayedConnection] = []
  private let datagrams: DatagramRelay

  /// At a time; further ones wait for their turn in the kernel.
  static let maxConnections = 256

  /// - Parameters:
  ///   - sockets: descriptors of the sockets that reserve ports; they have to stay open.
  ///   - targets: where what comes to this port of the host's is to go, by order of preference.
  public init(
    sockets: [Int32], targets: @escaping (UInt16, TransportProtocol) -> [SocketAddress]
  ) {
    listeners = sockets.filter(InternetSocket.listens)
    self.targets = { targets($0, .tcp) }
    datagrams = DatagramRelay(sockets: sockets) { targets($0, .udp) }
  }

  /// What to wait for.
  public var interests: [Watch] {
    let watches = connections.flatMap(\.interests) + datagrams.interests
    guard connections.count < LoopbackRelay.maxConnections else { return watches }
    return watches + listeners.map { Watch($0) }
  }

  /// When something is to be given up, by the clock that never jumps; nil while there is nothing.
  public var due: UInt64? { datagrams.due }

  /// Does whatever can be done without waiting.
  public func serve() {
    datagrams.serve()
    for listener in Watch.ready(listeners) {
      while connections.count < LoopbackRelay.maxConnections,
        let socket = InternetSocket.accept(from: listener)
      {
        guard socket.isAtLoopback6 else {
          socket.breakAtClose()
          continue
        }
        connections.append(
          RelayedConnection(socket, to: targets(InternetSocket.port(of: listener))))
      }
    }
    for connection in connections { connection.step() }
    connections.removeAll { $0.isDone }
  }

  /// Passes on what the container has sent before it ended, as far as that can be done without waiting,
  /// and ends all connections.
  public func end() {
    for connection in connections { connection.step(turns: 64) }
    connections = []
    datagrams.end()
  }
}

/// One connection and its continuation.
private final class RelayedConnection {
  private var client: RelayEnd?
  private var server: RelayEnd?
  private var targets: ArraySlice<SocketAddress>
  private var isConnected = false
  private var toServer = RelayedBytes()
  private var toClient = RelayedBytes()

  init(_ client: consuming InternetSocket, to targets: [SocketAddress]) {
    self.client = RelayEnd(client)
    self.targets = targets[...]
    connectNext()
  }

  var isDone: Bool { client == nil }

  // A program that listens at one of a container's addresses only is reached, too.
  private func connectNext() {
    server = nil
    while let target = targets.popFirst() {
      guard let next = try? InternetSocket.connecting(to: target) else { continue }
      server = RelayEnd(next)
      return
    }
    abort()
  }

  private func abort() {
    client?.socket.breakAtClose()
    server?.socket.breakAtClose()
    close()
  }

  private func close() {
    client = nil
    server = nil
  }

  var interests: [Watch] {
    guard let client, let server else { return [] }
    guard isConnected else { return [Watch(server.number, forOutput: true)] }
    return [
      toServer.interest(from: client.number, to: server.number),
      toClient.interest(from: server.number, to: client.number),
    ].compactMap { $0 }
  }

  /// Does what can be done without waiting.
  ///
  /// - Parameter turns: how often each direction moves bytes before others get their turn.
  func step(turns: Int = 4) {
    while !isConnected {
      guard let server, Watch.takesOutput(server.number) else { return }
      if server.socket.hasConnected { isConnected = true } else { connectNext() }
    }
    guard let client, let server else { return }
    for _ in 0..<turns {
      let first = toServer.pass(from: client.socket, to: server.socket)
      let second = toClient.pass(from: server.socket, to: client.socket)
      if first == .failed || second == .failed { return abort() }
      if toServer.hasEnded && toClient.hasEnded { return close() }
      if first == .waits && second == .waits { return }
    }
  }
}

/// A socket towards a client or a container: a class, as an optional of what cannot be copied can hardly be
/// looked into.
final class RelayEnd {
  let socket: InternetSocket
  init(_ socket: consuming InternetSocket) { self.socket = socket }
  var number: Int32 { socket.descriptor.raw }
}

/// What is on its way in one direction: at most one read's bytes.
private struct RelayedBytes {
  private var bytes: ArraySlice<UInt8> = []
  private var isAtEnd = false
  /// Whether the end was passed on.
  private(set) var hasEnded = false

  private static let limit = 64 << 10

  enum Outcome { case moved, waits, failed }

  func interest(from: Int32, to: Int32) -> Watch? {
    if !bytes.isEmpty { return Watch(to, forOutput: true) }
    return isAtEnd ? nil : Watch(from)
  }

  mutating func pass(from: borrowing InternetSocket, to: borrowing InternetSocket) -> Outcome {
    if bytes.isEmpty && !isAtEnd {
      switch from.read(limit: RelayedBytes.limit) {
      case .bytes(let read): bytes = read[...]
      case .ended: isAtEnd = true
      case .notNow, .wrote: return .waits
      case .failed: return .failed
      }
    }
    if !bytes.isEmpty {
      switch to.write(bytes) {
      case .wrote(let count): bytes = bytes.dropFirst(count)
      case .notNow, .bytes: return .waits
      case .ended, .failed: return .failed
      }
    }
    guard isAtEnd && bytes.isEmpty && !hasEnded else { return hasEnded ? .waits : .moved }
    to.endOutput()
    hasEnded = true
    return .moved
  }
}
