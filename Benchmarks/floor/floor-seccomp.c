// Writes a filter like docker's default as raw sock_filter[] for `floor --seccomp`: everything this
// libseccomp knows is allowed except what docker's list leaves out for a container without extra
// capabilities. Linked with libseccomp; run once, so that the floor need not.
//
// usage: floor-seccomp OUT [OPTIMIZE]    OPTIMIZE: libseccomp's level, 1 list or 2 tree (default)
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <seccomp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <termios.h>
#include <unistd.h>

static const char *const refused[] = {
  "_sysctl", "acct", "add_key", "bpf", "clock_adjtime", "clock_settime", "create_module",
  "delete_module", "fanotify_init", "finit_module", "fsconfig", "fsmount", "fsopen", "fspick",
  "get_kernel_syms", "get_mempolicy", "init_module", "ioperm", "iopl", "kcmp", "kexec_file_load",
  "kexec_load", "keyctl", "lookup_dcookie", "mbind", "mount", "mount_setattr", "move_mount",
  "move_pages", "nfsservctl", "open_by_handle_at", "open_tree", "perf_event_open", "pivot_root",
  "process_madvise", "process_vm_readv", "process_vm_writev", "query_module", "quotactl",
  "quotactl_fd", "reboot", "request_key", "set_mempolicy", "setdomainname", "sethostname", "setns",
  "settimeofday", "stime", "swapoff", "swapon", "sysfs", "syslog", "umount", "umount2", "unshare",
  "uselib", "userfaultfd", "ustat", "vhangup", "vm86", "vm86old"};

static int is_refused(const char *name) {
  for (size_t n = 0; n < sizeof refused / sizeof *refused; n++) {
    if (!strcmp(name, refused[n])) return 1;
  }
  return 0;
}

static void add(scmp_filter_ctx filter, uint32_t action, int call, int count,
                struct scmp_arg_cmp argument) {
  int result = seccomp_rule_add(filter, action, call, count, argument);
  // An architecture lacking the call, or a rule that says what the default says, is no fault.
  if (result && result != -EDOM && result != -EACCES) {
    fprintf(stderr, "floor-seccomp: call %d: %s\n", call, strerror(-result));
    exit(1);
  }
}

// These depend on an argument.
static int add_conditional(scmp_filter_ctx filter, const char *name, int call) {
  static const unsigned long personalities[] = {0, 8, 0x20000, 0x20008, 0xffffffff};
  const unsigned long namespaces = CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER |
                                   CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWCGROUP;
  if (!strcmp(name, "personality")) {
    for (int n = 0; n < 5; n++) add(filter, SCMP_ACT_ALLOW, call, 1, SCMP_A0(SCMP_CMP_EQ, personalities[n]));
  } else if (!strcmp(name, "socket")) {
    add(filter, SCMP_ACT_ALLOW, call, 1, SCMP_A0(SCMP_CMP_NE, AF_VSOCK));
  } else if (!strcmp(name, "clone")) {
    add(filter, SCMP_ACT_ALLOW, call, 1, SCMP_A0(SCMP_CMP_MASKED_EQ, namespaces, 0));
  } else if (!strcmp(name, "clone3")) {
    // Its flags are behind a pointer: libc falls back to clone.
    add(filter, SCMP_ACT_ERRNO(ENOSYS), call, 0, (struct scmp_arg_cmp){0});
  } else {
    return 0;
  }
  return 1;
}

int main(int argc, char **argv) {
  scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ERRNO(EPERM));
  if (argc < 2 || !filter) return 2;
  seccomp_arch_add(filter, SCMP_ARCH_X86);
  seccomp_arch_add(filter, SCMP_ARCH_X32);
  seccomp_attr_set(filter, SCMP_FLTATR_CTL_OPTIMIZE, argc > 2 ? atoi(argv[2]) : 2);
  for (int call = 0; call < 1024; call++) {
    char *name = seccomp_syscall_resolve_num_arch(SCMP_ARCH_NATIVE, call);
    if (name && !is_refused(name) && !add_conditional(filter, name, call)) {
      add(filter, SCMP_ACT_ALLOW, call, 0, (struct scmp_arg_cmp){0});
    }
    free(name);
  }
  int out = open(argv[1], O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  int result = out < 0 ? -errno : seccomp_export_bpf(filter, out);
  if (result) fprintf(stderr, "floor-seccomp: %s: %s\n", argv[1], strerror(-result));
  return result != 0;
}
