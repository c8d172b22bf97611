import Linux

/// The name server of one container: answers on 127.0.0.11, port 53, of the container's own network
/// namespace, from ``NameBook``, and passes on what it does not know to the host's servers.
///
/// A part of the container's monitor and not a process of its own: it lives exactly as long as the
/// container, needs no address that a host's firewall could close, and what a container floods it with
/// slows nobody else down. Only its two sockets are inside; questions leave from the host's network.
/// Nothing here waits: ``interests`` and ``due`` go into the monitor's poll(2), and ``serve()`` does what
/// is ready.
public final class NameServer {
  /// Where a container asks: docker's address, which programs have in their configuration.
  public static let address = "127.0.0.11"

  private let resolution: NameResolution
  private let sockets: NameServerSockets
  private var servers: NameServers
  private var queries: [ForwardedQuery] = []
  private var connections: [NameConnection] = []

  /// Questions on their way at a time; further ones are told to try later.
  private static let maxQueries = 256
  private static let maxConnections = 32
  /// Datagrams answered before anything else of the monitor's gets its turn.
  private static let burst = 64

  /// - Parameters:
  ///   - owner: the container's id.
  ///   - servers: `--dns`, empty for the host's own.
  ///   - sockets: from ``NameServerSockets/open(inNamespaceOf:)``, or kept over an exec.
  ///   - isAlive: whether an owner in the book still runs.
  public init(
    owner: String, book: NameBook, servers: [String], sockets: NameServerSockets,
    isAlive: @escaping (String) -> Bool
  ) {
    resolution = NameResolution(owner: owner, book: book, isAlive: isAlive)
    self.servers = NameServers(given: servers)
    self.sockets = sockets
  }

  /// The descriptors of the sockets inside, UDP and TCP, to keep them over an exec.
  public var descriptors: (datagrams: Int32, listener: Int32) {
    (sockets.datagrams.descriptor.raw, sockets.listener.descriptor.raw)
  }

  /// What to wait for.
  public var interests: [Watch] {
    var watches = [Watch(sockets.datagrams.descriptor.raw)]
    if connections.count < NameServer.maxConnections {
      watches.append(Watch(sockets.listener.descriptor.raw))
    }
    for query in queries { watches.append(Watch(query.descriptor)) }
    for connection in connections { watches += connection.interests }
    return watches
  }

  /// When something is to be given up, by the clock that never jumps; nil while nothing is on its way.
  public var due: UInt64? {
    (queries.map(\.deadline) + connections.map(\.deadline)).min()
  }

  /// Does whatever can be done without waiting.
  public func serve() {
    for query in queries { query.step(reply: { sockets.datagrams.send($0, to: $1) }) }
    queries.removeAll { $0.isDone }
    takeDatagrams()
    while connections.count < NameServer.maxConnections, let socket = sockets.listener.accept() {
      connections.append(NameConnection(socket))
    }
    for connection in connections {
      let resolution = resolution
      connection.step {
        resolution.outcome(of: $0)
      } servers: {
        servers.current()
      }
    }
    connections.removeAll { $0.isDone }
  }

  private func takeDatagrams() {
    for _ in 0..<NameServer.burst {
      guard let (bytes, sender) = sockets.datagrams.receive(limit: 4096) else { return }
      switch resolution.outcome(of: bytes) {
      case .ignore: continue
      case .answer(let query, let answer):
        sockets.datagrams.send(
          answer.count <= query.answerLimit ? answer : query.truncatedAnswer, to: sender)
      case .forward(let query):
        let targets = servers.current()
        guard queries.count < NameServer.maxQueries, !targets.isEmpty else {
          sockets.datagrams.send(query.answer(.serverFailure), to: sender)
          continue
        }
        queries.append(ForwardedQuery(query, bytes, from: sender, to: targets))
      }
    }
  }
}

/// The two sockets that hear a container's questions.
public final class NameServerSockets: Sendable {
  let datagrams: InternetSocket
  let listener: InternetSocket
  // Kept, as closing it takes time while a client waits (``NetfilterSocket``); an exec closes it.
  private let netfilter = NetfilterSocket()

  /// Opens them in the network namespace behind a descriptor (/proc/PID/ns/net), whose loopback link
  /// must be up: at ports of their own (``NamePorts``), or at port 53 where the kernel has no such rules.
  public static func open(inNamespaceOf netns: Int32) throws(Failure) -> NameServerSockets {
    try NetworkNamespace.inside(netns) { () throws(Failure) in
      do throws(Failure) {
        let sockets = try open(port: 0)
        try sockets.netfilter.with { (netfilter) throws(Failure) in
          try NamePorts(datagrams: sockets.datagrams.port, listener: sockets.listener.port)
            .install(&netfilter)
        }
        return sockets
      } catch {
        return try open(port: 53)
      }
    }
  }

  private static func open(port: UInt16) throws(Failure) -> NameServerSockets {
    guard let address = SocketAddress(NameServer.address, port: port) else {
      throw Failure(.invalid, "listen at", NameServer.address, reason: "no address")
    }
    return NameServerSockets(
      datagrams: try InternetSocket.datagrams(at: address),
      listener: try InternetSocket.listening(at: address))
  }

  init(datagrams: consuming InternetSocket, listener: consuming InternetSocket) {
    self.datagrams = datagrams
    self.listener = listener
    netfilter.keep()
  }

  /// Takes over what another program of this process has opened.
  public init(datagrams: consuming Descriptor, listener: consuming Descriptor) {
    self.datagrams = InternetSocket(adopting: datagrams)
    self.listener = InternetSocket(adopting: listener)
  }
}
