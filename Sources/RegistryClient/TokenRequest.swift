import AsyncHTTPClient
import Linux
import NIOCore
import NIOHTTP1

/// A bearer token and how long it is good for.
struct BearerToken: Sendable {
  var text: String
  var expires: ContinuousClock.Instant
}

/// Gets a bearer token from the place that a registry names (distribution's token authentication).
///
/// A registry, or whoever answers in its place, can name any realm. Credentials go to it only when it
/// belongs to the registry: the same host, a host of the same domain, or one that the settings name
/// (security row 25). Elsewhere a token is asked for without them, which is enough for public images.
struct TokenRequest: Sendable {
  let challenge: AuthChallenge
  let endpoint: Endpoint
  /// Where the registry was in fact reached.
  let origin: WebAddress.Origin
  let scopes: [String]

  /// The realm, when it may be asked at all.
  func realm() throws(Failure) -> WebAddress {
    let text = challenge.parameters["realm"] ?? ""
    func refused(_ reason: String) -> Failure {
      Failure(
        .refused, "log in to registry", endpoint.name,
        reason: "its token server \"\(text.cleaned)\" \(reason)")
    }
    guard let realm = WebAddress(text) else { throw refused("is no http or https address") }
    if !realm.origin.isSecure && (origin.isSecure || !endpoint.allowsPlain) {
      throw refused("is not encrypted")
    }
    if realm.origin.isLocal && !origin.isLocal { throw refused("is an address of this machine") }
    return realm
  }

  /// Whether the realm may see the registry's credentials.
  func isTrusted(_ realm: WebAddress) -> Bool {
    guard let name = endpoint.credentials.map({ _ in origin.host }) else { return false }
    return TokenRequest.isTrusted(
      realm.origin.host, registry: name, listed: endpoint.tokenHosts)
      // Ports of one machine may belong to anybody who has an account there.
      && (realm.origin.host != name || !origin.isLoopback || realm.origin.port == origin.port
        || endpoint.tokenHosts.contains(realm.origin.authority))
  }

  static func isTrusted(_ realm: String, registry: String, listed: [String]) -> Bool {
    if realm == registry || listed.contains(where: { $0.prefix { $0 != ":" } == realm }) {
      return true
    }
    let parent = registry.split(separator: ".").dropFirst().joined(separator: ".")
    let labels = parent.split(separator: ".")
    let isNumber = registry.utf8.allSatisfy { $0 == UInt8(ascii: ".") || (48...57).contains($0) }
    // "co.uk" is nobody's domain: below it everybody has one.
    let isShared =
      labels.count < 2
      || (labels.count == 2 && labels[1].count == 2
        && ["co", "com", "org", "net", "gov", "ac", "edu", "or", "ne"].contains(String(labels[0])))
    let domain = isShared ? registry : parent
    return !isNumber && !registry.contains(":")
      && (realm == domain || realm.hasSuffix("." + domain))
  }

  /// That credentials which are to be proved would not be sent to the realm: what it answers without them
  /// says nothing about them.
  ///
  /// - Throws: as ``realm()``.
  func untried() throws(Failure) -> Failure? {
    let realm = try realm()
    guard endpoint.credentials != nil, !isTrusted(realm) else { return nil }
    let (reason, remedy) = unsent(realm)
    return Failure(
      .refused, "log in to registry", origin.authority, reason: reason, remedy: remedy)
  }

  private func unsent(_ realm: WebAddress) -> (reason: String, remedy: String) {
    (
      "its token server \(realm.origin) is another's, and was not sent the credentials",
      "name it in token-hosts of config.toml if it is the right one"
    )
  }

  /// Asks for the token.
  func token(_ transport: HTTPTransport, _ watch: StallWatch) async throws -> BearerToken {
    let realm = try realm()
    let credentials = isTrusted(realm) ? endpoint.credentials : nil
    var request = WebRequest(method: .GET, address: realm)
    let service = challenge.parameters["service"]
    if let token = credentials?.identityToken, !token.isEmpty {
      var form =
        "grant_type=refresh_token&client_id=minidock&refresh_token="
        + WebAddress.escaped(token)
      if let service { form += "&service=" + WebAddress.escaped(service) }
      form += "&scope=" + WebAddress.escaped(scopes.joined(separator: " "))
      request.method = .POST
      request.headers.add(name: "Content-Type", value: "application/x-www-form-urlencoded")
      request.body = .bytes(.init(string: form))
    } else {
      if let service { request.address = request.address.adding("service", service) }
      for scope in scopes { request.address = request.address.adding("scope", scope) }
      if let credentials {
        request.address = request.address.adding("account", credentials.user)
        request.headers.add(name: "Authorization", value: credentials.basic)
      }
    }
    let response = try await transport.send(request, tls: endpoint.tls, watch: watch)
    let bytes = try await response.bytes(limit: 1 << 20, "token", watch)
    guard response.status == .ok else {
      throw refusal(realm, Int(response.status.code), sentCredentials: credentials != nil)
    }
    let document = JSONValue.parse(bytes)
    guard let text = document?["token"]?.string ?? document?["access_token"]?.string,
      !text.isEmpty, text.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7f })
    else {
      throw RequestFailure(
        Failure(
          .corrupt, "log in to registry", endpoint.name,
          reason: "its token server \(realm.origin) answered no token"))
    }
    let seconds = min(max(document?["expires_in"]?.integer ?? 60, 10), 86400)
    return BearerToken(text: text, expires: .now + .seconds(seconds) - .seconds(5))
  }

  private func refusal(
    _ realm: WebAddress, _ status: Int, sentCredentials: Bool
  ) -> RequestFailure {
    var reason = "its token server \(realm.origin) answered with status \(status)"
    var remedy = ""
    switch (status, sentCredentials, endpoint.credentials != nil) {
    case (401, true, _), (403, true, _): reason = "user name or password are wrong"
    case (401, false, true), (403, false, true):
      (reason, remedy) = unsent(realm)
    case (401, false, false), (403, false, false):
      reason = "it wants a user and password"
      remedy = "run minidock login \(endpoint.name)"
    default: break
    }
    var failure = RequestFailure(
      Failure(
        .refused, "log in to registry", origin.authority, reason: reason, remedy: remedy))
    failure.status = status
    failure.isTransient = status >= 500 || status == 429
    return failure
  }
}
