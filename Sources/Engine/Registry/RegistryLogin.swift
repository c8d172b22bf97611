import Linux
import RegistryExchange

/// Credentials of registries, in docker's own `config.json` and credential helpers.
public struct RegistryLogin: Sendable {
  /// The registry, as names of images write it.
  public let domain: String

  /// Logs in to a registry by the host that a user writes: with or without "https://" in front, and
  /// Docker Hub when it is empty or one of its addresses.
  ///
  /// - Throws: ``Failure/Code/invalid`` when it is no host.
  public init(_ host: String) throws(Failure) {
    var text = host
    for prefix in ["https://", "http://"] where text.hasPrefix(prefix) {
      text.removeFirst(prefix.count)
    }
    text = String(text.prefix { $0 != "/" })
    let hub = ["", "index.docker.io", "registry-1.docker.io", "docker.io"]
    domain = hub.contains(text) ? "docker.io" : text
    let isHost =
      !domain.isEmpty && domain.utf8.count <= 255
      && domain.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7f && !"@?#\\\"".utf8.contains($0) }
    guard isHost else {
      throw Failure(.invalid, "use registry", "\"\(host)\"", reason: "it is no host")
    }
  }

  /// Tries the credentials at the registry and stores them when it takes them.
  ///
  /// - Parameter user: empty to try those that are stored.
  /// - Returns: a warning about where the password is now; "" for none.
  public func logIn(user: String, password: String) throws(Failure) -> String {
    var connection = try RegistryConnection.open(domain, for: .credentials)
    let number = try connection.send(.login(user: user, password: password))
    guard case .told(let text) = try connection.answer(to: number) else { return "" }
    return text
  }

  /// Forgets the stored credentials.
  ///
  /// - Returns: whether there were any.
  public func logOut() throws(Failure) -> Bool {
    var connection = try RegistryConnection.open(domain, for: .credentials)
    let number = try connection.send(.logout)
    guard case .told(let text) = try connection.answer(to: number) else { return false }
    return !text.isEmpty
  }
}

/// Searching a registry.
public struct RegistrySearch: Sendable {
  /// A repository that was found.
  public struct Match: Sendable, Equatable {
    /// As in an image's name.
    public var name: String
    /// How many people have marked it.
    public var stars: Int
    /// Whether Docker Hub vouches for it.
    public var isOfficial: Bool
    /// In its owner's words.
    public var description: String
  }

  /// Repositories that match a term, "[HOST/]WORD"; Docker Hub's without a host.
  ///
  /// - Throws: ``Failure`` of the registry.
  public static func find(_ text: String, limit: Int) throws(Failure) -> [Match] {
    var term = text
    var domain = "docker.io"
    if let slash = text.firstIndex(of: "/") {
      let host = String(text[..<slash])
      if host.contains(".") || host.contains(":") || host == "localhost" {
        domain = try RegistryLogin(host).domain
        term = String(text[text.index(after: slash)...])
      }
    }
    var connection = try RegistryConnection.open(domain, for: .search)
    return try connection.lines(.search(term: term, limit: limit)).compactMap { line in
      let fields = line.split(separator: "\t", omittingEmptySubsequences: false).map(String.init)
      guard fields.count == 4 else { return nil }
      return Match(
        name: fields[0], stars: Int(fields[1]) ?? 0, isOfficial: !fields[2].isEmpty,
        description: fields[3])
    }
  }
}
