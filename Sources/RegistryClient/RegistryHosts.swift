import Linux
import NIOSSL

/// Where a registry can be reached, each place with what is known of it.
struct Endpoint: Sendable {
  /// As image names, settings and credentials call it.
  var name: String
  var origin: WebAddress.Origin
  /// May be spoken to without encryption.
  var allowsPlain: Bool
  var isMirror: Bool
  var tls: TLSConfiguration
  var credentials: Credentials?
  /// Hosts besides its own that may be sent its credentials for a token.
  var tokenHosts: [String]
}

/// Finds the endpoints of a registry from the settings; reads every file that a connection will need.
struct RegistryHosts {
  let settings: ClientSettings

  /// Mirrors first, the registry itself last.
  ///
  /// - Throws: ``Failure/Code/invalid`` for a certificate that cannot be read.
  func endpoints(
    of domain: String, mirrors: Bool, credentials: (String) throws(Failure) -> Credentials?
  ) throws(Failure) -> [Endpoint] {
    let host = settings.hosts[domain] ?? ClientSettings.Host()
    var list: [Endpoint] = []
    for mirror in mirrors ? host.mirrors : [] {
      guard let origin = ClientSettings.origin(of: mirror) else { continue }
      let name = origin.authority
      let own = settings.hosts[name] ?? ClientSettings.Host()
      list.append(
        try endpoint(
          origin, own, name: name, isMirror: true, isExplicit: mirror.contains("://"),
          credentials: credentials))
    }
    var place = host.location
    if place == nil && domain == "docker.io" { place = "registry-1.docker.io" }
    guard let origin = ClientSettings.origin(of: place ?? domain) else {
      throw Failure(.invalid, "reach registry", domain, reason: "it is no host")
    }
    list.append(
      try endpoint(
        origin, host, name: domain, isMirror: false,
        isExplicit: place?.contains("://") ?? false, credentials: credentials))
    return list
  }

  private func endpoint(
    _ origin: WebAddress.Origin, _ host: ClientSettings.Host, name: String, isMirror: Bool,
    isExplicit: Bool, credentials: (String) throws(Failure) -> Credentials?
  ) throws(Failure) -> Endpoint {
    var origin = origin
    // As with docker, a registry on this machine may be one without TLS; with a certificate for it in the
    // settings it may not.
    let isTrustedPlain = origin.isLoopback && host.authority == nil
    let allowsPlain = host.isInsecure || isTrustedPlain || (isExplicit && !origin.isSecure)
    if isExplicit && !origin.isSecure && !host.isInsecure && !origin.isLoopback {
      throw Failure(
        .refused, "reach registry", name, reason: "\(origin) is not encrypted",
        remedy: "set insecure = true in [registry.\"\(name)\"] of config.toml to allow that")
    }
    if allowsPlain && !isExplicit && origin.isSecure && isTrustedPlain && !host.isInsecure {
      origin = RegistryHosts.plain(origin, name)
    }
    return Endpoint(
      name: name, origin: origin, allowsPlain: allowsPlain, isMirror: isMirror,
      tls: try tls(host, origin, name: name), credentials: try credentials(name),
      tokenHosts: host.tokenHosts)
  }

  /// The same host for http: port 80 unless a port is named.
  static func plain(_ origin: WebAddress.Origin, _ name: String) -> WebAddress.Origin {
    var plain = origin
    plain.isSecure = false
    if origin.port == 443 && !name.hasSuffix(":443") { plain.port = 80 }
    return plain
  }

  private func tls(
    _ host: ClientSettings.Host, _ origin: WebAddress.Origin, name: String
  ) throws(Failure) -> TLSConfiguration {
    var tls = TLSConfiguration.makeClientConfiguration()
    tls.minimumTLSVersion = .tlsv12
    if host.isInsecure { tls.certificateVerification = .none }
    for file in try authorities(host, name) {
      do {
        tls.additionalTrustRoots.append(
          .certificates(try NIOSSLCertificate.fromPEMFile(file)))
      } catch {
        throw Failure(.invalid, "read certificate", file, reason: "it holds no certificate in PEM")
      }
    }
    guard let chain = host.clientCertificate, let key = host.clientKey else { return tls }
    do {
      tls.certificateChain = try NIOSSLCertificate.fromPEMFile(chain).map { .certificate($0) }
      tls.privateKey = .privateKey(try NIOSSLPrivateKey(file: key, format: .pem))
    } catch {
      throw Failure(
        .invalid, "read client certificate", chain, reason: "it or its key \(key) is no PEM")
    }
    return tls
  }

  /// The setting's file, and what docker would take: certs.d/HOST/*.crt.
  private func authorities(
    _ host: ClientSettings.Host, _ name: String
  ) throws(Failure) -> [String] {
    var files: [String] = []
    if let file = host.authority {
      guard Files.exists(file) else {
        throw Failure(.notFound, "read certificate", file, reason: "there is no such file")
      }
      files.append(file)
    }
    guard !name.contains("/") else { return files }
    for folder in ["/etc/minidock/certs.d", "/etc/docker/certs.d"] {
      let names = (try? Files.list("\(folder)/\(name)")) ?? []
      files += names.filter { $0.hasSuffix(".crt") }.sorted().map { "\(folder)/\(name)/\($0)" }
    }
    return files
  }
}
