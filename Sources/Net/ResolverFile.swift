import Linux

/// `--dns`, `--dns-search` and `--dns-option`, each empty where the host's setting is to be kept.
public struct ResolverSettings: Sendable, Equatable {
  /// Addresses of name servers.
  public let servers: [String]
  /// Domains to search; a single "." for none.
  public let search: [String]
  /// Options of resolv.conf(5): "ndots:2", "rotate", …
  public let options: [String]

  /// Checks the values.
  ///
  /// - Throws: ``Failure/Code/invalid`` for a server that is no IP address, or white space in a
  /// value.
  public init(
    servers: [String] = [], search: [String] = [], options: [String] = []
  ) throws(Failure) {
    for server in servers
    where !InternetAddress.isIPv4(server) && !InternetAddress.isIPv6(server) {
      throw Failure(.invalid, "use name server", server, reason: "not an IP address")
    }
    for word in search + options where !HostsFiles.isWord(word) {
      throw Failure(.invalid, "set resolver option", word, reason: "empty or more than one word")
    }
    self.servers = servers
    self.search = search
    self.options = options
  }
}

/// The content of a container's /etc/resolv.conf (resolv.conf(5)).
public enum ResolverFile {
  /// The servers when the host has none that a container can reach: docker's.
  static let fallback = ["8.8.8.8", "8.8.4.4"]

  /// The content for a container, from this host's files as they are now.
  ///
  /// - Parameter sharesHostNetwork: whether it reaches name servers on the host's loopback address.
  public static func forContainer(
    _ settings: ResolverSettings, sharesHostNetwork: Bool
  ) throws(Failure) -> [UInt8] {
    let limit = 1 << 20
    let host = try Files.read("/etc/resolv.conf", limit: limit) ?? []
    return content(settings, sharesHostNetwork: sharesHostNetwork, host: host) {
      (try? Files.read("/run/systemd/resolve/resolv.conf", limit: limit)) ?? nil
    }
  }

  /// The content by the host's resolv.conf and, where that names nothing but servers on loopback
  /// addresses, by the one in which systemd-resolved keeps the servers it asks itself.
  ///
  /// A server on a loopback address would be the container itself, and one with an IPv6 address
  /// cannot be reached on a network without IPv6: both are left out.
  static func content(
    _ settings: ResolverSettings, sharesHostNetwork: Bool, host: [UInt8],
    upstream: () -> [UInt8]?
  ) -> [UInt8] {
    let own = Parsed(host)
    var servers = settings.servers
    if servers.isEmpty {
      if sharesHostNetwork {
        servers = own.servers
      } else {
        servers = own.servers.filter(isReachable)
        if servers.isEmpty, let other = upstream() {
          servers = Parsed(other).servers.filter(isReachable)
        }
        if servers.isEmpty { servers = fallback }
      }
    }
    var search = settings.search.isEmpty ? own.search : settings.search
    if search == ["."] { search = [] }
    let options = settings.options.isEmpty ? own.options : settings.options
    var text = ""
    for server in servers { text += "nameserver \(server)\n" }
    if !search.isEmpty { text += "search \(search.joined(separator: " "))\n" }
    if !options.isEmpty { text += "options \(options.joined(separator: " "))\n" }
    return Array(text.utf8)
  }

  /// The servers that a resolv.conf names, in its order; none when it cannot be read.
  static func servers(of path: String) -> [String] {
    guard let content = try? Files.read(path, limit: 1 << 20) else { return [] }
    return Parsed(content).servers
  }

  /// The content for a container whose questions its monitor answers (``NameServer``).
  ///
  /// As docker's, a name without a dot is tried as it is first: it is most likely a neighbour's.
  public static func forNames(_ settings: ResolverSettings) throws(Failure) -> [UInt8] {
    let host = Parsed(try Files.read("/etc/resolv.conf", limit: 1 << 20) ?? [])
    var search = settings.search.isEmpty ? host.search : settings.search
    if search == ["."] { search = [] }
    var options = settings.options.isEmpty ? host.options : settings.options
    if !settings.options.contains(where: { $0.hasPrefix("ndots:") }) {
      options = options.filter { !$0.hasPrefix("ndots:") } + ["ndots:0"]
    }
    var text = "nameserver \(NameServer.address)\n"
    if !search.isEmpty { text += "search \(search.joined(separator: " "))\n" }
    return Array((text + "options \(options.joined(separator: " "))\n").utf8)
  }

  private static func isReachable(_ server: String) -> Bool {
    IPv4Address(server).map { !$0.isLoopback && $0.value != 0 } ?? false
  }

  /// The lines that matter; the last `search` or `domain` counts, as the resolver has it.
  private struct Parsed {
    var servers: [String] = []
    var search: [String] = []
    var options: [String] = []

    init(_ content: [UInt8]) {
      for line in content.split(separator: UInt8(ascii: "\n")) {
        // A comment begins a line, or (for glibc's sake only at a word) what follows.
        let words = line.split { $0 == 32 || $0 == 9 || $0 == 13 }
          .map { String(decoding: $0, as: UTF8.self) }
          .prefix { !$0.hasPrefix("#") && !$0.hasPrefix(";") }
        guard let keyword = words.first else { continue }
        let values = Array(words.dropFirst())
        switch keyword {
        case "nameserver": if let server = values.first { servers.append(server) }
        case "search": search = values
        case "domain": search = Array(values.prefix(1))
        case "options": options += values
        default: break
        }
      }
    }
  }
}
