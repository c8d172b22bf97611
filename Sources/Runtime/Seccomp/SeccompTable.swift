/// The names behind ``SeccompProfile/containerDefault``, by subject. What is not named here is refused
/// in a container: kernel modules, clocks, mounts, namespaces, tracing of the kernel, keyrings, io_uring,
/// obsolete calls.
enum SeccompTable {
  /// Raised when a rule made in code changes; the names count for themselves.
  static let revision: UInt64 = 1

  /// Calls that every container may make.
  static let always: [StaticString] = [
    files, metadata, memory, processes, identity, signalsAndTime, polling, sockets, ipc,
    scheduling, extendedAttributes,
  ]

  private static let files: StaticString = """
    access chdir close close_range copy_file_range creat dup dup2 dup3 faccessat faccessat2 fadvise64
    fadvise64_64 fallocate fchdir fcntl fcntl64 fdatasync flock fsync ftruncate ftruncate64 getcwd
    getdents getdents64 ioctl link linkat _llseek lseek mkdir mkdirat mknod mknodat name_to_handle_at
    open openat openat2 pipe pipe2 pread64 preadv preadv2 pwrite64 pwritev pwritev2 read readahead
    readlink readlinkat readv rename renameat renameat2 rmdir sendfile sendfile64 splice symlink
    symlinkat sync sync_file_range syncfs tee truncate truncate64 umask unlink unlinkat vmsplice write
    writev cachestat io_cancel io_destroy io_getevents io_pgetevents io_pgetevents_time64 io_setup
    io_submit
    """
  private static let metadata: StaticString = """
    chmod chown chown32 fchmod fchmodat fchmodat2 fchown fchown32 fchownat fstat fstat64 fstatat64
    fstatfs fstatfs64 futimesat lchown lchown32 lstat lstat64 newfstatat stat stat64 statfs statfs64
    statx utime utimensat utimensat_time64 utimes statmount listmount fanotify_mark inotify_add_watch
    inotify_init inotify_init1 inotify_rm_watch landlock_add_rule landlock_create_ruleset
    landlock_restrict_self
    """
  private static let memory: StaticString = """
    brk madvise map_shadow_stack membarrier memfd_create memfd_secret mincore mlock mlock2 mlockall
    mmap mmap2 mprotect mremap mseal msync munlock munlockall munmap pkey_alloc pkey_free pkey_mprotect
    process_mrelease remap_file_pages
    """
  private static let processes: StaticString = """
    capget capset execve execveat exit exit_group fork futex futex_requeue futex_time64 futex_wait
    futex_waitv futex_wake get_robust_list get_thread_area getcpu getpgid getpgrp getpid getppid
    getpriority getrlimit getrusage getsid gettid kill pidfd_open pidfd_send_signal prctl prlimit64
    process_vm_readv process_vm_writev ptrace restart_syscall rseq seccomp set_robust_list
    set_thread_area set_tid_address setpgid setpriority setrlimit setsid sysinfo tgkill times tkill
    ugetrlimit uname vfork wait4 waitid waitpid uretprobe riscv_hwprobe
    """
  private static let identity: StaticString = """
    getegid getegid32 geteuid geteuid32 getgid getgid32 getgroups getgroups32 getresgid getresgid32
    getresuid getresuid32 getuid getuid32 setfsgid setfsgid32 setfsuid setfsuid32 setgid setgid32
    setgroups setgroups32 setregid setregid32 setresgid setresgid32 setresuid setresuid32 setreuid
    setreuid32 setuid setuid32
    """
  // Reading and adjusting clocks is allowed as such: the kernel asks for CAP_SYS_TIME itself.
  private static let signalsAndTime: StaticString = """
    adjtimex alarm clock_adjtime clock_adjtime64 clock_getres clock_getres_time64 clock_gettime
    clock_gettime64 clock_nanosleep clock_nanosleep_time64 getitimer gettimeofday nanosleep pause
    rt_sigaction rt_sigpending rt_sigprocmask rt_sigqueueinfo rt_sigreturn rt_sigsuspend
    rt_sigtimedwait rt_sigtimedwait_time64 rt_tgsigqueueinfo setitimer sigaltstack signalfd signalfd4
    sigprocmask sigreturn time timer_create timer_delete timer_getoverrun timer_gettime
    timer_gettime64 timer_settime timer_settime64 timerfd_create timerfd_gettime timerfd_gettime64
    timerfd_settime timerfd_settime64
    """
  private static let polling: StaticString = """
    epoll_create epoll_create1 epoll_ctl epoll_ctl_old epoll_pwait epoll_pwait2 epoll_wait
    epoll_wait_old eventfd eventfd2 _newselect poll ppoll ppoll_time64 pselect6 pselect6_time64 select
    """
  private static let sockets: StaticString = """
    accept accept4 bind connect getpeername getsockname getsockopt listen recv recvfrom recvmmsg
    recvmmsg_time64 recvmsg send sendmmsg sendmsg sendto setsockopt shutdown socket socketcall
    socketpair
    """
  private static let ipc: StaticString = """
    ipc mq_getsetattr mq_notify mq_open mq_timedreceive mq_timedreceive_time64 mq_timedsend
    mq_timedsend_time64 mq_unlink msgctl msgget msgrcv msgsnd semctl semget semop semtimedop
    semtimedop_time64 shmat shmctl shmdt shmget
    """
  private static let scheduling: StaticString = """
    getrandom ioprio_get ioprio_set sched_get_priority_max sched_get_priority_min sched_getaffinity
    sched_getattr sched_getparam sched_getscheduler sched_rr_get_interval
    sched_rr_get_interval_time64 sched_setaffinity sched_setattr sched_setparam sched_setscheduler
    sched_yield
    """
  private static let extendedAttributes: StaticString = """
    fgetxattr flistxattr fremovexattr fsetxattr getxattr getxattrat lgetxattr listxattr listxattrat
    llistxattr lremovexattr lsetxattr removexattr removexattrat setxattr setxattrat
    """

  /// Calls of one architecture.
  #if arch(x86_64)
    static let native: StaticString = "arch_prctl modify_ldt"
  #elseif arch(arm64)
    static let native: StaticString =
      "arm_fadvise64_64 arm_sync_file_range sync_file_range2 breakpoint cacheflush set_tls"
  #endif

  /// Calls that come with a capability.
  static let grants: [(capability: Capability, names: StaticString)] = [
    (.dacReadSearch, "open_by_handle_at"),
    (
      .sysAdmin,
      """
      bpf clone clone3 fanotify_init fsconfig fsmount fsopen fspick lookup_dcookie mount mount_setattr
      move_mount open_tree open_tree_attr perf_event_open quotactl quotactl_fd setdomainname
      sethostname setns syslog umount umount2 unshare
      """
    ),
    (.sysBoot, "reboot"),
    (.sysChroot, "chroot"),
    (.sysModule, "delete_module finit_module init_module"),
    (.sysPacct, "acct"),
    (.sysPtrace, "kcmp pidfd_getfd process_madvise"),
    (.sysRawio, "ioperm iopl"),
    (.sysTime, "clock_settime clock_settime64 settimeofday stime"),
    (.sysTTYConfig, "vhangup"),
    (.sysNice, "get_mempolicy mbind set_mempolicy set_mempolicy_home_node"),
    (.syslog, "syslog"),
    (.bpf, "bpf"),
    (.perfmon, "perf_event_open"),
  ]

  /// The capabilities on which the profile depends.
  static var relevant: CapabilitySet { CapabilitySet(grants.map(\.capability)) }

  /// A number that changes with the table.
  static var fingerprint: UInt64 {
    var hash = ContentHash()
    hash.add(revision)
    for names in always + [native] + grants.map(\.names) {
      names.withUTF8Buffer { hash.add(UnsafeRawBufferPointer($0)) }
    }
    return hash.first
  }

  /// The words of a list.
  static func words(_ names: StaticString) -> [String] {
    names.withUTF8Buffer { text in
      text.split { $0 <= 32 }.map { String(decoding: $0, as: UTF8.self) }
    }
  }
}
