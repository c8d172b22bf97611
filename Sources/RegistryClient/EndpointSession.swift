import AsyncHTTPClient
import Linux
import NIOHTTP1

/// Requests to one endpoint: finds out whether it speaks TLS, answers its challenges, follows its
/// redirects, and sees to it that its credentials go nowhere else.
actor EndpointSession {
  nonisolated let endpoint: Endpoint
  nonisolated let transport: HTTPTransport
  private var origin: WebAddress.Origin
  /// Whether the endpoint has answered over this scheme.
  private var isSettled = false
  private var wantsBasic = false
  /// What the registry has said about tokens.
  private var challenge: AuthChallenge?
  private var tokens: [String: Task<BearerToken, any Error>] = [:]

  init(_ endpoint: Endpoint, _ transport: HTTPTransport) {
    self.endpoint = endpoint
    self.transport = transport
    origin = endpoint.origin
  }

  /// A request below the endpoint's root.
  struct Request: Sendable {
    var method = HTTPMethod.GET
    /// From the root on: "/v2/library/busybox/manifests/latest".
    var target: String
    var headers: [(String, String)] = []
    /// Makes the body anew for every attempt.
    var body: (@Sendable () -> HTTPClientRequest.Body)?
    /// What a token has to allow: "repository:library/busybox:pull".
    var scopes: [String] = []
    /// For messages: "pull manifest of".
    var operation = "ask registry"
    var object = ""
  }

  /// An answer and where it came from.
  struct Answer: Sendable {
    var response: HTTPClientResponse
    var address: WebAddress
  }

  private static let redirectLimit = 8

  /// Sends a request and returns the answer to it, whatever its status but 401 and 3xx.
  ///
  /// - Throws: ``RequestFailure``.
  func send(_ request: Request, _ watch: StallWatch) async throws -> Answer {
    do {
      return try await sendFollowing(request, watch)
    } catch {
      let failure = await failure(error, request)
      if !isSettled && failure.speaksPlain && endpoint.allowsPlain && origin.isSecure {
        origin = RegistryHosts.plain(origin, endpoint.name)
        return try await send(request, watch)
      }
      if let answer = try await sendEncrypted(request, after: failure, watch) { return answer }
      throw failure
    }
  }

  /// A server with TLS may also break off a connection that is not encrypted. What it then has against
  /// TLS (its certificate) is what the user should hear.
  ///
  /// - Returns: nil when this was not the reason.
  private func sendEncrypted(
    _ request: Request, after failure: RequestFailure, _ watch: StallWatch
  ) async throws -> Answer? {
    guard !isSettled, !origin.isSecure, endpoint.origin == origin, origin.isLoopback,
      failure.isTransient
    else { return nil }
    let plain = origin
    origin.isSecure = true
    do {
      return try await sendFollowing(request, watch)
    } catch {
      let second = await self.failure(error, request)
      if second.failure.code == .refused && !second.speaksPlain { throw second }
      origin = plain
      return nil
    }
  }

  /// An error in the user's words, with what is the matter with a certificate.
  private func failure(_ error: any Error, _ request: Request) async -> RequestFailure {
    var failure = RequestFailure(
      error, request.operation, request.object, host: endpoint.name,
      seconds: transport.settings.stallSeconds)
    if failure.distrusts, origin.isSecure,
      let finding = await transport.certificateProblem(of: origin, endpoint.tls)
    {
      (failure.failure.reason, failure.failure.remedy) = finding
    }
    return failure
  }

  private func sendFollowing(_ request: Request, _ watch: StallWatch) async throws -> Answer {
    guard var address = WebAddress("\(origin)" + request.target) else {
      throw Failure(.invalid, request.operation, request.object, reason: "its name fits no address")
    }
    var isForeign = false
    var hasAuthorized = false
    var redirects = 0
    while true {
      var message = WebRequest(method: request.method, address: address, body: request.body?())
      for (name, value) in request.headers { message.headers.add(name: name, value: value) }
      if !isForeign, let value = try await authorization(request, watch) {
        message.headers.add(name: "Authorization", value: value)
      }
      let response = try await transport.send(message, tls: endpoint.tls, watch: watch)
      if !isForeign, try await turnsOutSecure(response, watch) {
        guard let again = WebAddress("\(origin)" + request.target) else { continue }
        address = again
        continue
      }
      isSettled = isSettled || !isForeign
      switch response.status.code {
      case 401 where !isForeign && !hasAuthorized:
        hasAuthorized = true
        _ = try? await response.bytes(limit: 64 << 10, "answer", watch)
        try take(response.headers["WWW-Authenticate"], request)
      case 401:
        throw denied(request, isForeign: isForeign)
      case 301, 302, 303, 307, 308:
        redirects += 1
        let next = try follow(response, from: address, request, redirects)
        isForeign = isForeign || next.origin != origin
        address = next
      default: return Answer(response: response, address: address)
      }
    }
  }

  /// A server with TLS tells one that speaks plain http so: then TLS it is.
  private func turnsOutSecure(
    _ response: HTTPClientResponse, _ watch: StallWatch
  ) async throws -> Bool {
    guard !isSettled, !origin.isSecure, endpoint.origin == origin, response.status == .badRequest
    else { return false }
    let text = String(
      decoding: try await response.bytes(limit: 64 << 10, "answer", watch), as: UTF8.self)
    guard text.lowercased().contains("https") else { return false }
    origin.isSecure = true
    return true
  }

  // MARK: - Redirects

  private func follow(
    _ response: HTTPClientResponse, from address: WebAddress, _ request: Request, _ count: Int
  ) throws -> WebAddress {
    func refused(_ reason: String) -> Failure {
      Failure(.refused, request.operation, request.object, reason: "\(endpoint.name) \(reason)")
    }
    guard count <= EndpointSession.redirectLimit else { throw refused("redirects without end") }
    guard let location = response.headers.first(name: "Location"),
      let next = address.following(location)
    else { throw refused("redirects to no address") }
    if address.origin.isSecure && !next.origin.isSecure {
      throw refused("redirects to \(next.redacted), which is not encrypted")
    }
    if next.origin.isLocal && !endpoint.origin.isLocal {
      throw refused("redirects to \(next.origin), an address of this machine")
    }
    guard request.method == .GET || request.method == .HEAD || next.origin == origin else {
      throw refused("redirects what is sent to it to \(next.origin)")
    }
    return next
  }

  // MARK: - Credentials

  private func authorization(
    _ request: Request, _ watch: StallWatch
  ) async throws -> String? {
    if wantsBasic { return endpoint.credentials?.basic }
    guard let challenge else { return nil }
    return "Bearer " + (try await token(challenge, request.scopes, watch)).text
  }

  /// One token for each set of scopes, asked for once whoever waits for it.
  private func token(
    _ challenge: AuthChallenge, _ wanted: [String], _ watch: StallWatch
  ) async throws -> BearerToken {
    let scopes = wanted.isEmpty ? [challenge.parameters["scope"]].compactMap { $0 } : wanted
    let key = scopes.joined(separator: " ")
    if let known = tokens[key], let token = try? await known.value, token.expires > .now {
      return token
    }
    let request = TokenRequest(
      challenge: challenge, endpoint: endpoint, origin: origin, scopes: scopes)
    // Only a login is about nothing but the credentials.
    if wanted.isEmpty, let failure = try request.untried() { throw failure }
    let transport = transport
    let task = Task { try await request.token(transport, watch) }
    tokens[key] = task
    do { return try await task.value } catch {
      tokens[key] = nil
      throw error
    }
  }

  /// Chooses among the challenges of a 401.
  private func take(_ headers: [String], _ request: Request) throws {
    let challenges = headers.prefix(8).flatMap(AuthChallenge.parse)
    if let bearer = challenges.first(where: { $0.scheme == "bearer" }) {
      // A token that was good before is not any more.
      tokens[request.scopes.joined(separator: " ")] = nil
      challenge = bearer
      return
    }
    guard challenges.contains(where: { $0.scheme == "basic" }) else {
      let names = challenges.map(\.scheme).joined(separator: ", ").cleaned
      throw Failure(
        .unsupported, "log in to registry", endpoint.name,
        reason: names.isEmpty
          ? "it does not say how" : "it wants \(names); known are basic and bearer")
    }
    guard let credentials = endpoint.credentials, credentials.identityToken.isEmpty, !wantsBasic
    else { throw denied(request, isForeign: false) }
    guard origin.isSecure || endpoint.allowsPlain else { throw denied(request, isForeign: false) }
    wantsBasic = true
  }

  private func denied(_ request: Request, isForeign: Bool) -> RequestFailure {
    var failure = RequestFailure(
      Failure(
        .refused, request.operation, request.object,
        reason: isForeign
          ? "the server that \(endpoint.name) redirects to wants credentials, which it does not get"
          : endpoint.credentials == nil
            ? "\(endpoint.name) wants a user and password"
            : "\(endpoint.name) does not accept the stored user and password",
        remedy: isForeign ? "" : "run minidock login \(endpoint.name)"))
    failure.status = 401
    return failure
  }
}

extension EndpointSession.Answer {
  /// The server's refusal in words; its body's own message (distribution's errors.json) is shown.
  func refusal(
    _ request: EndpointSession.Request, _ endpoint: Endpoint, _ watch: StallWatch
  ) async -> RequestFailure {
    let status = Int(response.status.code)
    let bytes = (try? await response.bytes(limit: 64 << 10, "answer", watch)) ?? []
    let first = JSONValue.parse(bytes)?["errors"]?.list?.first
    let told = (first?["message"]?.string ?? first?["code"]?.string ?? "").cleaned
    let suffix = told.isEmpty ? "" : ": \(told)"
    var code = Failure.Code.system
    var reason = "\(endpoint.name) answered with status \(status)\(suffix)"
    var remedy = ""
    switch status {
    case 404:
      code = .notFound
      reason = "\(endpoint.name) has no such image or repository\(suffix)"
      remedy =
        endpoint.credentials == nil
        ? "check the name; a private one needs minidock login \(endpoint.name)" : "check the name"
    case 403:
      code = .refused
      reason = "\(endpoint.name) does not allow it\(suffix)"
      remedy = endpoint.credentials == nil ? "run minidock login \(endpoint.name)" : ""
    case 429:
      reason = "\(endpoint.name) allows no more requests for now\(suffix)"
      remedy =
        endpoint.credentials == nil
        ? "try again later; minidock login \(endpoint.name) may raise the limit"
        : "try again later"
    case 500...: remedy = "the registry is in trouble: try again later"
    default: break
    }
    var failure = RequestFailure(
      Failure(code, request.operation, request.object, reason: reason, remedy: remedy),
      isTransient: status >= 500 || status == 429 || status == 408)
    failure.status = status
    failure.retryAfter = response.headers.first(name: "Retry-After").flatMap { Int($0) }
    return failure
  }
}
