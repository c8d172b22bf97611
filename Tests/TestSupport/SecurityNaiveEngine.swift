/// C source of an engine that does each step by path and checks before it uses, as the engines did that
/// the CVEs are about. Its mounts stay in its own mount namespace; what it creates by a path that leads
/// out of the root lands on the host: only sentinels of tests may be there.
///
///     tool naive [OPTIONS] ROOT COMMAND...
///       -b SOURCE:TARGET  bind mount: mkdir -p of ROOT/TARGET, lstat, mount
///       -d                device nodes by path in ROOT/dev
///       -c                ROOT/dev/pts/0 over ROOT/dev/console
///       -k                ROOT/dev/null over ROOT/proc/keys
///       -s FILE=VALUE     a kernel parameter through ROOT/proc/sys/FILE
///       -P                no procfs on ROOT/proc
///       -w DIRECTORY      working directory, after the chroot
///       -u USER           a name first, then a number that may overflow; ROOT/etc/passwd by path
///       -g GROUP          primary group
let naiveEngineSource = #"""


  static const char *root;

  static char *inside(const char *path) {
    char *joined;
    if (asprintf(&joined, "%s/%s", root, path) < 0) abort();
    return joined;
  }
  static void make_parents(char *path) {
    for (char *slash = strchr(path + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
      *slash = 0;
      mkdir(path, 0755);
      *slash = '/';
    }
    mkdir(path, 0755);
  }
  static void bind_path(const char *source, char *target) {
    struct stat status;
    make_parents(target);
    if (lstat(target, &status) != 0 || S_ISLNK(status.st_mode)) die("check", target);
    if (mount(source, target, NULL, MS_BIND, NULL) != 0) die("bind", target);
  }
  static void write_path(const char *path, const char *value) {
    int fd = open(path, O_WRONLY | O_CREAT, 0644);
    if (fd < 0 || write(fd, value, strlen(value)) < 0) die("write", path);
    close(fd);
  }
  static unsigned find_user(const char *text) {
    FILE *file = fopen(inside("etc/passwd"), "r");
    char *line = NULL;
    size_t size = 0;
    while (file && getline(&line, &size, file) > 0) {
      char *name = strtok(line, ":");
      strtok(NULL, ":");
      char *uid = strtok(NULL, ":");
      if (name && uid && !strcmp(name, text)) return (unsigned)atol(uid);
    }
    return (unsigned)strtoul(text, NULL, 10);
  }

  int naive(int argc, char **argv) {
    char *binds[8], *parameter = NULL, *user = NULL, *directory = "/";
    int count = 0, devices = 0, console = 0, masks = 0, proc = 1, group = -1;
    for (int flag; (flag = getopt(argc, argv, "+b:dcks:Pw:u:g:")) != -1;) {
      switch (flag) {
        case 'b': binds[count++] = optarg; break;
        case 'd': devices = 1; break;
        case 'c': console = 1; break;
        case 'k': masks = 1; break;
        case 's': parameter = optarg; break;
        case 'P': proc = 0; break;
        case 'w': directory = optarg; break;
        case 'u': user = optarg; break;
        case 'g': group = atoi(optarg); break;
        default: return 125;
      }
    }
    root = argv[optind];
    if (unshare(CLONE_NEWNS | CLONE_NEWNET) != 0) die("unshare", "");
    if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0) die("private", "/");
    if (mount(root, root, NULL, MS_BIND, NULL) != 0) die("bind", root);
    if (proc && mount("proc", inside("proc"), "proc", 0, NULL) != 0) die("mount", "proc");
    for (int index = 0; index < count; index++) {
      char *colon = strchr(binds[index], ':');
      *colon = 0;
      bind_path(binds[index], inside(colon + 1));
    }
    if (devices) {
      if (mknod(inside("dev/zero"), S_IFCHR | 0666, makedev(1, 5)) != 0) die("mknod", "dev/zero");
      if (chown(inside("dev/null"), 0, 5) != 0) {}
    }
    if (console && mount(inside("dev/pts/0"), inside("dev/console"), NULL, MS_BIND, NULL) != 0) {
      die("bind", "dev/console");
    }
    if (masks && mount(inside("dev/null"), inside("proc/keys"), NULL, MS_BIND, NULL) != 0) {
      die("bind", "proc/keys");
    }
    if (parameter) {
      char *equals = strchr(parameter, '='), *path;
      *equals = 0;
      if (asprintf(&path, "proc/sys/%s", parameter) < 0) abort();
      write_path(inside(path), equals + 1);
    }
    unsigned uid = user ? find_user(user) : 0;
    if (chroot(root) != 0 || chdir(directory) != 0) die("enter", directory);
    if (group >= 0 && (setgroups(0, NULL) || setresgid(group, group, group))) die("set", "group");
    if (user && setresuid(uid, uid, uid) != 0) die("become", user);
    execvp(argv[optind + 1], argv + optind + 1);
    die("exec", argv[optind + 1]);
    return 125;
  }
  """#
