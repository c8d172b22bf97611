import CLinux

/// The kernel's read-copy-update: what was removed from a list is freed once all who might still read
/// it are done.
public enum GracePeriod {
  /// Waits for one, some milliseconds, holding no lock (membarrier(2), MEMBARRIER_CMD_GLOBAL). A kernel
  /// that refuses (nohz_full) is no failure: this only ever makes something else quicker.
  public static func wait() { _ = clx_membarrier(1) }
}
