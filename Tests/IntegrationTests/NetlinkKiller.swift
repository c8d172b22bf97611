import Linux
import TestSupport

/// A program that runs a command and kills the process that is about to send the N-th netlink message,
/// be it the command or its monitor: `killer N COMMAND…`.
///
/// It ends with 77 when it has killed, else with the command's status. Followed by ptrace(2); what
/// still runs when the command has ended goes on without it.
enum NetlinkKiller {
  static let isAvailable = hasProgram("gcc")

  /// Compiles it below a directory and returns its path.
  static func compile(below directory: String) throws -> String {
    let path = directory + "/killer"
    try Files.replace(path + ".c", with: Array(source.utf8), mode: 0o644)
    let result = try TestSupport.run(["gcc", "-O1", "-o", path, path + ".c"])
    guard result.status == 0 else {
      throw Failure(.invalid, "compile", "killer", reason: result.errors)
    }
    return path
  }

  private static let source = #"""
    #define _GNU_SOURCE
    #include <errno.h>
    #include <signal.h>
    #include <stdio.h>
    #include <stdlib.h>
    #include <sys/ptrace.h>
    #include <sys/socket.h>
    #include <sys/syscall.h>
    #include <sys/uio.h>
    #include <sys/wait.h>
    #include <unistd.h>
    #include <linux/ptrace.h>

    static int known[1 << 22];

    static int isNetlink(pid_t pid, unsigned long address) {
      unsigned short family = 0;
      struct iovec own = {&family, 2}, other = {(void *)address, 2};
      return address && process_vm_readv(pid, &own, 1, &other, 1, 0) == 2 && family == AF_NETLINK;
    }

    int main(int count, char **words) {
      long left = atol(words[1]);
      int killed = 0, status = 0;
      pid_t child = fork();
      if (!child) {
        ptrace(PTRACE_TRACEME, 0, 0, 0);
        raise(SIGSTOP);
        execv(words[2], words + 2);
        _exit(127);
      }
      waitpid(child, &status, 0);
      ptrace(PTRACE_SETOPTIONS, child, 0,
             PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK | PTRACE_O_TRACECLONE |
                 PTRACE_O_TRACEEXEC);
      known[child] = 1;
      ptrace(PTRACE_SYSCALL, child, 0, 0);
      for (;;) {
        pid_t pid = waitpid(-1, &status, __WALL);
        if (pid < 0 && errno == EINTR) continue;
        if (pid < 0) return 126;
        if (WIFEXITED(status) || WIFSIGNALED(status)) {
          known[pid] = 0;
          if (pid != child) continue;
          if (killed) return 77;
          return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
        }
        int pass = 0, signal = WSTOPSIG(status);
        if (signal == (SIGTRAP | 0x80)) {
          struct ptrace_syscall_info info;
          if (!killed && ptrace(PTRACE_GET_SYSCALL_INFO, pid, sizeof info, &info) > 0 &&
              info.op == PTRACE_SYSCALL_INFO_ENTRY && info.entry.nr == SYS_sendto &&
              isNetlink(pid, info.entry.args[4]) && --left == 0) {
            killed = 1;
            kill(pid, SIGKILL);
            continue;
          }
        } else if (!known[pid]) {
          known[pid] = 1;
        } else if (status >> 16 == 0) {
          pass = signal;
        }
        ptrace(PTRACE_SYSCALL, pid, 0, pass);
      }
    }
    """#
}
