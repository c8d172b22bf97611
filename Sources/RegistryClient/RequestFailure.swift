import AsyncHTTPClient
import Linux
import NIOCore
import NIOPosix
import NIOSSL

/// Why a request failed, and whether it is worth making again.
struct RequestFailure: Error, Sendable {
  var failure: Failure
  /// The next attempt may succeed: broken connections, silence, 429 and 5xx.
  var isTransient = false
  /// The server's status, 0 when there was no answer.
  var status = 0
  /// The pause that the server asked for.
  var retryAfter: Int?
  /// The server does not speak TLS.
  var speaksPlain = false
  /// The server's certificate did not verify.
  var distrusts = false

  init(_ failure: Failure, isTransient: Bool = false) {
    self.failure = failure
    self.isTransient = isTransient
  }

  /// What a transport reports, in the user's words.
  init(_ error: any Error, _ operation: String, _ object: String, host: String, seconds: Int) {
    var reason = ""
    var isTransient = false
    var speaksPlain = false
    var remedy = ""
    var code = Failure.Code.system
    switch error {
    case let error as RequestFailure:
      self = error
      return
    case let error as Failure:
      self.init(error)
      return
    case is Stalled:
      reason = "\(host) has sent nothing for \(seconds) seconds"
      isTransient = true
    case let error as NIOConnectionError:
      reason = RequestFailure.reason(error, host)
      remedy = RequestFailure.hostRemedy
    case let error as NIOSSLError:
      (reason, speaksPlain) = RequestFailure.reason(error)
      code = .refused
      remedy =
        speaksPlain
        ? "a registry without TLS needs insecure = true in config.toml" : RequestFailure.tlsRemedy
    case let error as BoringSSLError:
      reason = "the encrypted connection to \(host) failed: \(error)".cleaned
      isTransient = true
    case let error as NIOSSLExtraError:
      reason = "the certificate of \(host) is not for this host name: \(error)".cleaned
      code = .refused
      remedy = RequestFailure.tlsRemedy
    case let error as HTTPClientError
    where error == .connectTimeout || error == .tlsHandshakeTimeout:
      reason = "\(host) does not answer"
      isTransient = true
      remedy = RequestFailure.hostRemedy
    case let error as HTTPClientError:
      reason = "the connection to \(host) failed: \(error.shortDescription)".cleaned
      isTransient = true
    case let error as IOError:
      reason = "the connection to \(host) failed: \(errorText(error.errnoCode))"
      isTransient = true
      remedy = RequestFailure.hostRemedy
    case is ChannelError, is NIOSSLCloseTimedOutError:
      reason = "the connection to \(host) broke off"
      isTransient = true
    default:
      reason = "\(host) answered what is no HTTP: \(error)".cleaned
      isTransient = true
    }
    if isTransient && remedy.isEmpty { remedy = "try again later" }
    self.init(
      Failure(code, operation, object, reason: reason, remedy: remedy), isTransient: isTransient)
    self.speaksPlain = speaksPlain
    distrusts = reason == RequestFailure.distrust
  }

  private static let distrust = "the server's certificate is not trusted"

  static let hostRemedy = "check the name and whether the registry runs and can be reached"

  static let tlsRemedy =
    "name its authority's certificate as ca in config.toml, if you know that it is the right server"

  private static func reason(_ error: NIOConnectionError, _ host: String) -> String {
    if error.connectionErrors.isEmpty { return "the host name \(host) cannot be resolved" }
    if let first = error.connectionErrors.first?.error as? IOError {
      return "cannot connect to \(host): \(errorText(first.errnoCode))"
    }
    return "cannot connect to \(host)"
  }

  private static func reason(_ error: NIOSSLError) -> (String, Bool) {
    let text = "\(error)"
    if text.contains("WRONG_VERSION_NUMBER") || text.contains("HTTP_REQUEST") {
      return ("the server does not speak TLS", true)
    }
    if text.contains("CERTIFICATE_VERIFY_FAILED") || text.contains("unableToValidateCertificate") {
      return (distrust, false)
    }
    if text.contains("uncleanShutdown") { return ("the connection broke off", false) }
    return ("the server's TLS is refused: \(text.prefix(160))".cleaned, false)
  }
}

/// A server said nothing for too long.
struct Stalled: Error {}

extension String {
  /// One line of printable text, not too long: for what a stranger wrote.
  var cleaned: String {
    let line = split { $0.isNewline }.first.map(String.init) ?? ""
    return String(line.printable.prefix(300))
  }
}
