import CLinux
import Glibc

extension Signals {
  /// Blocks every signal that can be blocked in this process, for a child that must see its work done.
  public static func blockAll() {
    var all = sigset_t()
    sigfillset(&all)
    sigprocmask(SIG_SETMASK, &all, nil)
  }
}
