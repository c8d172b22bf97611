import Linux
import TestSupport

/// A static program that makes system calls and tells what came of them, for tests of filters.
enum SeccompProbe {
  /// Compiles it into the directory that a container has as /tools.
  static func install(in directory: String) throws {
    let path = directory + "/probe"
    try Files.replace(path + ".c", with: Array(source.utf8), mode: 0o644)
    let result = try TestSupport.run(["gcc", "-O1", "-static", "-o", path, path + ".c"])
    guard result.status == 0 else {
      throw Failure(.invalid, "compile", path, reason: result.errors)
    }
  }

  private static let source = #"""
    #define _GNU_SOURCE
    #include <errno.h>
    #include <pthread.h>
    #include <signal.h>
    #include <stdio.h>
    #include <stdlib.h>
    #include <string.h>
    #include <sys/ptrace.h>
    #include <sys/syscall.h>
    #include <sys/wait.h>
    #include <unistd.h>

    static long number, arguments[6];

    static long make(void) {
      return syscall(number, arguments[0], arguments[1], arguments[2], arguments[3], arguments[4],
                     arguments[5]);
    }

    static void tell(void) {
      long result = make();
      if (result < 0) printf("error %d\n", errno); else printf("result %ld\n", result);
      fflush(stdout);
    }

    static void *other(void *unused) { make(); puts("thread alive"); return unused; }

    static void trapped(int signal, siginfo_t *info, void *context) {
      (void)signal; (void)context;
      printf("trapped %d\n", info->si_syscall);
      fflush(stdout);
    }

    // Another process asks the filter's tracer what is to become of the call.
    static int trace(void) {
      pid_t child = fork();
      if (child == 0) {
        ptrace(PTRACE_TRACEME, 0, 0, 0);
        raise(SIGSTOP);
        tell();
        _exit(0);
      }
      int status;
      waitpid(child, &status, 0);
      ptrace(PTRACE_SETOPTIONS, child, 0, PTRACE_O_TRACESECCOMP);
      for (;;) {
        ptrace(PTRACE_CONT, child, 0, 0);
        waitpid(child, &status, 0);
        if (WIFEXITED(status)) return 0;
        if (status >> 8 == (SIGTRAP | PTRACE_EVENT_SECCOMP << 8)) {
          unsigned long message = 0;
          ptrace(PTRACE_GETEVENTMSG, child, 0, &message);
          printf("traced %lu\n", message);
          fflush(stdout);
        }
      }
    }

    int main(int count, char **words) {
      number = strtol(words[2], 0, 0);
      for (int index = 3; index < count; index++)
        arguments[index - 3] = strtoul(words[index], 0, 0);
      if (!strcmp(words[1], "call")) {
        tell();
      } else if (!strcmp(words[1], "thread")) {
        pthread_t thread;
        pthread_create(&thread, 0, other, 0);
        pthread_join(thread, 0);
        puts("process alive");
      } else if (!strcmp(words[1], "trap")) {
        struct sigaction action = {.sa_sigaction = trapped, .sa_flags = SA_SIGINFO};
        sigaction(SIGSYS, &action, 0);
        tell();
      } else if (!strcmp(words[1], "trace")) {
        return trace();
      } else if (!strcmp(words[1], "i386")) {
    #if defined(__x86_64__)
        long result;
        __asm__ volatile("int $0x80" : "=a"(result) : "a"(number), "b"(arguments[0]) : "memory");
        printf("result %ld\n", result);
    #endif
      }
      return 0;
    }
    """#
}
