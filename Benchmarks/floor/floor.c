#define _GNU_SOURCE
#include "floor.h"

#include <errno.h>
#include <getopt.h>
#include <linux/sched.h>
#include <arpa/inet.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

void die(const char *operation, const char *object) {
  fprintf(stderr, "floor: %s %s: %s\n", operation, object, strerror(errno));
  exit(125);
}

struct steps {
  int count;
  struct { const char *name; bool child; struct timespec at; } step[64];
};
static struct steps *steps;
static bool in_child;

void trace_start(bool wanted) {
  if (!wanted) return;
  steps = mmap(NULL, sizeof *steps, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (steps == MAP_FAILED) die("mmap", "trace");
  trace("start");
}

void trace(const char *step) {
  if (!steps) return;
  int n = __atomic_fetch_add(&steps->count, 1, __ATOMIC_RELAXED);
  if (n >= 64) return;
  steps->step[n].name = step;
  steps->step[n].child = in_child;
  clock_gettime(CLOCK_MONOTONIC, &steps->step[n].at);
}

void trace_print(void) {
  if (!steps) return;
  // Parent and child run at once, so each step counts from the one before it on its own side.
  struct timespec last[2] = {steps->step[0].at, steps->step[0].at};
  for (int n = 1; n < steps->count && n < 64; n++) {
    struct timespec at = steps->step[n].at, *before = &last[steps->step[n].child];
    long us = (at.tv_sec - before->tv_sec) * 1000000 + (at.tv_nsec - before->tv_nsec) / 1000;
    fprintf(stderr, "step %s%s %ld\n", steps->step[n].child ? "child:" : "", steps->step[n].name, us);
    *before = at;
  }
}

static void receive(int fd, char expected) {
  char got = 0;
  while (read(fd, &got, 1) < 0 && errno == EINTR) {}
  if (got != expected) _exit(125);  // the parent failed and has said why
}

static void child(const struct container *c, const struct options *o, int go) {
  in_child = true;
  prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
  setsid();
  if (sethostname(c->id, 12) != 0) die("sethostname", c->id);
  trace("begin");
  rootfs_mount(c, o);
  receive(go, 'c');
  trace("wait-cgroup");
  cgroup_join(c->id);
  // Only now: the namespace's root is the group its creator is in.
  if (unshare(CLONE_NEWCGROUP) != 0) die("unshare", "cgroup namespace");
  trace("join");
  rootfs_enter();
  receive(go, 'n');
  trace("wait-network");
  network_configure(c, o);
  trace("address");
  if (syscall(SYS_close_range, 3, ~0U, 4 /* CLOSE_RANGE_CLOEXEC */) != 0) die("close_range", "3-");
  privileges_drop();
  trace("capabilities");
  char *environment[] = {
    "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root", NULL};
  setenv("PATH", environment[0] + 5, 1);
  execvpe(o->command[0], o->command, environment);
  int code = errno == ENOENT ? 127 : 126;
  fprintf(stderr, "floor: exec %s: %s\n", o->command[0], strerror(errno));
  _exit(code);
}

static void parse(int argc, char **argv, struct options *o) {
  static const struct option flags[] = {
    {"lower", 1, 0, 'l'}, {"state", 1, 0, 's'}, {"network", 1, 0, 'n'}, {"bridge", 1, 0, 'b'},
    {"subnet", 1, 0, 'a'}, {"seccomp", 1, 0, 'f'}, {"keep", 0, 0, 'k'}, {"trace", 0, 0, 't'}, {0}};
  const char *network = "none";
  *o = (struct options){.state = "/dev/shm/floor", .bridge = "floor0", .subnet = 0x0a630000};
  for (int flag; (flag = getopt_long(argc, argv, "+", flags, NULL)) != -1;) {
    switch (flag) {
      case 'l': o->lower = optarg; break;
      case 's': o->state = optarg; break;
      case 'n': network = optarg; break;
      case 'b': o->bridge = optarg; break;
      case 'a': o->subnet = ntohl(inet_addr(optarg)) & 0xffff0000; break;
      case 'f': o->seccomp = optarg; break;
      case 'k': o->keep = true; break;
      case 't': o->trace = true; break;
      default: exit(125);
    }
  }
  o->command = argv + optind;
  if (!o->lower || !*o->command || (strcmp(network, "none") && strcmp(network, "bridge"))) {
    fputs("usage: floor --lower DIR [--network bridge|none] [--bridge DEVICE] [--subnet A.B.0.0]\n"
          "             [--state DIR] [--seccomp FILE] [--keep] [--trace] COMMAND...\n", stderr);
    exit(125);
  }
  if (strcmp(network, "bridge")) o->bridge = NULL;
}

int main(int argc, char **argv) {
  struct options o;
  struct container c;
  parse(argc, argv, &o);
  trace_start(o.trace);
  // Process ids tell parallel floors apart; the address leaves out .0.0 and .0.1.
  snprintf(c.id, sizeof c.id, "floor%08d", getpid());
  snprintf(c.directory, sizeof c.directory, "%s/%s", o.state, c.id);
  c.address = o.subnet + 2 + (uint32_t)getpid() % 65532;

  if (o.seccomp) privileges_read_filter(o.seccomp);
  int go[2];
  if (pipe(go) != 0) die("pipe", "");
  rootfs_prepare(&c, &o);
  trace("directories");
  struct clone_args arguments = {
    .flags = CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWUTS | CLONE_NEWIPC,
    .exit_signal = SIGCHLD};
  if (cgroup_is_v2()) {
    arguments.cgroup = cgroup_create(c.id);
    arguments.flags |= CLONE_INTO_CGROUP;
    trace("cgroup");
  }
  pid_t pid = syscall(SYS_clone3, &arguments, sizeof arguments);
  if (pid < 0) die("clone3", "");
  if (pid == 0) {
    close(go[1]);
    child(&c, &o, go[0]);
  }
  trace("clone");
  close(go[0]);
  // A child that failed has closed its end: its exit code is the answer, not our death by SIGPIPE.
  signal(SIGPIPE, SIG_IGN);
  if (!cgroup_is_v2()) {
    cgroup_create(c.id);
    trace("cgroup");
  }
  if (write(go[1], "c", 1) < 0) {}
  if (o.bridge) network_attach(&c, &o, pid);
  trace("veth");
  if (write(go[1], "n", 1) < 0) {}

  int status;
  while (waitpid(pid, &status, 0) < 0) {
    if (errno != EINTR) die("waitpid", "");
  }
  trace("run-and-exit");
  cgroup_remove(c.id);
  trace("remove-cgroup");
  if (!o.keep) rootfs_remove(&c);
  trace("remove-directories");
  trace_print();
  return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}
