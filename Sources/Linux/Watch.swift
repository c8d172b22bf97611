import CLinux
import Glibc

/// A descriptor to wait for, and what has happened on it (poll(2)).
public struct Watch: Sendable {
  /// Negative: watch nothing.
  public let descriptor: Int32
  /// Wait until it takes output, instead of until it has input.
  public let forOutput: Bool
  /// Whether it has input or takes output, or has ended or failed.
  public fileprivate(set) var isReady = false
  /// Whether the other side is gone.
  public fileprivate(set) var isHungUp = false

  /// A descriptor to wait for.
  public init(_ descriptor: Int32, forOutput: Bool = false) {
    self.descriptor = descriptor
    self.forOutput = forOutput
  }

  /// Those of the descriptors that have input now, by one call for all of them.
  public static func ready(_ descriptors: [Int32]) -> [Int32] {
    guard !descriptors.isEmpty else { return [] }
    var watches = descriptors.map { Watch($0) }
    guard (try? wait(&watches, milliseconds: 0)) == true else { return [] }
    return watches.filter(\.isReady).map(\.descriptor)
  }

  /// Waits until something has happened on one of the descriptors, or a signal came, or the time is over.
  ///
  /// - Parameter milliseconds: how long to wait; -1 for ever.
  /// - Returns: whether anything happened.
  @discardableResult
  public static func wait(
    _ watches: inout [Watch], milliseconds: Int32 = -1
  ) throws(Failure) -> Bool {
    var list = watches.map {
      pollfd(fd: $0.descriptor, events: Int16($0.forOutput ? POLLOUT : POLLIN), revents: 0)
    }
    let count = poll(&list, nfds_t(list.count), milliseconds)
    if count < 0 {
      guard Glibc.errno == EINTR else { throw .last("wait for", "descriptors") }
      return false
    }
    for index in list.indices {
      watches[index].isReady = list[index].revents != 0
      watches[index].isHungUp = Int32(list[index].revents) & (POLLHUP | POLLERR) != 0
    }
    return count > 0
  }

  /// Whether a descriptor has input, or its end, right now.
  public static func hasInput(_ descriptor: Int32) -> Bool { isReady(descriptor, POLLIN) }

  /// Whether a descriptor takes output, or fails to, right now.
  public static func takesOutput(_ descriptor: Int32) -> Bool { isReady(descriptor, POLLOUT) }

  private static func isReady(_ descriptor: Int32, _ event: Int32) -> Bool {
    var state = pollfd(fd: descriptor, events: Int16(event), revents: 0)
    return poll(&state, 1, 0) > 0
  }

  /// Whether the other side of a socket is gone.
  public static func isHungUp(_ descriptor: Int32) -> Bool {
    var state = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
    return poll(&state, 1, 0) > 0 && Int32(state.revents) & POLLHUP != 0
  }
}
