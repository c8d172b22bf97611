import Synchronization

/// Lets progress through a few times a second only.
final class UploadPace: Sendable {
  private let next = Mutex(ContinuousClock.now)

  func isTime() -> Bool {
    next.withLock { next in
      guard .now >= next else { return false }
      next = .now + .milliseconds(100)
      return true
    }
  }
}
