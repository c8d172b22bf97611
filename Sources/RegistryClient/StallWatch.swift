import Synchronization

/// Ends what waits too long for the other side. Time in which this side is busy does not count, so a layer
/// that unpacks slowly never looks like a silent server.
final class StallWatch: Sendable {
  private struct State {
    var waitingSince: ContinuousClock.Instant?
    var windowBytes = 0
    var windowWaited = Duration.zero
    var isTooSlow = false
  }
  private let state = Mutex(State())
  private let limit: Duration
  /// Fewer bytes in one limit's time than this are silence too: one byte a minute keeps nobody waiting for ever.
  private static let leastBytes = 1024
  /// Progress whose bytes are not counted.
  static let muchBytes = 1024

  init(seconds: Int) { limit = .seconds(seconds) }

  /// Waits for the other side from now on.
  func wait() {
    state.withLock { $0.waitingSince = .now }
  }

  /// The other side has done something.
  func progressed(_ bytes: Int) {
    state.withLock { state in
      if let since = state.waitingSince { state.windowWaited += .now - since }
      state.waitingSince = nil
      state.windowBytes += bytes
      guard state.windowWaited >= limit else { return }
      state.isTooSlow = state.windowBytes < StallWatch.leastBytes
      state.windowBytes = 0
      state.windowWaited = .zero
    }
  }

  private var isOver: Bool {
    state.withLock { state in
      state.isTooSlow || state.waitingSince.map { .now - $0 >= limit } ?? false
    }
  }

  /// Runs `body`, which tells the watch when it waits.
  ///
  /// - Throws: ``Stalled`` when it has waited too long; `body` is cancelled then.
  static func run<Result: Sendable>(
    seconds: Int, _ body: @escaping @Sendable (StallWatch) async throws -> Result
  ) async throws -> Result {
    let watch = StallWatch(seconds: seconds)
    return try await withThrowingTaskGroup(of: Result?.self) { group in
      group.addTask { try await body(watch) }
      group.addTask {
        while !watch.isOver { try await Task.sleep(for: .milliseconds(200)) }
        throw Stalled()
      }
      defer { group.cancelAll() }
      guard let result = try await group.next(), let result else { throw Stalled() }
      return result
    }
  }
}
