// Times commands against one another in rounds of A B C, B C A, ... so that a machine's drift hits all
// alike, each round in another order, so that what a command leaves to the kernel (a network
// namespace is taken down later) is not always billed to the same neighbour. The clock runs from before the fork to the end of the wait; the fork is a vfork, so the
// timer's own share is the same few microseconds for each. Prints one TSV line for each command.
//
// usage: timer [--rounds N] [--warmup N] [--pause MS] -- [@OPTION...] COMMAND... [-- [@OPTION...] COMMAND...]
//        timer --parallel N ...          each command N times at once, in rounds; median seconds
//   @label=TEXT    the line's name                  @every=K      only in each K-th round
//   @code=N        the exit code to expect (0)      @before=TEXT  shell command, run untimed before
//   @stderr=FILE   standard error is appended there, else dropped
//   @mount=PATH    run inside this mount namespace
// A command may be several with @then between them, of which the times are added up. What they leave
// running is waited for before the last one, untimed, as an engine's shim does, and counts for the peak.
// {} in an argument is the number of the run, never the same twice.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { MOST = 64 };

struct command {
  const char *label, *before, *errors, *mount;
  char **arguments;
  int every, code;
  int stderr_fd, mount_fd;
  int count, failures;
  double *wall, *cpu;  // milliseconds
  long peak;           // KiB: the largest process of the tree
  int parts;           // commands with @then between them
};

static struct command commands[MOST];
static int command_count, run_number, null_fd;
static int rounds = 20, warmup = 2, parallel = 0, pause_ms = 0;

static void fail(const char *what) {
  fprintf(stderr, "timer: %s: %s\n", what, strerror(errno));
  exit(2);
}

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * 1e3 + t.tv_nsec / 1e6;
}

// The arguments with {} replaced.
static char **expand(const struct command *c) {
  int count = 0;
  while (c->arguments[count]) count++;
  char **result = calloc(count + 1, sizeof *result);
  for (int n = 0; n < count; n++) {
    char *mark = strstr(c->arguments[n], "{}");
    if (!mark) {
      result[n] = strdup(c->arguments[n]);
    } else if (asprintf(&result[n], "%.*s%d%s", (int)(mark - c->arguments[n]), c->arguments[n],
                        run_number, mark + 2) < 0) {
      fail("memory");
    }
  }
  run_number++;
  return result;
}

static void release(char **arguments) {
  for (int n = 0; arguments[n]; n++) free(arguments[n]);
  free(arguments);
}

static pid_t start(const struct command *c, char **arguments) {
  pid_t pid = vfork();
  if (pid < 0) fail("vfork");
  if (pid > 0) return pid;
  if (c->mount_fd >= 0 && setns(c->mount_fd, CLONE_NEWNS) != 0) _exit(255);
  dup2(null_fd, 0);
  dup2(null_fd, 1);
  dup2(c->stderr_fd >= 0 ? c->stderr_fd : null_fd, 2);
  execvp(arguments[0], arguments);
  _exit(127);
}

static void largest(struct command *c, const struct rusage *usage) {
  if (usage->ru_maxrss > c->peak) c->peak = usage->ru_maxrss;
}

// Processes that were left behind come to the timer, which is their subreaper then.
static void reap(struct command *c, int counted) {
  struct rusage usage;
  for (;;) {
    if (wait4(-1, NULL, 0, &usage) < 0) {
      if (errno == ECHILD) return;
      if (errno != EINTR) fail("wait4");
    } else if (counted) {
      largest(c, &usage);
    }
  }
}

// Waits for one process. A part after the first adds to what the first took.
static void finish(struct command *c, pid_t pid, double began, int counted, int part) {
  int status;
  struct rusage usage;
  pid_t ended;
  while ((ended = wait4(pid, &status, 0, &usage)) < 0) {
    if (errno != EINTR) fail("wait4");
  }
  double ended_at = now();
  int code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  if (code != c->code) c->failures++;
  if (!counted) return;
  c->wall[c->count] += ended_at - began;
  c->cpu[c->count] += (usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1e3 +
                      (usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e3;
  if (part + 1 == c->parts) c->count++;
  largest(c, &usage);
}

static void run_parts(struct command *c, char **arguments, int counted) {
  char **next = arguments;
  for (int part = 0; part < c->parts; part++) {
    char **own = next, *kept = NULL;
    while (*next && strcmp(*next, "@then")) next++;
    if (*next) {
      kept = *next;
      *next = NULL;
    }
    if (c->parts > 1 && part + 1 == c->parts) reap(c, counted);
    double began = now();
    finish(c, start(c, own), began, counted, part);
    if (kept) *next++ = kept;
  }
}

static int ascending(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

static double quantile(const double *sorted, int count, double q) {
  if (count == 0) return 0;
  double at = q * (count - 1);
  int low = (int)at;
  return low + 1 < count ? sorted[low] + (at - low) * (sorted[low + 1] - sorted[low]) : sorted[low];
}

// Fisher and Yates, over a fixed pseudo-random sequence.
static void shuffle(int *order, int count) {
  static uint64_t state = 0x9e3779b97f4a7c15;
  for (int n = count - 1; n > 0; n--) {
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    int other = state % (n + 1), kept = order[n];
    order[n] = order[other];
    order[other] = kept;
  }
}

static void run_rounds(void) {
  int order[MOST];
  for (int n = 0; n < command_count; n++) order[n] = n;
  for (int round = -warmup; round < rounds; round++) {
    shuffle(order, command_count);
    for (int n = 0; n < command_count; n++) {
      struct command *c = &commands[order[n]];
      // A slow command gets one warm-up, not all.
      if (round < 0 ? c->every > 1 && round < -1 : round % c->every) continue;
      if (c->before && system(c->before) != 0) c->failures++;
      if (pause_ms) usleep(pause_ms * 1000);
      char **arguments = expand(c);
      run_parts(c, arguments, round >= 0);
      release(arguments);
    }
  }
  puts("label\truns\tfailures\tmin_ms\tp10_ms\tmedian_ms\tp90_ms\tmax_ms\tcpu_ms\tpeak_kib");
  for (int n = 0; n < command_count; n++) {
    struct command *c = &commands[n];
    qsort(c->wall, c->count, sizeof *c->wall, ascending);
    qsort(c->cpu, c->count, sizeof *c->cpu, ascending);
    printf("%s\t%d\t%d\t%.3f\t%.3f\t%.3f\t%.3f\t%.3f\t%.3f\t%ld\n", c->label, c->count, c->failures,
           quantile(c->wall, c->count, 0), quantile(c->wall, c->count, 0.1),
           quantile(c->wall, c->count, 0.5), quantile(c->wall, c->count, 0.9),
           quantile(c->wall, c->count, 1), quantile(c->cpu, c->count, 0.5), c->peak);
  }
}

static void run_parallel(void) {
  pid_t *pids = calloc(parallel, sizeof *pids);
  for (int round = 0; round < rounds; round++) {
    for (int n = 0; n < command_count; n++) {
      struct command *c = &commands[n];
      if (c->before && system(c->before) != 0) c->failures++;
      if (pause_ms) usleep(pause_ms * 1000);
      double began = now();
      for (int k = 0; k < parallel; k++) {
        char **arguments = expand(c);
        pids[k] = start(c, arguments);  // by its return the child has executed
        release(arguments);
      }
      for (int k = 0; k < parallel; k++) finish(c, pids[k], began, 0, 0);
      c->wall[c->count++] = (now() - began) / 1e3;
    }
  }
  puts("label\truns\tfailures\tseconds\tper_second");
  for (int n = 0; n < command_count; n++) {
    struct command *c = &commands[n];
    qsort(c->wall, c->count, sizeof *c->wall, ascending);
    double seconds = quantile(c->wall, c->count, 0.5);
    printf("%s\t%d\t%d\t%.3f\t%.1f\n", c->label, parallel * c->count, c->failures, seconds,
           parallel / seconds);
  }
}

// One command with its options; returns the index after it.
static int parse_command(int argc, char **argv, int at) {
  if (command_count == MOST) {
    errno = E2BIG;
    fail("commands");
  }
  struct command *c = &commands[command_count++];
  *c = (struct command){.every = 1, .parts = 1, .stderr_fd = -1, .mount_fd = -1};
  for (; at < argc && argv[at][0] == '@'; at++) {
    char *value = strchr(argv[at], '=');
    if (!value) break;
    size_t length = value++ - argv[at];
    if (!strncmp(argv[at], "@label", length)) c->label = value;
    else if (!strncmp(argv[at], "@every", length)) c->every = atoi(value) > 0 ? atoi(value) : 1;
    else if (!strncmp(argv[at], "@code", length)) c->code = atoi(value);
    else if (!strncmp(argv[at], "@before", length)) c->before = value;
    else if (!strncmp(argv[at], "@stderr", length)) c->errors = value;
    else if (!strncmp(argv[at], "@mount", length)) c->mount = value;
    else break;
  }
  c->arguments = argv + at;
  for (; at < argc && strcmp(argv[at], "--"); at++) {
    if (strcmp(argv[at], "@then")) continue;
    c->parts++;
    if (prctl(PR_SET_CHILD_SUBREAPER, 1) != 0) fail("become subreaper");
  }
  if (at < argc) argv[at++] = NULL;
  if (!c->arguments[0]) {
    errno = EINVAL;
    fail("empty command");
  }
  if (!c->label) c->label = c->arguments[0];
  if (c->errors && (c->stderr_fd = open(c->errors, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600)) < 0) {
    fail(c->errors);
  }
  if (c->mount && (c->mount_fd = open(c->mount, O_RDONLY | O_CLOEXEC)) < 0) fail(c->mount);
  c->wall = calloc(rounds + 1, sizeof *c->wall);
  c->cpu = calloc(rounds + 1, sizeof *c->cpu);
  return at;
}

int main(int argc, char **argv) {
  int at = 1;
  for (; at + 1 < argc && strcmp(argv[at], "--"); at += 2) {
    int value = atoi(argv[at + 1]);
    if (!strcmp(argv[at], "--rounds") && value > 0) rounds = value;
    else if (!strcmp(argv[at], "--warmup") && value >= 0) warmup = value;
    else if (!strcmp(argv[at], "--pause") && value >= 0) pause_ms = value;
    else if (!strcmp(argv[at], "--parallel") && value > 0) parallel = value;
    else break;
  }
  if (at >= argc || strcmp(argv[at], "--")) {
    fputs("usage: timer [--rounds N] [--warmup N] [--parallel N] -- COMMAND... [-- COMMAND...]\n", stderr);
    return 2;
  }
  null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
  for (at++; at < argc;) at = parse_command(argc, argv, at);
  if (parallel) run_parallel();
  else run_rounds();
  return 0;
}
