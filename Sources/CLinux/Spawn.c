// Children: clone3(2) as a fork, and the child that shares its parent's memory until it executes.
#define _GNU_SOURCE
#include "include/CLinux.h"

#include <errno.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

struct clone3_args {
  uint64_t flags, pidfd, child_tid, parent_tid, exit_signal, stack, stack_size, tls, set_tid,
    set_tid_size, cgroup;
};

pid_t clx_clone3(uint64_t flags, int *pidfd, int cgroup_fd) {
  struct clone3_args args = { .flags = flags, .exit_signal = SIGCHLD };
  if (pidfd) {
    args.flags |= 0x1000; /* CLONE_PIDFD */
    args.pidfd = (uint64_t)(uintptr_t)pidfd;
  }
  if (cgroup_fd >= 0) {
    args.flags |= 0x200000000ULL; /* CLONE_INTO_CGROUP */
    args.cgroup = (uint64_t)cgroup_fd;
  }
  return (pid_t)syscall(435, &args, sizeof args);
}

// The child of clx_spawn shares the parent's memory while the parent is suspended (vfork): it calls
// nothing but async-signal-safe functions and reports a failure through this structure.
struct spawn_context {
  const struct clx_spawn_plan *plan;
  volatile int error;
  volatile int step;
};

static int spawn_child(void *opaque) {
  struct spawn_context *context = opaque;
  const struct clx_spawn_plan *plan = context->plan;
  context->step = CLX_SPAWN_JOIN;
  for (int i = 0; i < plan->join_count; i++)
    if (write(plan->join_fds[i], "0", 1) != 1) goto failed;
  context->step = CLX_SPAWN_DUP;
  for (int i = 0; i < 3; i++)
    if (plan->stdio[i] >= 0) {
      if (plan->stdio[i] == i) {
        if (fcntl(i, F_SETFD, 0) < 0) goto failed;
      } else if (dup2(plan->stdio[i], i) < 0) goto failed;
    }
  int exec_fd = plan->exec_fd;
  // The program may have been opened just where the socket is to be.
  if (exec_fd == plan->socket_number &&
      (exec_fd = fcntl(exec_fd, F_DUPFD_CLOEXEC, plan->socket_number + 1)) < 0) goto failed;
  if (plan->socket_fd == plan->socket_number) {
    if (fcntl(plan->socket_fd, F_SETFD, 0) < 0) goto failed;
  } else if (dup2(plan->socket_fd, plan->socket_number) < 0) goto failed;
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, NULL);
  context->step = CLX_SPAWN_EXEC;
  clx_execveat(exec_fd, "", plan->argv, plan->envp, AT_EMPTY_PATH);
failed:
  context->error = errno;
  _exit(125);
}

// A raw clone with its own stack. glibc's clone() cannot express CLONE_INTO_CGROUP, which is worth
// the few lines of assembly: it saves the migration through cgroup.procs and its global lock.
#if defined(__x86_64__)
static long clone3_with_stack(struct clone3_args *args, int (*fn)(void *), void *arg) {
  long result;
  register int (*r12)(void *) __asm__("r12") = fn;
  register void *r13 __asm__("r13") = arg;
  __asm__ volatile(
    "syscall\n\t"
    "test %%rax, %%rax\n\t"
    "jnz 1f\n\t"
    "xor %%ebp, %%ebp\n\t"
    "mov %%r13, %%rdi\n\t"
    "call *%%r12\n\t"
    "hlt\n"
    "1:\n"
    : "=a"(result)
    : "a"(435L), "D"(args), "S"(sizeof *args), "r"(r12), "r"(r13)
    : "rcx", "r11", "memory");
  if (result < 0) { errno = (int)-result; return -1; }
  return result;
}
#elif defined(__aarch64__)
static long clone3_with_stack(struct clone3_args *args, int (*fn)(void *), void *arg) {
  register long x8 __asm__("x8") = 435;
  register long x0 __asm__("x0") = (long)args;
  register long x1 __asm__("x1") = (long)sizeof *args;
  register int (*x19)(void *) __asm__("x19") = fn;
  register void *x20 __asm__("x20") = arg;
  __asm__ volatile(
    "svc #0\n\t"
    "cbnz x0, 1f\n\t"
    "mov x29, #0\n\t"
    "mov x0, x20\n\t"
    "blr x19\n\t"
    "brk #0\n"
    "1:\n"
    : "+r"(x0)
    : "r"(x8), "r"(x1), "r"(x19), "r"(x20)
    : "x30", "memory");
  if (x0 < 0) { errno = (int)-x0; return -1; }
  return x0;
}
#else
#error "minidock: add clone3_with_stack for this architecture"
#endif

pid_t clx_spawn(const struct clx_spawn_plan *plan, int *pidfd, int *step) {
  struct spawn_context context = { .plan = plan };
  static _Alignas(64) char stack[65536];
  struct clone3_args args = {
    .flags = plan->flags | 0x1000 /* CLONE_PIDFD */ | CLONE_VM | CLONE_VFORK,
    .pidfd = (uint64_t)(uintptr_t)pidfd,
    // A sibling ends as its parent's other children do; clone3 takes no signal for it.
    .exit_signal = plan->flags & CLONE_PARENT ? 0 : SIGCHLD,
    .stack = (uint64_t)(uintptr_t)stack,
    .stack_size = sizeof stack,
  };
  if (plan->cgroup_fd >= 0) {
    args.flags |= 0x200000000ULL;
    args.cgroup = (uint64_t)plan->cgroup_fd;
  }
  // No handler of the parent may run in the child on the shared memory.
  sigset_t all, before;
  sigfillset(&all);
  sigprocmask(SIG_SETMASK, &all, &before);
  pid_t pid = (pid_t)clone3_with_stack(&args, spawn_child, &context);
  int error = errno;
  sigprocmask(SIG_SETMASK, &before, NULL);
  if (pid < 0) {
    *step = CLX_SPAWN_CLONE;
    errno = error;
    return -1;
  }
  if (context.error) {
    *step = context.step;
    while (waitpid(pid, NULL, 0) < 0 && errno == EINTR) {}
    close(*pidfd);
    *pidfd = -1;
    errno = context.error;
    return -1;
  }
  return pid;
}
