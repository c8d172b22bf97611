import Linux

/// Who somebody is at one registry.
struct Credentials: Sendable, Equatable {
  var user: String
  var password: String
  /// A refresh token that stands for both (OAuth 2), as `docker login` stores it for some registries.
  var identityToken = ""

  /// The value of an Authorization header.
  var basic: String { "Basic " + Base64.encode("\(user):\(password)".utf8) }
}

/// Docker's own store of credentials: `config.json` in `$DOCKER_CONFIG` or `~/.docker`, with the helper
/// programs that it names.
struct CredentialStore {
  let folder: String?
  private(set) var document: JSONValue
  /// Docker Hub's key, from its first protocol.
  static let hubKey = "https://index.docker.io/v1/"

  var path: String { (folder ?? "") + "/config.json" }

  /// Reads the store; a missing file is an empty one.
  init() throws(Failure) {
    folder =
      Console.environment("DOCKER_CONFIG") ?? Console.environment("HOME").map { $0 + "/.docker" }
    document = .object([:])
    guard let folder else { return }
    guard let bytes = try Files.read(folder + "/config.json", limit: 4 << 20) else { return }
    if bytes.allSatisfy({ $0 <= 0x20 }) { return }
    guard let parsed = JSONValue.parse(bytes), parsed.object != nil else {
      throw Failure(.corrupt, "read", folder + "/config.json", reason: "it is no JSON object")
    }
    document = parsed
  }

  static func key(_ domain: String) -> String { domain == "docker.io" ? hubKey : domain }

  /// The helper program that keeps a registry's credentials: "secretservice" is
  /// `docker-credential-secretservice`; nil when they are in the file.
  func helper(for domain: String) -> String? {
    let helpers = document["credHelpers"]
    if let name = helpers?[CredentialStore.key(domain)]?.string ?? helpers?[domain]?.string {
      return name
    }
    return document["credsStore"]?.string.flatMap { $0.isEmpty ? nil : $0 }
  }

  /// The stored credentials of a registry; nil when there are none.
  ///
  /// - Throws: the failure of a helper program.
  func find(_ domain: String) throws(Failure) -> Credentials? {
    let key = CredentialStore.key(domain)
    if let name = helper(for: domain) {
      if let found = try CredentialHelper(name).get(key) { return found }
    }
    guard let entry = entry(for: domain) else { return nil }
    var found = Credentials(
      user: entry["username"]?.string ?? "", password: entry["password"]?.string ?? "",
      identityToken: entry["identitytoken"]?.string ?? "")
    if let packed = entry["auth"]?.string, !packed.isEmpty {
      guard let bytes = Base64.decode(packed),
        let colon = bytes.firstIndex(of: UInt8(ascii: ":"))
      else {
        throw Failure(
          .corrupt, "read", path, reason: "the credentials of \(domain) are no user and password",
          remedy: "log in again: minidock login \(domain)")
      }
      found.user = String(decoding: bytes[..<colon], as: UTF8.self)
      // Docker's own files may end in NUL bytes.
      let secret = bytes[(colon + 1)...]
      found.password = String(
        decoding: secret.prefix(secret.count - secret.reversed().prefix { $0 == 0 }.count),
        as: UTF8.self)
    }
    return found.user.isEmpty && found.identityToken.isEmpty ? nil : found
  }

  /// Docker's keys: the host itself, or an address of an older version of it.
  private func entry(for domain: String) -> JSONValue? {
    guard let entries = document["auths"]?.object else { return nil }
    let key = CredentialStore.key(domain)
    if let entry = entries[key] ?? entries[domain] { return entry }
    return entries.first { CredentialStore.host(of: $0.key) == domain }?.value
  }

  static func host(of key: String) -> String {
    var text = key[...]
    for prefix in ["https://", "http://"] where text.hasPrefix(prefix) {
      text = text.dropFirst(prefix.count)
    }
    let host = String(text.prefix { $0 != "/" })
    return host == "index.docker.io" || host == "registry-1.docker.io" ? "docker.io" : host
  }
}

// MARK: - Changes

extension CredentialStore {
  /// Stores credentials: with the helper where there is one, else in the file, which only its owner can
  /// read.
  ///
  /// - Returns: a warning when they are in the file in the clear.
  mutating func store(_ credentials: Credentials, for domain: String) throws(Failure) -> String {
    let key = CredentialStore.key(domain)
    var auths = document["auths"] ?? .object([:])
    var warning = ""
    if let name = helper(for: domain) {
      try CredentialHelper(name).store(credentials, for: key)
      auths[key] = .object([:])
    } else {
      var entry: [String: JSONValue] = [
        "auth": .string(Base64.encode("\(credentials.user):\(credentials.password)".utf8))
      ]
      if !credentials.identityToken.isEmpty {
        entry = ["auth": .string(Base64.encode("\(credentials.user):".utf8))]
        entry["identitytoken"] = .string(credentials.identityToken)
      }
      auths[key] = .object(entry)
      warning = "the password is stored unencrypted in \(path); a credential helper keeps it safer"
    }
    document["auths"] = auths
    try write()
    return warning
  }

  /// Forgets a registry's credentials.
  ///
  /// - Returns: whether there were any.
  mutating func erase(_ domain: String) throws(Failure) -> Bool {
    let key = CredentialStore.key(domain)
    var wasThere = false
    if let name = helper(for: domain) {
      wasThere = try CredentialHelper(name).get(key) != nil
      if wasThere { try CredentialHelper(name).erase(key) }
    }
    guard case .object(var auths) = document["auths"] ?? .object([:]) else { return wasThere }
    for entry in auths.keys
    where entry == key || entry == domain || CredentialStore.host(of: entry) == domain {
      auths[entry] = nil
      wasThere = true
    }
    guard wasThere else { return false }
    document["auths"] = .object(auths)
    try write()
    return true
  }

  /// Writes the file anew, mode 0600 whatever it was, through the link when it is one.
  private func write() throws(Failure) {
    guard let folder else {
      throw Failure(
        .notFound, "store", "credentials", reason: "there is no home directory",
        remedy: "set DOCKER_CONFIG to a directory")
    }
    try Files.makeDirectories(folder, mode: 0o700)
    let target = SymbolicLinks.read(path).map { $0.hasPrefix("/") ? $0 : folder + "/" + $0 } ?? path
    try Files.replace(
      target, with: document.bytes, through: "\(target).\(randomHex(bytes: 6)).tmp")
  }
}
