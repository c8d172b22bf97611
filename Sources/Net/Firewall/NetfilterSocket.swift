import Linux
import Synchronization

/// A process's socket for packet rules, kept open between changes where `keeps` says so.
///
/// Closing such a socket waits, with the kernel's lock of all packet rules held, until what anybody
/// has removed from them just before is freed (nft_rcv_nl_event): an RCU grace period, some 10 ms,
/// several times what a container's start takes. So whoever makes a client wait keeps it, and waits
/// for that period without the lock (``settle()``) once nobody waits any more.
public final class NetfilterSocket: Sendable {
  private struct State: ~Copyable {
    var keeps = false
    var kept: NetlinkSocket?
    var hasRemoved = false
  }
  private let state = Mutex(State())

  /// One that is not kept.
  public init() {}

  /// Keeps the socket from now on. To be called after the fork of a process that closes what it
  /// does not know.
  public func keep() { state.withLock { $0.keeps = true } }

  /// Gives `body` a socket of this process's network namespace; after a failure it is not used again.
  func with<Result>(
    _ body: (inout NetlinkSocket) throws(Failure) -> Result
  ) throws(Failure) -> Result {
    var socket: NetlinkSocket
    if let kept = state.withLock({ $0.kept.take() }) {
      socket = kept
    } else {
      socket = try .netfilter()
    }
    let result = try body(&socket)
    var used = Optional(consume socket)
    state.withLock { if $0.keeps { $0.kept = used.take() } }
    return result
  }

  /// Notes that a transaction has removed something.
  func noteRemoval() { state.withLock { $0.hasRemoved = true } }

  /// Lets the kernel free what this process has removed, so that closing the socket is quick. To be
  /// called when nobody waits for this process any more; the cost is a grace period.
  public func settle() {
    let hasRemoved = state.withLock { state in
      defer { state.hasRemoved = false }
      return state.hasRemoved
    }
    if hasRemoved { GracePeriod.wait() }
  }
}
