#define _GNU_SOURCE
#include "floor.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#define ROOT "/sys/fs/cgroup"
#define PARENT "floor"

static const char *const controllers[] = {"memory", "pids", "cpu", "devices", "freezer"};
enum { CONTROLLERS = sizeof controllers / sizeof *controllers };

// Docker's device rules: any node may be made, these may be opened.
static const char *const device_rules[] = {
  "c *:* m", "b *:* m", "c 1:3 rwm", "c 1:5 rwm", "c 1:7 rwm", "c 1:8 rwm", "c 1:9 rwm",
  "c 5:0 rwm", "c 5:1 rwm", "c 5:2 rwm", "c 136:* rwm"};

static void write_file(const char *path, const char *text) {
  int fd = open(path, O_WRONLY | O_CLOEXEC);
  if (fd < 0 || write(fd, text, strlen(text)) < 0) die("write", path);
  close(fd);
}

// A group, and its parent when this is the first: 0755, as docker's.
static void make_group(const char *path) {
  if (mkdir(path, 0755) == 0) return;
  if (errno != ENOENT) die("mkdir", path);
  char parent[512];
  snprintf(parent, sizeof parent, "%s", path);
  *strrchr(parent, '/') = 0;
  if (mkdir(parent, 0755) != 0 && errno != EEXIST) die("mkdir", parent);
  if (mkdir(path, 0755) != 0) die("mkdir", path);
}

bool cgroup_is_v2(void) {
  static int answer = -1;
  struct statfs fs;
  if (answer < 0) answer = statfs(ROOT, &fs) == 0 && fs.f_type == 0x63677270;
  return answer;
}

#define INSN(c, d, s, o, i) \
  ((struct bpf_insn){.code = (c), .dst_reg = (d), .src_reg = (s), .off = (o), .imm = (i)})
#define LOAD(reg, offset) INSN(BPF_LDX | BPF_MEM | BPF_W, reg, 1, offset, 0)
#define IF_NOT(reg, value, skip) INSN(BPF_JMP | BPF_JNE | BPF_K, reg, 0, skip, value)
#define IF_SAME(reg, value, skip) INSN(BPF_JMP | BPF_JEQ | BPF_K, reg, 0, skip, value)
#define ANSWER(value) INSN(BPF_ALU64 | BPF_MOV | BPF_K, 0, 0, 0, value), INSN(BPF_JMP | BPF_EXIT, 0, 0, 0, 0)

// The same rules as a program: r2 = access and type, r3 = major, r4 = minor.
static int attach_device_program(const char *directory) {
  const struct bpf_insn program[] = {
    LOAD(2, 0), LOAD(3, 4), LOAD(4, 8),
    INSN(BPF_ALU64 | BPF_MOV | BPF_X, 5, 2, 0, 0),
    INSN(BPF_ALU64 | BPF_RSH | BPF_K, 5, 0, 0, 16),
    IF_NOT(5, BPF_DEVCG_ACC_MKNOD, 2), ANSWER(1),
    INSN(BPF_ALU64 | BPF_AND | BPF_K, 2, 0, 0, 0xffff),
    IF_SAME(2, BPF_DEVCG_DEV_CHAR, 2), ANSWER(0),
    IF_NOT(3, 136, 2), ANSWER(1),
    IF_NOT(3, 5, 3), INSN(BPF_JMP | BPF_JGT | BPF_K, 4, 0, 2, 2), ANSWER(1),
    IF_NOT(3, 1, 7), IF_SAME(4, 3, 4), IF_SAME(4, 5, 3), IF_SAME(4, 7, 2), IF_SAME(4, 8, 1),
    IF_NOT(4, 9, 2), ANSWER(1),
    ANSWER(0)};
  union bpf_attr load = {
    .prog_type = BPF_PROG_TYPE_CGROUP_DEVICE, .insns = (uintptr_t)program,
    .insn_cnt = sizeof program / sizeof *program, .license = (uintptr_t)"GPL"};
  int loaded = syscall(SYS_bpf, BPF_PROG_LOAD, &load, sizeof load);
  if (loaded < 0) die("load", "device program");
  int target = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  union bpf_attr attach = {
    .target_fd = target, .attach_bpf_fd = loaded, .attach_type = BPF_CGROUP_DEVICE,
    .attach_flags = BPF_F_ALLOW_MULTI};
  if (syscall(SYS_bpf, BPF_PROG_ATTACH, &attach, sizeof attach) != 0) {
    die("attach", "device program");
  }
  close(loaded);
  return target;
}

int cgroup_create(const char *id) {
  char path[512];
  if (cgroup_is_v2()) {
    snprintf(path, sizeof path, ROOT "/" PARENT "/%s", id);
    make_group(path);
    return attach_device_program(path);
  }
  for (int n = 0; n < CONTROLLERS; n++) {
    snprintf(path, sizeof path, ROOT "/%s/" PARENT "/%s", controllers[n], id);
    make_group(path);
  }
  snprintf(path, sizeof path, ROOT "/devices/" PARENT "/%s/devices.deny", id);
  write_file(path, "a");
  snprintf(path, sizeof path, ROOT "/devices/" PARENT "/%s/devices.allow", id);
  int fd = open(path, O_WRONLY | O_CLOEXEC);
  for (size_t n = 0; n < sizeof device_rules / sizeof *device_rules; n++) {
    if (write(fd, device_rules[n], strlen(device_rules[n])) < 0) die("allow", device_rules[n]);
  }
  close(fd);
  return -1;
}

// The child joins by writing 0 to tasks itself: moving another process, or a whole thread group,
// takes a global lock. (On v2 it was cloned into its group.)
void cgroup_join(const char *id) {
  char path[512];
  for (int n = 0; n < CONTROLLERS && !cgroup_is_v2(); n++) {
    snprintf(path, sizeof path, ROOT "/%s/" PARENT "/%s/tasks", controllers[n], id);
    write_file(path, "0");
  }
}

// What the container sees of its limits: its own groups only, read-only.
void cgroup_mount(void) {
  unsigned long flags = MS_NOSUID | MS_NODEV | MS_NOEXEC;
  if (cgroup_is_v2()) {
    if (mount("cgroup", ROOT, "cgroup2", flags | MS_RDONLY, NULL) != 0) die("mount", ROOT);
    return;
  }
  if (mount("cgroup", ROOT, "tmpfs", flags, "mode=755,size=64k") != 0) die("mount", ROOT);
  for (int n = 0; n < CONTROLLERS; n++) {
    char path[512];
    snprintf(path, sizeof path, ROOT "/%s", controllers[n]);
    if (mkdir(path, 0755) != 0) die("mkdir", path);
    if (mount("cgroup", path, "cgroup", flags | MS_RDONLY, controllers[n]) != 0) die("mount", path);
  }
}

void cgroup_remove(const char *id) {
  char path[512];
  int count = cgroup_is_v2() ? 1 : CONTROLLERS;
  for (int n = 0; n < count; n++) {
    if (cgroup_is_v2()) snprintf(path, sizeof path, ROOT "/" PARENT "/%s", id);
    else snprintf(path, sizeof path, ROOT "/%s/" PARENT "/%s", controllers[n], id);
    // EBUSY while the last process is still on its way out.
    for (int attempt = 0; rmdir(path) != 0 && errno != ENOENT; attempt++) {
      if (errno != EBUSY || attempt > 1000) die("rmdir", path);
      usleep(500);
    }
  }
}
