import Linux
import NIOCore
import NIOPosix
import NIOSSL
import Synchronization

/// Looks once more at a certificate that was refused. BoringSSL says only that it did not verify, whether
/// nobody known has signed it or it has expired; the two have different remedies.
///
/// The handshake is broken off as soon as the certificate is here: nothing is sent.
struct CertificateProbe {
  let origin: WebAddress.Origin
  let tls: TLSConfiguration
  let group: any EventLoopGroup

  /// What is wrong, and what to do.
  typealias Finding = (reason: String, remedy: String)

  /// Certificates by the times of their first and last second, the server's own first.
  private final class Seen: Sendable {
    let times = Mutex<[(first: Int, last: Int)]>([])
  }

  /// Nil when its time is not what is wrong with it.
  func run() async -> Finding? {
    guard let context = try? NIOSSLContext(configuration: tls) else { return nil }
    let seen = Seen()
    let name = origin.host
    let connected = ClientBootstrap(group: group)
      .connectTimeout(.seconds(5))
      .channelInitializer { channel in
        channel.eventLoop.makeCompletedFuture {
          let note: NIOSSLCustomVerificationCallback = { certificates, verdict in
            seen.times.withLock { times in
              times = certificates.map { (Int($0.notValidBefore), Int($0.notValidAfter)) }
            }
            verdict.succeed(.failed)
          }
          func handler(_ name: String?) throws -> NIOSSLClientHandler {
            try NIOSSLClientHandler(
              context: context, serverHostname: name, customVerificationCallback: note)
          }
          // An address is no name that the server could be told (RFC 6066).
          let one = try (try? handler(name)) ?? handler(nil)
          try channel.pipeline.syncOperations.addHandler(one)
        }
      }
      .connect(host: name, port: origin.port)
    guard let channel = try? await connected.get() else { return nil }
    let limit = channel.eventLoop.scheduleTask(in: .seconds(5)) { channel.close(promise: nil) }
    try? await channel.closeFuture.get()
    limit.cancel()
    let now = Timestamp.now.nanoseconds / 1_000_000_000
    return CertificateProbe.finding(seen.times.withLock { $0 }, now: Int(now))
  }

  static func finding(_ times: [(first: Int, last: Int)], now: Int) -> Finding? {
    for (place, time) in times.enumerated() {
      let what = place == 0 ? "the server's certificate" : "the certificate of its authority"
      if time.last < now {
        return (
          "\(what) has expired on \(day(time.last))",
          "the registry needs a new one, unless the clock of this machine is wrong"
        )
      }
      if time.first > now {
        return (
          "\(what) is not valid before \(day(time.first))",
          "set the clock of this machine, or wait until then"
        )
      }
    }
    return nil
  }

  private static func day(_ seconds: Int) -> String {
    let limit = Int(Int64.max / 1_000_000_000)
    let seconds = Int64(min(max(seconds, -limit), limit))
    return String(Timestamp(nanoseconds: seconds * 1_000_000_000).description.prefix(10))
  }
}
