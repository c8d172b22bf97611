import Linux
import NIOCore
import NIOPosix
import RegistryExchange

/// All requests to one registry: its endpoints in order, and further attempts where they are worth it.
struct RegistrySession: Sendable {
  let domain: String
  /// Mirrors first, the registry itself last.
  let endpoints: [EndpointSession]
  let transport: HTTPTransport
  let pool: NIOThreadPool

  var settings: ClientSettings { transport.settings }
  /// The registry itself.
  var origin: EndpointSession { endpoints[endpoints.count - 1] }

  /// Runs `body` until it succeeds, fails for good, or has failed transiently too often. What was achieved
  /// in between (`hasProgressed`) begins the count anew.
  func retrying<Result: Sendable>(
    _ operation: String, _ object: String,
    hasProgressed: @Sendable () -> Bool = { false },
    _ body: @escaping @Sendable (StallWatch) async throws -> Result
  ) async throws -> Result {
    var attempts = 0
    while true {
      do {
        return try await StallWatch.run(seconds: settings.stallSeconds, body)
      } catch {
        let failure = RequestFailure(
          error, operation, object, host: domain, seconds: settings.stallSeconds)
        if hasProgressed() { attempts = 0 }
        attempts += 1
        guard failure.isTransient, attempts <= settings.retries else {
          throw exhausted(failure, attempts)
        }
        try await Task.sleep(for: RegistrySession.pause(attempts, failure.retryAfter))
      }
    }
  }

  private func exhausted(_ failure: RequestFailure, _ attempts: Int) -> RequestFailure {
    guard failure.isTransient, attempts > 1 else { return failure }
    var told = failure
    told.failure.reason += " (after \(attempts) attempts)"
    return told
  }

  /// A quarter of a second, doubled each time, with a random part so that many clients spread; or what the
  /// server asks for. Never more than half a minute.
  static func pause(_ attempt: Int, _ wanted: Int?) -> Duration {
    if let wanted { return .seconds(min(max(wanted, 0), 30)) }
    let base = min(0.25 * Double(1 << min(attempt - 1, 10)), 15)
    return .milliseconds(Int(base * 1000 * Double.random(in: 0.75...1.25)))
  }

  /// Asks one endpoint after the other until one answers well; the last one's failure counts.
  func onEndpoints<Result: Sendable>(
    skippingMirrors: Bool = false,
    _ body: (EndpointSession) async throws -> Result
  ) async throws -> Result {
    for session in endpoints.dropLast() where !skippingMirrors {
      do { return try await body(session) } catch let failure as RequestFailure {
        // Whoever gave the request up does not want another server's answer.
        if failure.failure.errno == ErrorNumber.brokenPipe { throw failure }
      } catch is CancellationError { throw CancellationError() } catch { continue }
    }
    return try await body(origin)
  }
}
