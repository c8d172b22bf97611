import CLinux
import Glibc

/// Takes away from a process what it does not need to talk to a network: for programs with threads, which
/// call this before their first one, as each thread inherits it.
public enum FileConfinement {
  /// Drops every capability and, where the kernel has Landlock (5.13), every right to a file but reading
  /// below `readable`. Nothing can be written, made, removed or executed any more; open files stay usable.
  ///
  /// Sets no_new_privs. Paths that do not exist are passed over.
  ///
  /// - Returns: false where the kernel has no Landlock: then only the capabilities are gone.
  @discardableResult
  public static func readOnly(below readable: [String]) throws(Failure) -> Bool {
    try ThisProcess.setNoNewPrivileges()
    try check("drop capabilities") { clx_drop_capabilities() }
    guard clx_landlock_abi() > 0 else { return false }
    // All rights of the first version: execute, write, read, list, remove, make.
    let ruleset = Descriptor(
      owning: try check("create file rules") { clx_landlock_create((1 << 13) - 1) })
    for path in readable {
      guard let place = try? Descriptor.open(path, .path) else { continue }
      let isDirectory = (try? FileKind.of(place.raw)) == .directory
      try check("allow reading", path) {
        // LANDLOCK_ACCESS_FS_READ_FILE, and _READ_DIR for a directory.
        clx_landlock_allow(ruleset.raw, place.raw, isDirectory ? 0b1100 : 0b0100)
      }
    }
    try check("apply file rules") { clx_landlock_restrict(ruleset.raw) }
    return true
  }
}

/// Output that a process with threads writes without ever being held up.
public enum PendingOutput {
  /// Makes writes to a pipe or socket return at once.
  public static func makeImmediate(_ descriptor: Int32) throws(Failure) {
    try check("set non-blocking", "descriptor \(descriptor)") {
      clx_set_nonblocking(descriptor, true)
    }
  }

  /// Writes as much as fits.
  ///
  /// - Returns: how much that was; 0 when nothing fits.
  /// - Throws: EPIPE when the reader is gone.
  public static func write(
    _ descriptor: Int32, _ bytes: UnsafeRawBufferPointer
  ) throws(Failure) -> Int {
    do throws(Failure) {
      return try checkCount("write", "descriptor \(descriptor)") {
        Glibc.write(descriptor, bytes.baseAddress, bytes.count)
      }
    } catch  where error.errno == EAGAIN {
      return 0
    }
  }

  /// Waits until a descriptor takes output or its reader is gone.
  public static func wait(_ descriptor: Int32) {
    var state = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
    while poll(&state, 1, -1) < 0 && errno == EINTR {}
  }

  /// Has a pipe hold `bytes` (F_SETPIPE_SZ); one that may not keeps its size.
  public static func widen(_ pipe: Int32, to bytes: Int) {
    _ = clx_fcntl(pipe, 1031 /* F_SETPIPE_SZ */, bytes)
  }
}
