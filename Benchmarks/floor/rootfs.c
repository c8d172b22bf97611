#define _GNU_SOURCE
#include "floor.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/mount.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

static const char *const engine_files[] = {"hosts", "hostname", "resolv.conf"};
enum { ENGINE_FILES = 3 };

// runtime-spec's and docker's lists.
static const char *const masked[] = {
  "proc/acpi", "proc/asound", "proc/interrupts", "proc/kcore", "proc/keys", "proc/latency_stats",
  "proc/timer_list", "proc/timer_stats", "proc/sched_debug", "proc/scsi", "sys/firmware",
  "sys/devices/virtual/powercap"};
static const char *const read_only[] = {
  "proc/bus", "proc/fs", "proc/irq", "proc/sys", "proc/sysrq-trigger"};

static const struct { const char *name; mode_t mode; int major, minor; } nodes[] = {
  {"dev/null", 0666, 1, 3}, {"dev/zero", 0666, 1, 5}, {"dev/full", 0666, 1, 7},
  {"dev/random", 0666, 1, 8}, {"dev/urandom", 0666, 1, 9}, {"dev/tty", 0666, 5, 0}};
static const struct { const char *name, *target; } links[] = {
  {"dev/ptmx", "pts/ptmx"}, {"dev/fd", "/proc/self/fd"}, {"dev/stdin", "/proc/self/fd/0"},
  {"dev/stdout", "/proc/self/fd/1"}, {"dev/stderr", "/proc/self/fd/2"},
  {"dev/core", "/proc/kcore"}};

#define EACH(index, list) (size_t index = 0; index < sizeof list / sizeof *list; index++)

static void make(const char *path, mode_t mode) {
  if (mkdir(path, mode) != 0 && errno != EEXIST) die("mkdir", path);
}

static void join_path(char *out, const char *directory, const char *name) {
  if (snprintf(out, 512, "%s/%s", directory, name) >= 512) die("path too long", name);
}

void rootfs_prepare(const struct container *c, const struct options *o) {
  char path[512], text[128];
  struct in_addr address = {htonl(c->address)};
  make(o->state, 0700);
  if (mkdir(c->directory, 0700) != 0) die("mkdir", c->directory);
  join_path(path, c->directory, "upper");
  make(path, 0755);
  join_path(path, c->directory, "work");
  make(path, 0755);
  for EACH(n, engine_files) {
    const char *format = "127.0.0.1\tlocalhost\n%s\t%.12s\n";
    if (n == 1) format = "%2$.12s\n";
    if (n == 2) format = "nameserver 127.0.0.1\n";
    snprintf(text, sizeof text, format, inet_ntoa(address), c->id);
    join_path(path, c->directory, engine_files[n]);
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
    if (fd < 0 || write(fd, text, strlen(text)) < 0) die("write", path);
    close(fd);
  }
}

static void mount_at(const char *type, const char *path, unsigned long flags, const char *data) {
  if (mount(type, path, type, flags, data) != 0) die("mount", path);
}

static void bind_at(const char *from, const char *to) {
  if (mount(from, to, NULL, MS_BIND, NULL) != 0) die("bind", to);
}

static void make_dev(void) {
  mount_at("tmpfs", "dev", MS_NOSUID | MS_STRICTATIME, "mode=755,size=65536k");
  mode_t before = umask(0);
  for EACH(n, nodes) {
    if (mknod(nodes[n].name, S_IFCHR | nodes[n].mode, makedev(nodes[n].major, nodes[n].minor))) {
      die("mknod", nodes[n].name);
    }
  }
  umask(before);
  for EACH(n, links) {
    if (symlink(links[n].target, links[n].name) != 0) die("symlink", links[n].name);
  }
  make("dev/pts", 0755);
  make("dev/shm", 01777);
  make("dev/mqueue", 0755);
  unsigned long flags = MS_NOSUID | MS_NOEXEC;
  mount_at("devpts", "dev/pts", flags, "newinstance,ptmxmode=0666,mode=0620,gid=5");
  mount_at("tmpfs", "dev/shm", flags | MS_NODEV, "mode=1777,size=65536k");
  mount_at("mqueue", "dev/mqueue", flags | MS_NODEV, NULL);
}

static void hide_paths(void) {
  const char *empty = NULL;  // one empty file system hides every directory
  for EACH(n, masked) {
    struct stat status;
    if (stat(masked[n], &status) != 0) continue;
    if (!S_ISDIR(status.st_mode)) {
      bind_at("dev/null", masked[n]);
    } else if (empty) {
      bind_at(empty, masked[n]);
    } else {
      empty = masked[n];
      mount_at("tmpfs", empty, MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC, "nr_inodes=1,size=0");
    }
  }
  for EACH(n, read_only) {
    if (mount(read_only[n], read_only[n], NULL, MS_BIND | MS_REC, NULL) != 0) {
      if (errno == ENOENT) continue;
      die("bind", read_only[n]);
    }
    struct mount_attr attributes = {.attr_set = MOUNT_ATTR_RDONLY};
    if (syscall(SYS_mount_setattr, AT_FDCWD, read_only[n], AT_RECURSIVE, &attributes,
                sizeof attributes) != 0) {
      die("make read-only", read_only[n]);
    }
  }
}

void rootfs_mount(const struct container *c, const struct options *o) {
  char text[2048];
  if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0) die("make private", "/");
  // volatile: what a --rm container wrote need not reach the disk when the overlay goes.
  snprintf(text, sizeof text, "lowerdir=%s,upperdir=%s/upper,workdir=%s/work,volatile", o->lower,
           c->directory, c->directory);
  // The overlay covers the directory that holds upper and work: it keeps what it has opened.
  int hold = open(c->directory, O_PATH | O_DIRECTORY | O_CLOEXEC);
  mount_at("overlay", c->directory, 0, text);
  if (chdir(c->directory) != 0) die("chdir", c->directory);
  trace("overlay");
  unsigned long flags = MS_NOSUID | MS_NODEV | MS_NOEXEC;
  mount_at("proc", "proc", flags, NULL);
  mount_at("sysfs", "sys", flags | MS_RDONLY, NULL);
  trace("proc-sys");
  make_dev();
  trace("dev");
  for EACH(n, engine_files) {
    char target[64], source[64];
    snprintf(target, sizeof target, "etc/%s", engine_files[n]);
    int fd = open(target, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);
    if (fd < 0) die("create", target);
    close(fd);
    // Covered now, the file is reached through the descriptor held from before.
    snprintf(source, sizeof source, "/proc/self/fd/%d/%s", hold, engine_files[n]);
    bind_at(source, target);
  }
  close(hold);
  trace("etc");
  hide_paths();
  trace("masks");
}

void rootfs_enter(void) {
  if (syscall(SYS_pivot_root, ".", ".") != 0) die("pivot_root", ".");
  if (umount2(".", MNT_DETACH) != 0) die("unmount", "old root");
  if (chdir("/") != 0) die("chdir", "/");
  trace("pivot");
  cgroup_mount();
  trace("cgroup-mounts");
}

static void remove_tree(int parent, const char *name) {
  if (unlinkat(parent, name, 0) == 0) return;
  int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  DIR *directory = fd < 0 ? NULL : fdopendir(fd);
  if (!directory) die("open", name);
  for (struct dirent *entry; (entry = readdir(directory));) {
    if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, "..")) continue;
    remove_tree(fd, entry->d_name);
  }
  closedir(directory);
  if (unlinkat(parent, name, AT_REMOVEDIR) != 0) die("rmdir", name);
}

void rootfs_remove(const struct container *c) { remove_tree(AT_FDCWD, c->directory); }
