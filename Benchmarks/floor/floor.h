// The floor: what `minidock run --rm busybox true` makes, in plain C, as fast as C can make it. It
// is the measure of the benchmark, no engine: no image store, no records, no logs, no terminal.
//
//   parent                               child (pid 1 of its namespaces)
//   mkdir upper, work; hosts files
//   clone3 ───────────────────────────▶  overlay, /proc /sys /dev, masks, pivot_root
//   mkdir cgroups, device rules           (on v2 before the clone, which is into the group)
//   "c" ──────────────────────────────▶  join them, cgroup namespace
//   veth: one end in the bridge,
//         its peer in the child's netns
//   "n" ──────────────────────────────▶  lo and eth0 up, address, default route
//   wait                                 /sys/fs/cgroup, seccomp, capabilities, execve
//   rmdir cgroups; remove upper, work
#ifndef FLOOR_H
#define FLOOR_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct options {
  const char *lower;    // the image's root file system
  const char *state;    // where upper and work are made
  const char *bridge;   // an existing bridge, or NULL: loopback only
  const char *seccomp;  // raw sock_filter[] to load, or NULL
  uint32_t subnet;      // host byte order, a /16; its .0.1 is the gateway
  bool keep;            // leave upper and work
  bool trace;           // step times on stderr
  char **command;
};

struct container {
  char id[32];
  char directory[256];  // state/id: mount point of the overlay, holds upper, work and three files
  uint32_t address;
};

// Prints "floor: operation: reason" and ends with 125, docker's code for a fault of the engine.
void die(const char *operation, const char *object) __attribute__((noreturn));

// Times of the steps, shared by parent and child; printed at the end with --trace.
void trace_start(bool wanted);
void trace(const char *step);
void trace_print(void);

// cgroup.c: the groups of all controllers on v1, one group with a device program on v2.
int cgroup_create(const char *id);  // v2: the group's directory, for CLONE_INTO_CGROUP; v1: -1
void cgroup_join(const char *id);
void cgroup_mount(void);
bool cgroup_is_v2(void);
void cgroup_remove(const char *id);

// network.c, over raw rtnetlink.
void network_attach(const struct container *c, const struct options *o, pid_t netns);
void network_configure(const struct container *c, const struct options *o);

// rootfs.c
void rootfs_prepare(const struct container *c, const struct options *o);
void rootfs_mount(const struct container *c, const struct options *o);
void rootfs_enter(void);
void rootfs_remove(const struct container *c);

// privileges.c: docker's 14 capabilities, empty inheritable and ambient sets, the filter.
void privileges_read_filter(const char *path);
void privileges_drop(void);

#endif
