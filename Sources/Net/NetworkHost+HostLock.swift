import Linux

extension NetworkHost {
  /// Held by whoever puts something in place on the host: from before it looks at what there is until
  /// that is changed. One root at a time: two could else choose one subnet at the same moment, or one
  /// turn forwarding off, as no bridge is left, while another makes its bridge.
  ///
  /// The file is outside all roots, where only the administrator can make or lock it. Where there is no
  /// such place (a rootless minidock) it is the root's own, and what is left is that each root looks
  /// once more after it has set its bridge's address. To be taken after the root's own locks.
  func lockHost() throws(Failure) -> FileLock {
    do throws(Failure) { return try FileLock.acquire(NetworkHost.hostLockPath) } catch {
      try Files.makeDirectories(runRoot)
      return try FileLock.acquire(runRoot + "/host.lock")
    }
  }

  private static let hostLockPath = "/run/minidock-networks.lock"
}
