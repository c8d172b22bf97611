import Glibc
import Linux

/// A real registry (Debian's docker-registry) on 127.0.0.1, with its own storage; ended with the object.
public final class RegistryServer {
  /// "127.0.0.1:PORT", as in names of images.
  public let host: String
  /// Its directory: configuration, certificates, storage.
  public let directory: String
  /// Certificate of the authority that signed the server's; nil without TLS.
  public let authority: String?
  private let process: BackgroundProcess
  private let tokens: BackgroundProcess?

  private static let tokenScript: String = {
    let here = #filePath.split(separator: "/").dropLast(2).joined(separator: "/")
    return "/\(here)/Registry/token_server.py"
  }()

  /// Starts a registry and waits until it answers.
  ///
  /// - Parameters:
  ///   - directory: made, and not removed.
  ///   - user: "name:password" that it asks for by basic authentication; nil for none.
  ///   - withTLS: serves https under an authority of its own.
  ///   - remote: the address of a registry that it is a pull-through cache of.
  ///   - withTokens: asks for bearer tokens of a server of its own; everybody may pull, `user` may push.
  public init(
    _ directory: String, user: String? = nil, withTLS: Bool = false, remote: String? = nil,
    withTokens: Bool = false
  ) throws {
    self.directory = directory
    try Files.makeDirectories(directory + "/storage", mode: 0o755)
    let port = try RegistryServer.freePort()
    host = "127.0.0.1:\(port)"
    var config = """
      version: 0.1
      log: {level: warn, accesslog: {disabled: false}}
      storage:
        filesystem: {rootdirectory: \(directory)/storage}
        delete: {enabled: true}
      http:
        addr: \(host)
        secret: test

      """
    if withTLS {
      try RegistryServer.makeCertificates(directory)
      config += "  tls: {certificate: \(directory)/server.pem, key: \(directory)/server.key}\n"
      authority = directory + "/ca.pem"
    } else {
      authority = nil
    }
    if withTokens {
      tokens = try BackgroundProcess(
        ["python3", RegistryServer.tokenScript, directory, user ?? "nobody:nothing"])
      for _ in 0..<12000 where !Files.exists(directory + "/token-port") { usleep(5000) }
      config += """
        auth:
          token:
            realm: http://127.0.0.1:\(Files.text(directory + "/token-port") ?? "")/token
            service: test
            issuer: test
            rootcertbundle: \(directory)/token.pem

        """
    } else if let user {
      tokens = nil
      let parts = user.split(separator: ":").map(String.init)
      let made = try run([
        "htpasswd", "-Bbc", directory + "/htpasswd", parts[0], parts[1],
      ])
      guard made.status == 0 else {
        throw Failure(.invalid, "make", "htpasswd", reason: made.errors)
      }
      config += "auth: {htpasswd: {realm: test, path: \(directory)/htpasswd}}\n"
    } else {
      tokens = nil
    }
    if let remote { config += "proxy: {remoteurl: \"\(remote)\"}\n" }
    try Files.replace(directory + "/config.yml", with: Array(config.utf8), mode: 0o644)
    process = try BackgroundProcess(["docker-registry", "serve", directory + "/config.yml"])
    for _ in 0..<2000 {
      if RegistryServer.answers(port) { return }
      if let ended = try process.poll() {
        throw Failure(.invalid, "start", "docker-registry", reason: ended.errors)
      }
      usleep(5000)
    }
    throw Failure(.invalid, "start", "docker-registry", reason: "it does not answer")
  }

  /// What its token server was asked: a line "USER SCOPE..." for each request, "-" for nobody.
  public func tokenRequests() -> [String] {
    let text = Files.text(directory + "/tokens.log") ?? ""
    unlink(directory + "/tokens.log")
    return text.split(separator: "\n").map(String.init)
  }

  /// What it has logged: a line for each request.
  public var log: String { process.output + process.errors }

  /// A port of 127.0.0.1 that nobody listens on.
  public static func freePort() throws -> UInt16 {
    let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    defer { close(descriptor) }
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
    var length = socklen_t(MemoryLayout<sockaddr_in>.size)
    let isBound = withUnsafeMutablePointer(to: &address) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        bind(descriptor, $0, length) == 0 && getsockname(descriptor, $0, &length) == 0
      }
    }
    guard isBound else { throw Failure.last("bind", "127.0.0.1") }
    return UInt16(bigEndian: address.sin_port)
  }

  /// Whether somebody listens on a port of 127.0.0.1.
  public static func answers(_ port: UInt16) -> Bool {
    let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    defer { close(descriptor) }
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_port = port.bigEndian
    address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
    return withUnsafeMutablePointer(to: &address) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size)) == 0
      }
    }
  }

  /// An authority (`ca.pem`), a server's certificate for 127.0.0.1 and localhost (`server.pem`), one for another
  /// host (`other.pem`), and one that has expired yesterday (`old.pem`), with keys.
  public static func makeCertificates(_ directory: String) throws {
    let script = """
      set -e; cd "$1"
      openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=test-ca \
        -keyout ca.key -out ca.pem
      make() {
        openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj "/CN=$1" \
          -keyout "$1.key" -out "$1.csr"
        printf 'subjectAltName=%s\\nextendedKeyUsage=serverAuth' "$2" > "$1.ext"
        openssl x509 -req -in "$1.csr" -CA ca.pem -CAkey ca.key -CAcreateserial -days ${3:-2} \
          -extfile "$1.ext" -out "$1.pem"
      }
      make server IP:127.0.0.1,DNS:localhost
      make other DNS:other.example
      make old IP:127.0.0.1,DNS:localhost -1
      """
    let result = try run(["bash", "-c", script, "certificates", directory])
    guard result.status == 0 else {
      throw Failure(.invalid, "make", "certificates", reason: result.errors)
    }
  }
}
