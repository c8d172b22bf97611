/// C source of the program that tests run inside and beside containers; the first argument chooses.
let securityToolSource = #"""
  #define _GNU_SOURCE
  #include <errno.h>
  #include <fcntl.h>
  #include <grp.h>
  #include <sched.h>
  #include <signal.h>
  #include <stdio.h>
  #include <stdlib.h>
  #include <string.h>
  #include <sys/ioctl.h>
  #include <sys/mount.h>
  #include <sys/prctl.h>
  #include <sys/resource.h>
  #include <sys/stat.h>
  #include <sys/statvfs.h>
  #include <sys/syscall.h>
  #include <sys/sysmacros.h>
  #include <sys/wait.h>
  #include <unistd.h>

  static void die(const char *what, const char *object) {
    fprintf(stderr, "tool: %s %s: %s\n", what, object, strerror(errno));
    exit(125);
  }
  static void report(const char *what, long result) {
    printf("%s: %s\n", what, result < 0 ? strerrorname_np(errno) : "OK");
  }

  // fds: the numbers of all open descriptors.
  static int fds(void) {
    for (int fd = 0; fd < 1024; fd++) if (fcntl(fd, F_GETFD) >= 0) printf("%d ", fd);
    puts("");
    return 0;
  }

  // overwrite FD: writes what is there already, once the program is not running any more.
  static int overwrite(const char *number) {
    char path[64], byte = 0x7f;
    snprintf(path, sizeof path, "/proc/self/fd/%s", number);
    for (int attempt = 0; attempt < 200; attempt++) {
      int fd = open(path, O_WRONLY);
      if (fd >= 0) { report("overwrite", pwrite(fd, &byte, 1, 0)); return 0; }
      if (errno != ETXTBSY) break;
      usleep(5000);
    }
    report("overwrite", -1);
    return 0;
  }

  // flip A B: exchanges two names for ever.
  static int flip(const char *a, const char *b) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    alarm(300);
    puts("ready");
    fflush(stdout);
    for (;;) syscall(SYS_renameat2, AT_FDCWD, a, AT_FDCWD, b, 2 /* RENAME_EXCHANGE */);
  }

  // namespaces: the way to cgroup v1's release_agent.
  static int namespaces(void) {
    mkdir("/tmp/group", 0755);
    report("mount cgroup", mount("cgroup", "/tmp/group", "cgroup", 0, "memory"));
    report("mount cgroup2", mount("cgroup2", "/tmp/group", "cgroup2", 0, NULL));
    report("unshare mount", unshare(CLONE_NEWNS));
    report("unshare user", unshare(CLONE_NEWUSER | CLONE_NEWNS | 0x02000000 /* CLONE_NEWCGROUP */));
    report("mount tmpfs", mount("tmpfs", "/tmp/group", "tmpfs", 0, NULL));
    return 0;
  }

  // inject: puts a character into the terminal's input, and calls the console's ioctl.
  static int inject(void) {
    char character = '\n', code = 6 /* a TIOCLINUX query that changes nothing */;
    report("TIOCSTI", ioctl(0, TIOCSTI, &character));
    report("TIOCLINUX", ioctl(0, TIOCLINUX, &code));
    return 0;
  }

  // look PATH...: what is there and whether it can be written.
  static int look(char **paths) {
    for (; *paths; paths++) {
      struct stat status;
      if (stat(*paths, &status) != 0) { printf("%s absent\n", *paths); continue; }
      const char *content = "empty";
      char byte;
      if (S_ISDIR(status.st_mode)) {
        char command[256];
        snprintf(command, sizeof command, "test -z \"$(ls -A %s)\"", *paths);
        if (system(command) != 0) content = "content";
        snprintf(command, sizeof command, "%s/made", *paths);
        int made = mkdir(command, 0755);
        const char *state = made == 0 ? "writable" : strerrorname_np(errno);
        // procfs answers ENOENT to every mkdir: there the mount's own flag tells.
        struct statvfs mounted;
        if (made != 0 && statvfs(*paths, &mounted) == 0 && mounted.f_flag & ST_RDONLY) state = "EROFS";
        printf("%s %s %s\n", *paths, content, state);
        if (made == 0) rmdir(command);
        continue;
      }
      int fd = open(*paths, O_RDONLY);
      if (fd < 0) content = strerrorname_np(errno);
      else if (read(fd, &byte, 1) == 1) content = "content";
      int writing = open(*paths, O_WRONLY);
      if (S_ISCHR(status.st_mode)) printf("%s %s null\n", *paths, content);
      else printf("%s %s %s\n", *paths, content, writing < 0 ? strerrorname_np(errno) : "writable");
    }
    return 0;
  }

  // reach: as nobody, every path on standard input; prints those that can be reached.
  static int reach(void) {
    char path[4096];
    int count = 0;
    if (setgroups(0, NULL) || setresgid(65534, 65534, 65534) || setresuid(65534, 65534, 65534))
      die("become", "nobody");
    for (; fgets(path, sizeof path, stdin); count++) {
      struct stat status;
      path[strcspn(path, "\n")] = 0;
      if (lstat(path, &status) == 0) printf("reached %s\n", path);
      else if (errno != EACCES) printf("%s %s\n", strerrorname_np(errno), path);
    }
    printf("%d paths\n", count);
    return 0;
  }

  // groups GID FILE: with the effective group GID, as a setgid program has it, reads FILE.
  static int groups(const char *gid, const char *path) {
    int fd = open(path, O_RDONLY);
    report("read", fd);
    printf("group %d of file owner's\n", (int)getegid() == atoi(gid));
    return 0;
  }

  // measure COMMAND...: exit code and peak memory of a command and its children.
  static int measure(char **command) {
    struct rusage usage;
    int status;
    pid_t pid = fork();
    if (pid == 0) { execvp(*command, command); die("exec", *command); }
    wait4(pid, &status, 0, &usage);
    printf("peak %ld\n", usage.ru_maxrss);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  }

  int naive(int argc, char **argv);

  int main(int argc, char **argv) {
    const char *name = argc > 1 ? argv[1] : "";
    setvbuf(stdout, NULL, _IOLBF, 0);
    if (!strcmp(name, "fds")) return fds();
    if (!strcmp(name, "overwrite")) return overwrite(argv[2]);
    if (!strcmp(name, "flip")) return flip(argv[2], argv[3]);
    if (!strcmp(name, "namespaces")) return namespaces();
    if (!strcmp(name, "inject")) return inject();
    if (!strcmp(name, "look")) return look(argv + 2);
    if (!strcmp(name, "reach")) return reach();
    if (!strcmp(name, "groups")) return groups(argv[2], argv[3]);
    if (!strcmp(name, "measure")) return measure(argv + 2);
    if (!strcmp(name, "naive")) return naive(argc - 1, argv + 1);
    return 125;
  }
  """# + naiveEngineSource
