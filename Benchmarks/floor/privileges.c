#define _GNU_SOURCE
#include "floor.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#define BIT(capability) (1ULL << (capability))

static const uint64_t docker_default =
  BIT(CAP_CHOWN) | BIT(CAP_DAC_OVERRIDE) | BIT(CAP_FSETID) | BIT(CAP_FOWNER) | BIT(CAP_MKNOD) |
  BIT(CAP_NET_RAW) | BIT(CAP_SETGID) | BIT(CAP_SETUID) | BIT(CAP_SETFCAP) | BIT(CAP_SETPCAP) |
  BIT(CAP_NET_BIND_SERVICE) | BIT(CAP_SYS_CHROOT) | BIT(CAP_KILL) | BIT(CAP_AUDIT_WRITE);

static struct sock_filter program[BPF_MAXINSNS];
static struct sock_fprog filter = {.filter = program};

void privileges_read_filter(const char *path) {
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  ssize_t size = fd < 0 ? -1 : read(fd, program, sizeof program);
  if (size <= 0 || size % sizeof *program) die("read filter", path);
  filter.len = size / sizeof *program;
  close(fd);
}

void privileges_drop(void) {
  if (setgroups(0, NULL) != 0) die("setgroups", "");
  for (int n = 0; n < 64; n++) {
    if (docker_default & BIT(n)) continue;
    if (prctl(PR_CAPBSET_DROP, n, 0, 0, 0) != 0) {
      if (errno == EINVAL) break;  // past the kernel's last capability
      die("drop bounding capability", "");
    }
  }
  prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
  // Before the capabilities go: without no_new_privs, loading a filter needs CAP_SYS_ADMIN. The
  // filter lets capset through.
  if (filter.len && syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &filter) != 0) {
    die("load", "seccomp filter");
  }
  trace("seccomp");
  struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
  struct __user_cap_data_struct data[2] = {
    {.effective = (uint32_t)docker_default, .permitted = (uint32_t)docker_default},
    {.effective = docker_default >> 32, .permitted = docker_default >> 32}};
  if (syscall(SYS_capset, &header, data) != 0) die("capset", "");
}
