// The C boundary of minidock: system calls that Swift's Glibc module does not show (raw syscalls,
// variadic functions, _GNU_SOURCE names and macros), and nothing else. Every function returns -1 and
// sets errno on failure, as the call it wraps; the logic lives in Swift.
#ifndef MINIDOCK_CLINUX_H
#define MINIDOCK_CLINUX_H

#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/un.h>
#include <sys/vfs.h>
#include <termios.h>

// openat2(2) resolve flags (Linux 5.6).
enum {
  CLX_RESOLVE_NO_XDEV = 0x01,
  CLX_RESOLVE_NO_MAGICLINKS = 0x02,
  CLX_RESOLVE_NO_SYMLINKS = 0x04,
  CLX_RESOLVE_BENEATH = 0x08,
  CLX_RESOLVE_IN_ROOT = 0x10,
};

// open(2) flags behind _GNU_SOURCE.
enum {
  CLX_O_PATH = 010000000,
  CLX_O_TMPFILE = 020200000,
};
enum { CLX_AT_EMPTY_PATH = 0x1000, CLX_AT_RECURSIVE = 0x8000 };

// The new mount API (Linux 5.2; mount_setattr 5.12).
enum {
  CLX_FSCONFIG_SET_FLAG = 0,
  CLX_FSCONFIG_SET_STRING = 1,
  CLX_FSCONFIG_SET_FD = 5,
  CLX_FSCONFIG_CMD_CREATE = 6,
  CLX_OPEN_TREE_CLONE = 1,
  CLX_OPEN_TREE_CLOEXEC = 02000000,
  CLX_MOVE_MOUNT_F_EMPTY_PATH = 0x04,
  CLX_MOVE_MOUNT_T_EMPTY_PATH = 0x40,
};
enum {
  CLX_MOUNT_ATTR_RDONLY = 0x01,
  CLX_MOUNT_ATTR_NOSUID = 0x02,
  CLX_MOUNT_ATTR_NODEV = 0x04,
  CLX_MOUNT_ATTR_NOEXEC = 0x08,
  CLX_MOUNT_ATTR_ATIME = 0x70,
  CLX_MOUNT_ATTR_NOATIME = 0x10,
  CLX_MOUNT_ATTR_STRICTATIME = 0x20,
  CLX_MOUNT_ATTR_NODIRATIME = 0x80,
  CLX_MOUNT_ATTR_IDMAP = 0x100000,
  CLX_MOUNT_ATTR_NOSYMFOLLOW = 0x200000,
};

struct clx_mount_attr {
  uint64_t attr_set;
  uint64_t attr_clr;
  uint64_t propagation;
  uint64_t userns_fd;
};

int clx_open(int dirfd, const char *path, int flags, mode_t mode);
int clx_openat2(int dirfd, const char *path, uint64_t flags, uint64_t mode, uint64_t resolve);
int clx_fsopen(const char *fstype);
int clx_fsconfig(int fd, unsigned command, const char *key, const void *value, int aux);
int clx_fsmount(int fsfd, unsigned attributes);
int clx_open_tree(int dirfd, const char *path, unsigned flags);
int clx_move_mount(int from_fd, const char *from, int to_fd, const char *to, unsigned flags);
int clx_mount_setattr(int dirfd, const char *path, unsigned flags, struct clx_mount_attr *attr);
int clx_pivot_root(const char *new_root, const char *put_old);

// clone3(2) without CLONE_VM: returns twice, as fork(2). cgroup_fd < 0: stay in the parent's cgroup.
pid_t clx_clone3(uint64_t flags, int *pidfd, int cgroup_fd);
// Clones a child that shares memory until it executes (CLONE_VM|CLONE_VFORK) and does nothing but
// the steps named in the plan, then execveat(exec_fd, "", argv, envp, AT_EMPTY_PATH).
struct clx_spawn_plan {
  uint64_t flags;          // CLONE_NEW*
  int exec_fd;             // program
  char *const *argv;
  char *const *envp;
  const int *join_fds;     // files to which the child writes "0" (v1 tasks, v2 cgroup.procs)
  int join_count;
  int socket_fd;           // becomes a descriptor of the program:
  int socket_number;       // this one
  int stdio[3];            // become descriptors 0, 1, 2; -1: left as they are
  int cgroup_fd;           // CLONE_INTO_CGROUP when >= 0
};
enum { CLX_SPAWN_CLONE = 0, CLX_SPAWN_JOIN = 1, CLX_SPAWN_DUP = 2, CLX_SPAWN_EXEC = 3 };
// Returns the pid, or -1 with errno and the step that failed in *step.
pid_t clx_spawn(const struct clx_spawn_plan *plan, int *pidfd, int *step);

int clx_unshare(int flags);
int clx_setns(int fd, int flags);
int clx_pidfd_open(pid_t pid, unsigned flags);
int clx_pidfd_send_signal(int pidfd, int signal);
int clx_membarrier(int command);
int clx_close_range(unsigned first, unsigned last, bool cloexec_only);
int clx_execveat(int dirfd, const char *path, char *const argv[], char *const envp[], int flags);
int clx_memfd_create(const char *name, unsigned flags);
int clx_renameat2(int from_dir, const char *from, int to_dir, const char *to, unsigned flags);
int clx_prctl(int option, unsigned long a, unsigned long b, unsigned long c, unsigned long d);
int clx_fcntl(int fd, int command, long argument);
int clx_ioctl(int fd, unsigned long request, void *argument);
int clx_ioctl_value(int fd, unsigned long request, long argument);
int clx_bpf(int command, void *attributes, unsigned size);
int clx_seccomp(unsigned operation, unsigned flags, void *argument);
int clx_setgroups(size_t count, const gid_t *groups);
int clx_setresuid(uid_t uid);
int clx_setresgid(gid_t gid);
int clx_signalfd(const sigset_t *mask);
int clx_waitid_pidfd(int pidfd, int options, siginfo_t *info);
int clx_siginfo_status(const siginfo_t *info);
pid_t clx_siginfo_pid(const siginfo_t *info);
ssize_t clx_splice(int from, int to, size_t count, unsigned flags);
ssize_t clx_tee(int from, int to, size_t count, unsigned flags);
ssize_t clx_copy_file_range(int from, int to, size_t count);
ssize_t clx_sendfile(int to, int from, size_t count);
ssize_t clx_sendfile_at(int to, int from, int64_t offset, size_t count);
int clx_sethostname(const char *name, size_t length);
int clx_setdomainname(const char *name, size_t length);
int clx_socketpair_seqpacket(int fds[2]);
int clx_pipe_cloexec(int fds[2]);
// A listening SOCK_SEQPACKET socket at `name` below the working directory of the moment (unix(7) limits
// paths to 107 bytes, so callers pass /proc/self/fd/N/name), and a connection to one.
int clx_listen_seqpacket(const char *path, int backlog);
int clx_connect_seqpacket(const char *path);
int clx_accept(int socket);
// Sends bytes with up to 8 descriptors (SCM_RIGHTS); receives them close-on-exec.
ssize_t clx_send_fds(int socket, const void *bytes, size_t count, const int *fds, int fd_count);
ssize_t clx_receive_fds(
  int socket, void *bytes, size_t count, int *fds, int *fd_count, bool dont_wait);
int clx_peer_pid(int socket, pid_t *pid, uid_t *uid);
int clx_set_nonblocking(int fd, bool on);
int clx_personality(unsigned long persona);
int clx_capget_bounding_last(void);
unsigned clx_major(dev_t device);
unsigned clx_minor(dev_t device);
dev_t clx_makedev(unsigned major, unsigned minor);
const char *clx_errno_name(int number);
long clx_statfs_type(int fd);
int clx_getdents64(int fd, void *buffer, unsigned count);
int clx_join_session_keyring(void);
int clx_setrlimit(int resource, const struct rlimit *limit);
int clx_set_controlling_session(void);
void clx_getrandom(void *space, size_t count);
int clx_finit_module(int fd, const char *parameters, int flags);

// For unpacking archives in a confined child. clx_fork is the C library's fork(2): its handlers keep
// the allocator usable in the child even when the caller has threads.
pid_t clx_fork(void);
int clx_fsetxattr(int fd, const char *name, const void *value, size_t size);
int clx_lsetxattr(const char *path, const char *name, const void *value, size_t size);
ssize_t clx_fgetxattr(int fd, const char *name, void *value, size_t size);
// Through "/proc/self/fd/N", for entries that are held by O_PATH and that the f* calls refuse.
ssize_t clx_listxattr(const char *path, char *names, size_t size);
ssize_t clx_getxattr(const char *path, const char *name, void *value, size_t size);
int clx_setxattr(const char *path, const char *name, const void *value, size_t size);
int clx_syncfs(int fd);
// struct sched_attr of sched_setattr(2) by its fields; ioprio_set(2) for this process; sched_setaffinity(2)
// of this thread with a mask of `size` bytes.
int clx_sched_setattr(uint32_t policy, uint64_t flags, int32_t nice, uint32_t priority,
  uint64_t runtime, uint64_t deadline, uint64_t period);
int clx_ioprio_set(int priority);
int clx_sched_setaffinity(const void *mask, size_t size);
int clx_connect_stream(const char *path);
int clx_listen_stream(const char *path);
int clx_limit(int resource, uint64_t value); // soft and hard; a lower hard limit stays
// The system calls the decoder may make, as numbers of this architecture.
unsigned clx_decoder_syscalls(uint32_t *numbers, unsigned capacity);
uint32_t clx_audit_architecture(void);

// landlock(7), Linux 5.13; restricting needs no_new_privs. The ABI is -1 where there is none.
int clx_landlock_abi(void);
int clx_landlock_create(uint64_t handled_files);
int clx_landlock_allow(int ruleset, int path_fd, uint64_t access);
int clx_landlock_restrict(int ruleset);
// Empties all capability sets of this thread, and its bounding set.
int clx_drop_capabilities(void);

// Constants that reach Swift as no or as the wrong type.
extern const unsigned long CLX_TIOCGPTPEER, CLX_TIOCSPTLCK, CLX_TIOCGPTN, CLX_TIOCSCTTY,
  CLX_TIOCGWINSZ, CLX_TIOCSWINSZ, CLX_NS_GET_NSTYPE;

#endif
