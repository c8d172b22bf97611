import AsyncHTTPClient
import Linux
import NIOCore
import NIOHTTP1
import NIOPosix
import NIOSSL

/// One HTTP request and its answer, without any policy: no redirect, no credentials, no second attempt.
struct WebRequest: Sendable {
  var method: HTTPMethod
  var address: WebAddress
  var headers = HTTPHeaders()
  var body: HTTPClientRequest.Body?
}

/// The connections of this program.
struct HTTPTransport: Sendable {
  private let direct: HTTPClient
  /// By whether the request is encrypted.
  private let proxied: [Bool: HTTPClient]
  private let exceptions: [String]
  let settings: ClientSettings
  private let group: any EventLoopGroup

  init(settings: ClientSettings, group: any EventLoopGroup) throws(Failure) {
    self.settings = settings
    self.group = group
    var configuration = HTTPClient.Configuration()
    configuration.redirectConfiguration = .disallow
    configuration.decompression = .disabled
    configuration.timeout = .init(connect: .seconds(Int64(settings.connectSeconds)))
    configuration.connectionPool.retryConnectionEstablishment = false
    // HTTP/2's flow control windows would slow a large blob down on a long line.
    configuration.httpVersion = .http1Only
    direct = HTTPClient(eventLoopGroupProvider: .shared(group), configuration: configuration)
    var proxied: [Bool: HTTPClient] = [:]
    for (isSecure, names) in [
      (true, ["HTTPS_PROXY", "https_proxy"]), (false, ["HTTP_PROXY", "http_proxy"]),
    ] {
      guard let text = names.lazy.compactMap(Console.environment).first else { continue }
      guard let proxy = WebAddress.Proxy(text) else {
        throw Failure(.invalid, "use proxy", names[0], reason: "it is no http address of a host")
      }
      configuration.proxy = proxy.configuration
      proxied[isSecure] = HTTPClient(
        eventLoopGroupProvider: .shared(group), configuration: configuration)
    }
    self.proxied = proxied
    exceptions = (Console.environment("NO_PROXY") ?? Console.environment("no_proxy") ?? "")
      .split(separator: ",").map {
        String($0.drop { $0 == " " }.prefix { $0 != " " }).lowercased()
      }
  }

  private func client(for origin: WebAddress.Origin) -> HTTPClient {
    guard let proxy = proxied[origin.isSecure], !origin.isLoopback else { return direct }
    let isException = exceptions.contains { name in
      name == "*" || name == origin.host || name == origin.authority
        || origin.host.hasSuffix(name.hasPrefix(".") ? name : "." + name) && !name.isEmpty
    }
    return isException ? direct : proxy
  }

  /// Why a certificate was refused, where its time is the reason; nil otherwise, and behind a proxy.
  func certificateProblem(
    of origin: WebAddress.Origin, _ tls: TLSConfiguration
  ) async -> CertificateProbe.Finding? {
    guard client(for: origin) === direct else { return nil }
    return await CertificateProbe(origin: origin, tls: tls, group: group).run()
  }

  /// Sends a request; the answer's body is still to come.
  func send(
    _ request: WebRequest, tls: TLSConfiguration, watch: StallWatch
  ) async throws -> HTTPClientResponse {
    var message = HTTPClientRequest(url: request.address.description)
    message.method = request.method
    message.headers = request.headers
    message.headers.replaceOrAdd(name: "User-Agent", value: "minidock")
    message.body = request.body
    if request.address.origin.isSecure { message.tlsConfiguration = tls }
    watch.wait()
    let response = try await client(for: request.address.origin)
      .execute(message, deadline: .distantFuture)
    watch.progressed(0)
    return response
  }
}

extension WebAddress {
  /// A proxy as the environment names it: "http://user:password@host:port".
  struct Proxy {
    let configuration: HTTPClient.Configuration.Proxy

    init?(_ text: String) {
      var rest = text
      var authorization: HTTPClient.Authorization?
      if !rest.contains("://") { rest = "http://" + rest }
      if let at = rest.lastIndex(of: "@"), let start = rest.firstRange(of: "://") {
        let user = rest[start.upperBound..<at].split(separator: ":", maxSplits: 1).map(String.init)
        authorization = .basic(username: user[0], password: user.count > 1 ? user[1] : "")
        rest = String(rest[..<start.upperBound] + rest[rest.index(after: at)...])
      }
      guard let address = WebAddress(rest), !address.origin.isSecure else { return nil }
      configuration = .server(
        host: address.origin.host, port: address.origin.port, authorization: authorization)
    }
  }
}

extension HTTPClientResponse {
  /// The whole body.
  ///
  /// - Throws: ``Failure/Code/refused`` when it is larger than `limit`.
  func bytes(limit: Int, _ what: String, _ watch: StallWatch) async throws -> [UInt8] {
    var bytes: [UInt8] = []
    var iterator = body.makeAsyncIterator()
    while true {
      watch.wait()
      guard let part = try await iterator.next() else { break }
      watch.progressed(part.readableBytes)
      guard bytes.count + part.readableBytes <= limit else {
        throw Failure(.refused, "read", what, reason: "it is larger than \(limit) bytes")
      }
      bytes.append(contentsOf: part.readableBytesView)
    }
    return bytes
  }
}
