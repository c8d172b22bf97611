import CLinux
import Glibc

/// The small pid 1 of `--init`: reaps every process left to it, passes signals on to the command and
/// ends as the command ended.
public enum Reaper {
  /// Forks; returns in the child, which goes on to execute the command. The parent stays as pid 1 and
  /// never returns.
  ///
  /// By now both have the command's user, capabilities and filter, so the reaper has no more rights
  /// than what it watches.
  public static func startChild(socket: Int32) throws(Failure) {
    var all = sigset_t()
    sigfillset(&all)
    sigprocmask(SIG_SETMASK, &all, nil)
    // Not clone3: a filter answers that with ENOSYS, as it cannot look into its arguments.
    let pid = clx_fork()
    if pid < 0 { throw .last("fork command of --init") }
    if pid == 0 {
      // The command leads its own group, in the foreground of the terminal if there is one.
      setpgid(0, 0)
      if Terminal.isTerminal(0) {
        signal(SIGTTOU, SIG_IGN)
        tcsetpgrp(0, getpid())
        signal(SIGTTOU, SIG_DFL)
      }
      return
    }
    // The exec's success is the closing of the last copy of the socket, which is the child's; a reader
    // of the command's output sees its end when the command closes it.
    for number in [socket, 0, 1, 2] { close(number) }
    Glibc._exit(watch(pid, &all))
  }

  private static func watch(_ command: pid_t, _ all: inout sigset_t) -> Int32 {
    var ended: Int32?
    while true {
      var status: Int32 = 0
      let pid = waitpid(-1, &status, WNOHANG)
      if pid == command { ended = Processes.decode(status).code }
      if pid > 0 { continue }
      if let ended { return ended }
      let signal = sigwaitinfo(&all, nil)
      if signal > 0 && signal != SIGCHLD { kill(command, signal) }
    }
  }
}
