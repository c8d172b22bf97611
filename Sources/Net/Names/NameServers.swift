import Linux

/// The name servers that questions are passed on to.
///
/// The host's are read anew when a question comes and some seconds have passed: a laptop changes its
/// network while containers run. Asked from the host's network, so that servers on its loopback address
/// (systemd-resolved's 127.0.0.53, dnsmasq) answer too.
struct NameServers: Sendable {
  /// `--dns`; empty for the host's.
  let given: [String]
  private let file: String
  private var known: [SocketAddress] = []
  private var readAt: UInt64?

  private static let lifetime: UInt64 = 3_000_000_000

  init(given: [String], file: String = "/etc/resolv.conf") {
    self.given = given
    self.file = file
  }

  /// The servers by order of preference, at most three as resolv.conf(5) has it.
  mutating func current(port: UInt16 = 53) -> [SocketAddress] {
    let now = Timestamp.monotonic
    if let readAt, now - readAt < NameServers.lifetime { return known }
    readAt = now
    let servers = given.isEmpty ? ResolverFile.servers(of: file) : given
    known = servers.prefix(3).compactMap { NameServers.address($0, port) }
    return known
  }

  // "ADDRESS", or as the tests need it, "ADDRESS#PORT".
  private static func address(_ text: String, _ port: UInt16) -> SocketAddress? {
    let parts = text.split(separator: "#", maxSplits: 1)
    guard let first = parts.first else { return nil }
    let number = parts.count == 2 ? UInt16(parts[1]) ?? port : port
    return SocketAddress(String(first), port: number)
  }
}
