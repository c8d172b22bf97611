import Linux
import TOMLKit

/// What config.toml says about registries; docs/registries.md describes it for users.
///
///     [transfer]
///     retries = 5
///     stall-seconds = 60
///
///     [registry."registry.example.com:5000"]
///     ca = "/etc/ssl/example.pem"
///     mirrors = ["https://mirror.example.com"]
struct ClientSettings: Sendable, Equatable {
  /// Of one registry, or of a mirror.
  struct Host: Sendable, Equatable {
    /// Certificates in PEM that are trusted besides the system's.
    var authority: String?
    /// Plain http is spoken and no certificate is checked.
    var isInsecure = false
    /// Asked first for manifests and blobs, in this order.
    var mirrors: [String] = []
    /// Certificate and key that this client shows.
    var clientCertificate: String?
    var clientKey: String?
    /// Hosts besides the registry's own that may be sent its credentials for a token.
    var tokenHosts: [String] = []
    /// Another host that serves this registry.
    var location: String?
  }

  /// How often a failed request is made again.
  var retries = 5
  /// How long a server may be silent.
  var stallSeconds = 60
  /// How long a connection may take to be made.
  var connectSeconds = 15
  /// By the registry's name in image names.
  var hosts: [String: Host] = [:]

  /// Reads one file's text over these settings: what it says goes before what was said.
  ///
  /// - Throws: ``Failure/Code/invalid`` naming the file and what is wrong in it. Tables that are not
  ///   about registries are left to others.
  mutating func merge(_ text: String, file: String) throws(Failure) {
    let document: Document
    do {
      document = try TOMLDecoder().decode(Document.self, from: text)
    } catch {
      throw Failure(.invalid, "read", file, reason: ClientSettings.reason(error))
    }
    retries = document.transfer?.retries ?? retries
    stallSeconds = document.transfer?.stall ?? stallSeconds
    connectSeconds = document.transfer?.connect ?? connectSeconds
    for (name, value) in document.registry ?? [:] {
      var host = hosts[name] ?? Host()
      host.authority = value.ca ?? host.authority
      host.isInsecure = value.insecure ?? host.isInsecure
      host.mirrors = value.mirrors ?? host.mirrors
      host.clientCertificate = value.clientCertificate ?? host.clientCertificate
      host.clientKey = value.clientKey ?? host.clientKey
      host.tokenHosts = value.tokenHosts ?? host.tokenHosts
      host.location = value.location ?? host.location
      hosts[name] = host
    }
    try check(file)
  }

  private func check(_ file: String) throws(Failure) {
    func wrong(_ what: String, _ reason: String) -> Failure {
      Failure(.invalid, "read", file, reason: "\(what) \(reason)")
    }
    guard (0...100).contains(retries) else { throw wrong("transfer.retries", "is not 0 to 100") }
    guard (1...3600).contains(stallSeconds), (1...3600).contains(connectSeconds) else {
      throw wrong("transfer", "has a time that is not 1 to 3600 seconds")
    }
    for (name, host) in hosts {
      guard WebAddress.Origin(authority: name, isSecure: true) != nil else {
        throw wrong("registry.\"\(name)\"", "is no host")
      }
      for mirror in host.mirrors where ClientSettings.origin(of: mirror) == nil {
        throw wrong("mirror \"\(mirror)\" of \(name)", "is no http or https address of a host")
      }
      if let location = host.location, ClientSettings.origin(of: location) == nil {
        throw wrong("location \"\(location)\" of \(name)", "is no host")
      }
      if (host.clientCertificate == nil) != (host.clientKey == nil) {
        throw wrong("registry.\"\(name)\"", "needs both client-cert and client-key")
      }
    }
  }

  /// A host as a setting names it: an address without a path, or a host alone, which means https.
  static func origin(of text: String) -> WebAddress.Origin? {
    if !text.contains("://") { return WebAddress.Origin(authority: text, isSecure: true) }
    guard let address = WebAddress(text), address.target == "/" else { return nil }
    return address.origin
  }

  private static func reason(_ error: any Error) -> String {
    switch error {
    case let error as TOMLParseError:
      return "\(error.source.begin.debugDescription): \(error.description)"
    case let error as UnknownSetting: return error.text
    case DecodingError.typeMismatch(_, let context), DecodingError.dataCorrupted(let context),
      DecodingError.keyNotFound(_, let context), DecodingError.valueNotFound(_, let context):
      let path = context.codingPath.map(\.stringValue).joined(separator: ".")
      return "\(path.isEmpty ? "it" : path) has a value of the wrong kind"
    default: return "it is no TOML"
    }
  }
}

// MARK: - The file

extension ClientSettings {
  fileprivate struct UnknownSetting: Error { var text: String }

  fileprivate struct AnyKey: CodingKey {
    var stringValue: String
    var intValue: Int? { nil }
    init?(stringValue: String) { self.stringValue = stringValue }
    init?(intValue: Int) { nil }
  }

  /// A setting that nobody reads is a mistake somebody would search for: it is an error.
  fileprivate static func refuseOthers<Key: CodingKey & CaseIterable>(
    _ decoder: any Decoder, than _: Key.Type
  ) throws {
    let known = Key.allCases.map(\.stringValue)
    for key in try decoder.container(keyedBy: AnyKey.self).allKeys
    where !known.contains(key.stringValue) {
      let path = (decoder.codingPath.map(\.stringValue) + [key.stringValue]).joined(separator: ".")
      throw UnknownSetting(
        text: "unknown setting \(path), known are \(known.joined(separator: ", "))")
    }
  }

  fileprivate struct Document: Decodable {
    var transfer: Transfer?
    var registry: [String: Registry]?
  }

  fileprivate struct Transfer: Decodable {
    var retries: Int?
    var stall: Int?
    var connect: Int?

    enum CodingKeys: String, CodingKey, CaseIterable {
      case retries
      case stall = "stall-seconds"
      case connect = "connect-seconds"
    }

    init(from decoder: any Decoder) throws {
      try refuseOthers(decoder, than: CodingKeys.self)
      let container = try decoder.container(keyedBy: CodingKeys.self)
      retries = try container.decodeIfPresent(Int.self, forKey: .retries)
      stall = try container.decodeIfPresent(Int.self, forKey: .stall)
      connect = try container.decodeIfPresent(Int.self, forKey: .connect)
    }
  }

  fileprivate struct Registry: Decodable {
    var ca: String?
    var insecure: Bool?
    var mirrors: [String]?
    var clientCertificate: String?
    var clientKey: String?
    var tokenHosts: [String]?
    var location: String?

    enum CodingKeys: String, CodingKey, CaseIterable {
      case ca, insecure, mirrors, location
      case clientCertificate = "client-cert"
      case clientKey = "client-key"
      case tokenHosts = "token-hosts"
    }

    init(from decoder: any Decoder) throws {
      try refuseOthers(decoder, than: CodingKeys.self)
      let container = try decoder.container(keyedBy: CodingKeys.self)
      ca = try container.decodeIfPresent(String.self, forKey: .ca)
      insecure = try container.decodeIfPresent(Bool.self, forKey: .insecure)
      mirrors = try container.decodeIfPresent([String].self, forKey: .mirrors)
      clientCertificate = try container.decodeIfPresent(String.self, forKey: .clientCertificate)
      clientKey = try container.decodeIfPresent(String.self, forKey: .clientKey)
      tokenHosts = try container.decodeIfPresent([String].self, forKey: .tokenHosts)
      location = try container.decodeIfPresent(String.self, forKey: .location)
    }
  }
}

extension ClientSettings {
  /// The machine's settings with the user's own over them; `MINIDOCK_CONFIG` names one file instead.
  static func load() throws(Failure) -> ClientSettings {
    var settings = ClientSettings()
    if let file = Console.environment("MINIDOCK_CONFIG") {
      guard let bytes = try Files.read(file, limit: 1 << 20) else {
        throw Failure(.notFound, "read", file, reason: "there is no such file (MINIDOCK_CONFIG)")
      }
      try settings.merge(String(decoding: bytes, as: UTF8.self), file: file)
      return settings
    }
    var files = ["/etc/minidock/config.toml"]
    if let folder = Console.environment("XDG_CONFIG_HOME")
      ?? Console.environment("HOME").map({ $0 + "/.config" })
    {
      files.append(folder + "/minidock/config.toml")
    }
    for file in files {
      guard let bytes = try Files.read(file, limit: 1 << 20) else { continue }
      try settings.merge(String(decoding: bytes, as: UTF8.self), file: file)
    }
    return settings
  }
}
