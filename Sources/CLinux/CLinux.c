#define _GNU_SOURCE
#include "include/CLinux.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/sendfile.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>
#include <grp.h>
#include <linux/audit.h>
#include <linux/capability.h>
#include <linux/nsfs.h>

#ifndef SYS_openat2
#define SYS_openat2 437
#endif
#ifndef SYS_mount_setattr
#define SYS_mount_setattr 442
#endif
#ifndef SYS_close_range
#define SYS_close_range 436
#endif

const unsigned long CLX_TIOCGPTPEER = 0x5441, CLX_TIOCSPTLCK = 0x40045431,
                    CLX_TIOCGPTN = 0x80045430, CLX_TIOCSCTTY = TIOCSCTTY,
                    CLX_TIOCGWINSZ = TIOCGWINSZ, CLX_TIOCSWINSZ = TIOCSWINSZ,
                    CLX_NS_GET_NSTYPE = NS_GET_NSTYPE;

int clx_open(int dirfd, const char *path, int flags, mode_t mode) {
  return openat(dirfd, path, flags, mode);
}
int clx_openat2(int dirfd, const char *path, uint64_t flags, uint64_t mode, uint64_t resolve) {
  struct { uint64_t flags, mode, resolve; } how = { flags, mode, resolve };
  return (int)syscall(SYS_openat2, dirfd, path, &how, sizeof how);
}

int clx_fsopen(const char *fstype) { return (int)syscall(430, fstype, 1 /* FSOPEN_CLOEXEC */); }
int clx_fsconfig(int fd, unsigned command, const char *key, const void *value, int aux) {
  return (int)syscall(431, fd, command, key, value, aux);
}
int clx_fsmount(int fsfd, unsigned attributes) {
  return (int)syscall(432, fsfd, 1 /* FSMOUNT_CLOEXEC */, attributes);
}
int clx_open_tree(int dirfd, const char *path, unsigned flags) {
  return (int)syscall(428, dirfd, path, flags);
}
int clx_move_mount(int from_fd, const char *from, int to_fd, const char *to, unsigned flags) {
  return (int)syscall(429, from_fd, from, to_fd, to, flags);
}
int clx_mount_setattr(int dirfd, const char *path, unsigned flags, struct clx_mount_attr *attr) {
  return (int)syscall(SYS_mount_setattr, dirfd, path, flags, attr, sizeof *attr);
}
int clx_pivot_root(const char *new_root, const char *put_old) {
  return (int)syscall(SYS_pivot_root, new_root, put_old);
}

int clx_unshare(int flags) { return unshare(flags); }
int clx_setns(int fd, int flags) { return setns(fd, flags); }
int clx_pidfd_open(pid_t pid, unsigned flags) { return (int)syscall(434, pid, flags); }
int clx_pidfd_send_signal(int pidfd, int signal) {
  return (int)syscall(424, pidfd, signal, NULL, 0);
}
int clx_membarrier(int command) { return (int)syscall(SYS_membarrier, command, 0, 0); }
int clx_close_range(unsigned first, unsigned last, bool cloexec_only) {
  return (int)syscall(SYS_close_range, first, last, cloexec_only ? 4 /* CLOSE_RANGE_CLOEXEC */ : 0);
}
int clx_execveat(int dirfd, const char *path, char *const argv[], char *const envp[], int flags) {
  return (int)syscall(SYS_execveat, dirfd, path, argv, envp, flags);
}
int clx_memfd_create(const char *name, unsigned flags) { return memfd_create(name, flags); }
int clx_renameat2(int from_dir, const char *from, int to_dir, const char *to, unsigned flags) {
  return (int)syscall(SYS_renameat2, from_dir, from, to_dir, to, flags);
}
int clx_prctl(int option, unsigned long a, unsigned long b, unsigned long c, unsigned long d) {
  return prctl(option, a, b, c, d);
}
int clx_fcntl(int fd, int command, long argument) { return fcntl(fd, command, argument); }
int clx_ioctl(int fd, unsigned long request, void *argument) { return ioctl(fd, request, argument); }
int clx_ioctl_value(int fd, unsigned long request, long argument) {
  return ioctl(fd, request, argument);
}
int clx_bpf(int command, void *attributes, unsigned size) {
  return (int)syscall(SYS_bpf, command, attributes, size);
}
int clx_seccomp(unsigned operation, unsigned flags, void *argument) {
  return (int)syscall(SYS_seccomp, operation, flags, argument);
}
int clx_setgroups(size_t count, const gid_t *groups) { return setgroups(count, groups); }
int clx_setresuid(uid_t uid) { return setresuid(uid, uid, uid); }
int clx_setresgid(gid_t gid) { return setresgid(gid, gid, gid); }
int clx_signalfd(const sigset_t *mask) { return signalfd(-1, mask, SFD_CLOEXEC | SFD_NONBLOCK); }
int clx_waitid_pidfd(int pidfd, int options, siginfo_t *info) {
  memset(info, 0, sizeof *info);
  return waitid((idtype_t)3 /* P_PIDFD */, (id_t)pidfd, info, options);
}
int clx_siginfo_status(const siginfo_t *info) { return info->si_status; }
pid_t clx_siginfo_pid(const siginfo_t *info) { return info->si_pid; }
ssize_t clx_splice(int from, int to, size_t count, unsigned flags) {
  return splice(from, NULL, to, NULL, count, flags);
}
ssize_t clx_tee(int from, int to, size_t count, unsigned flags) {
  return tee(from, to, count, flags);
}
ssize_t clx_copy_file_range(int from, int to, size_t count) {
  return copy_file_range(from, NULL, to, NULL, count, 0);
}
ssize_t clx_sendfile_at(int to, int from, int64_t offset, size_t count) {
  off_t position = offset;
  return sendfile(to, from, &position, count);
}
ssize_t clx_sendfile(int to, int from, size_t count) { return sendfile(to, from, NULL, count); }
int clx_sethostname(const char *name, size_t length) { return sethostname(name, length); }
int clx_setdomainname(const char *name, size_t length) { return setdomainname(name, length); }
int clx_socketpair_seqpacket(int fds[2]) {
  return socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds);
}
int clx_pipe_cloexec(int fds[2]) { return pipe2(fds, O_CLOEXEC); }

ssize_t clx_send_fds(int socket, const void *bytes, size_t count, const int *fds, int fd_count) {
  struct iovec part = { .iov_base = (void *)bytes, .iov_len = count };
  union { char space[CMSG_SPACE(8 * sizeof(int))]; struct cmsghdr align; } control;
  struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1 };
  if (fd_count > 8) { errno = EINVAL; return -1; }
  if (fd_count > 0) {
    memset(&control, 0, sizeof control);
    message.msg_control = control.space;
    message.msg_controllen = CMSG_SPACE((size_t)fd_count * sizeof(int));
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN((size_t)fd_count * sizeof(int));
    memcpy(CMSG_DATA(header), fds, (size_t)fd_count * sizeof(int));
  }
  return sendmsg(socket, &message, MSG_NOSIGNAL);
}

ssize_t clx_receive_fds(
  int socket, void *bytes, size_t count, int *fds, int *fd_count, bool dont_wait) {
  struct iovec part = { .iov_base = bytes, .iov_len = count };
  union { char space[CMSG_SPACE(8 * sizeof(int))]; struct cmsghdr align; } control;
  struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1, .msg_control = control.space,
                            .msg_controllen = sizeof control.space };
  *fd_count = 0;
  ssize_t received = recvmsg(socket, &message, MSG_CMSG_CLOEXEC | (dont_wait ? MSG_DONTWAIT : 0));
  if (received < 0) return received;
  for (struct cmsghdr *h = CMSG_FIRSTHDR(&message); h; h = CMSG_NXTHDR(&message, h))
    if (h->cmsg_level == SOL_SOCKET && h->cmsg_type == SCM_RIGHTS) {
      int found = (int)((h->cmsg_len - CMSG_LEN(0)) / sizeof(int));
      memcpy(fds, CMSG_DATA(h), (size_t)found * sizeof(int));
      *fd_count = found;
    }
  if (message.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) {
    for (int i = 0; i < *fd_count; i++) close(fds[i]);
    *fd_count = 0;
    errno = EMSGSIZE;
    return -1;
  }
  return received;
}

static int unix_address(const char *path, struct sockaddr_un *address) {
  memset(address, 0, sizeof *address);
  address->sun_family = AF_UNIX;
  if (strlen(path) >= sizeof address->sun_path) {
    errno = ENAMETOOLONG;
    return -1;
  }
  strcpy(address->sun_path, path);
  return 0;
}
int clx_listen_seqpacket(const char *path, int backlog) {
  struct sockaddr_un address;
  if (unix_address(path, &address) < 0) return -1;
  int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) return -1;
  if (bind(fd, (struct sockaddr *)&address, sizeof address) < 0 || listen(fd, backlog) < 0) {
    int error = errno;
    close(fd);
    errno = error;
    return -1;
  }
  return fd;
}
int clx_connect_seqpacket(const char *path) {
  struct sockaddr_un address;
  if (unix_address(path, &address) < 0) return -1;
  int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
  if (fd < 0) return -1;
  if (connect(fd, (struct sockaddr *)&address, sizeof address) < 0) {
    int error = errno;
    close(fd);
    errno = error;
    return -1;
  }
  return fd;
}
int clx_connect_stream(const char *path) {
  struct sockaddr_un address;
  if (unix_address(path, &address) < 0) return -1;
  int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return -1;
  if (connect(fd, (struct sockaddr *)&address, sizeof address) < 0) {
    int error = errno;
    close(fd);
    errno = error;
    return -1;
  }
  return fd;
}
int clx_listen_stream(const char *path) {
  struct sockaddr_un address;
  if (unix_address(path, &address) < 0) return -1;
  int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return -1;
  if (bind(fd, (struct sockaddr *)&address, sizeof address) < 0 || listen(fd, 8) < 0) {
    int error = errno;
    close(fd);
    errno = error;
    return -1;
  }
  return fd;
}
int clx_sched_setattr(uint32_t policy, uint64_t flags, int32_t nice, uint32_t priority,
  uint64_t runtime, uint64_t deadline, uint64_t period) {
  struct { uint32_t size, policy; uint64_t flags; int32_t nice; uint32_t priority;
           uint64_t runtime, deadline, period; } attributes =
    { 48, policy, flags, nice, priority, runtime, deadline, period };
  return (int)syscall(SYS_sched_setattr, 0, &attributes, 0);
}
int clx_ioprio_set(int priority) {
  return (int)syscall(SYS_ioprio_set, 1 /* IOPRIO_WHO_PROCESS */, 0, priority);
}
int clx_sched_setaffinity(const void *mask, size_t size) {
  return (int)syscall(SYS_sched_setaffinity, 0, size, mask) < 0 ? -1 : 0;
}
int clx_accept(int socket) { return accept4(socket, NULL, NULL, SOCK_CLOEXEC); }
int clx_peer_pid(int socket, pid_t *pid, uid_t *uid) {
  struct ucred credentials;
  socklen_t length = sizeof credentials;
  if (getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &credentials, &length) < 0) return -1;
  *pid = credentials.pid;
  *uid = credentials.uid;
  return 0;
}
int clx_set_nonblocking(int fd, bool on) {
  int flags = fcntl(fd, F_GETFL);
  if (flags < 0) return -1;
  return fcntl(fd, F_SETFL, on ? flags | O_NONBLOCK : flags & ~O_NONBLOCK);
}
int clx_personality(unsigned long persona) { return personality(persona); }
int clx_capget_bounding_last(void) {
  int last = 0;
  while (prctl(PR_CAPBSET_READ, last + 1, 0, 0, 0) >= 0) last++;
  errno = 0;
  return last;
}
unsigned clx_major(dev_t device) { return major(device); }
unsigned clx_minor(dev_t device) { return minor(device); }
dev_t clx_makedev(unsigned major_number, unsigned minor_number) {
  return makedev(major_number, minor_number);
}
const char *clx_errno_name(int number) { return strerrorname_np(number); }
long clx_statfs_type(int fd) {
  struct statfs info;
  return fstatfs(fd, &info) < 0 ? -1 : (long)info.f_type;
}
int clx_getdents64(int fd, void *buffer, unsigned count) {
  return (int)syscall(SYS_getdents64, fd, buffer, count);
}
int clx_finit_module(int fd, const char *parameters, int flags) {
  return (int)syscall(SYS_finit_module, fd, parameters, flags);
}
void clx_getrandom(void *space, size_t count) {
  for (size_t done = 0; done < count;) {
    ssize_t got = getrandom((char *)space + done, count - done, 0);
    if (got > 0) done += (size_t)got;
  }
}
int clx_join_session_keyring(void) {
  return (int)syscall(SYS_keyctl, 1 /* KEYCTL_JOIN_SESSION_KEYRING */, NULL);
}
int clx_set_controlling_session(void) { return setsid() < 0 ? -1 : 0; }
int clx_setrlimit(int resource, const struct rlimit *limit) {
  return setrlimit((__rlimit_resource_t)resource, limit);
}

pid_t clx_fork(void) { return fork(); }
int clx_fsetxattr(int fd, const char *name, const void *value, size_t size) {
  return fsetxattr(fd, name, value, size, 0);
}
int clx_lsetxattr(const char *path, const char *name, const void *value, size_t size) {
  return lsetxattr(path, name, value, size, 0);
}
ssize_t clx_fgetxattr(int fd, const char *name, void *value, size_t size) {
  return fgetxattr(fd, name, value, size);
}
ssize_t clx_listxattr(const char *path, char *names, size_t size) {
  return listxattr(path, names, size);
}
ssize_t clx_getxattr(const char *path, const char *name, void *value, size_t size) {
  return getxattr(path, name, value, size);
}
int clx_setxattr(const char *path, const char *name, const void *value, size_t size) {
  return setxattr(path, name, value, size, 0);
}
int clx_syncfs(int fd) { return syncfs(fd); }
int clx_limit(int resource, uint64_t value) {
  struct rlimit now, limit = { value, value };
  if (getrlimit(resource, &now) < 0) return -1;
  if (now.rlim_max < limit.rlim_max) limit.rlim_cur = limit.rlim_max = now.rlim_max;
  return setrlimit(resource, &limit);
}
uint32_t clx_audit_architecture(void) {
#if defined(__x86_64__)
  return AUDIT_ARCH_X86_64;
#elif defined(__aarch64__)
  return AUDIT_ARCH_AARCH64;
#else
#error "minidock: add the audit architecture"
#endif
}
unsigned clx_decoder_syscalls(uint32_t *numbers, unsigned capacity) {
  static const uint32_t allowed[] = {
    // Bytes, in the order of their frequency: a filter is run through from its start.
    SYS_write, SYS_pwrite64, SYS_pread64, SYS_read, SYS_openat, SYS_openat2, SYS_close, SYS_fchown,
    SYS_fchmod, SYS_utimensat, SYS_fstat, SYS_newfstatat, SYS_ftruncate, SYS_lseek,
    // Entries.
    SYS_mkdirat, SYS_symlinkat, SYS_linkat, SYS_mknodat, SYS_unlinkat, SYS_renameat2, SYS_fchownat,
    SYS_fchmodat, SYS_fsetxattr, SYS_lsetxattr, SYS_fchdir, SYS_getdents64, SYS_fstatfs, SYS_statx,
    // Memory, and what the C library does on its own.
    SYS_mmap, SYS_munmap, SYS_mremap, SYS_mprotect, SYS_madvise, SYS_brk, SYS_futex, SYS_getrandom,
    SYS_clock_gettime, SYS_getpid, SYS_gettid, SYS_rt_sigprocmask, SYS_rt_sigreturn, SYS_fcntl,
    SYS_restart_syscall, SYS_sched_yield, SYS_exit, SYS_exit_group,
  };
  unsigned count = sizeof allowed / sizeof *allowed;
  for (unsigned i = 0; i < count && i < capacity; i++) numbers[i] = allowed[i];
  return count;
}

// The numbers are the same on every architecture; older headers do not have them.
int clx_landlock_abi(void) { return (int)syscall(444, NULL, 0, 1U); }
int clx_landlock_create(uint64_t handled_files) {
  struct { uint64_t files; } attributes = {handled_files};
  return (int)syscall(444, &attributes, sizeof attributes, 0U);
}
int clx_landlock_allow(int ruleset, int path_fd, uint64_t access) {
  struct {
    uint64_t access;
    int32_t parent;
  } __attribute__((packed)) rule = {access, path_fd};
  return (int)syscall(445, ruleset, 1 /* LANDLOCK_RULE_PATH_BENEATH */, &rule, 0U);
}
int clx_landlock_restrict(int ruleset) { return (int)syscall(446, ruleset, 0U); }

int clx_drop_capabilities(void) {
  for (int capability = 0; prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) == 0; capability++) {}
  struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
  struct __user_cap_data_struct data[2] = {{0}};
  return (int)syscall(SYS_capset, &header, data);
}
