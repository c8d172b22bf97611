import CLinux
import Glibc

/// Tells when something in directories changes (inotify(7)).
public struct FileWatch: ~Copyable, Sendable {
  /// The descriptor, for poll(2).
  public let descriptor: Descriptor

  /// Watches nothing yet.
  ///
  /// - Throws: EMFILE at the user's limit (fs.inotify.max_user_instances).
  public init() throws(Failure) {
    descriptor = Descriptor(
      owning: try check("create inotify instance") {
        inotify_init1(Int32(IN_CLOEXEC | IN_NONBLOCK))
      })
  }

  /// Watches a file or directory for content that changes and for entries that come.
  ///
  /// - Parameter removals: for entries that go as well.
  public func add(_ path: String, removals: Bool = false) throws(Failure) {
    var events = UInt32(IN_MODIFY) | UInt32(IN_CREATE) | UInt32(IN_MOVED_TO)
    if removals { events |= UInt32(IN_DELETE) }
    try check("watch", path) { inotify_add_watch(descriptor.raw, path, events) }
  }

  /// Takes what has been told so far: nobody needs to know what it was, only that.
  public func drain() {
    var space = [UInt8](repeating: 0, count: 4096)
    while read(descriptor.raw, &space, space.count) > 0 {}
  }
}
