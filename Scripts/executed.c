// Prints the functions that a program and its children execute, in the order of their first call: what the
// linker is told to put together (link-order). Steps through every instruction, so it takes a while.
//
// usage: executed NAMES COMMAND...   NAMES: `nm -n` of COMMAND, which has a fixed address
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

struct function {
  unsigned long start;
  char *name;
  char type;
  int seen;
};
static struct function *functions;
static size_t count;
static off_t program_size;

static void fail(const char *what) {
  fprintf(stderr, "executed: %s: %s\n", what, strerror(errno));
  exit(1);
}

static void read_names(const char *path) {
  FILE *file = fopen(path, "r");
  if (!file) fail(path);
  char *line = NULL;
  size_t space = 0, room = 0;
  while (getline(&line, &space, file) > 0) {
    unsigned long start;
    char type, *name = NULL;
    if (sscanf(line, "%lx %c %ms", &start, &type, &name) != 3) continue;
    if (count == room) {
      room = room ? room * 2 : 4096;
      if (!(functions = realloc(functions, room * sizeof *functions))) fail("memory");
    }
    functions[count++] = (struct function){start, name, type, 0};
  }
  free(line);
  fclose(file);
  if (!count) fail("no names");
}

static void note(unsigned long at) {
  static unsigned long from = 1, to = 0;  // the function met last
  if (at >= from && at < to) return;
  size_t low = 0, high = count;
  while (high - low > 1) {
    size_t middle = (low + high) / 2;
    if (functions[middle].start <= at) low = middle;
    else high = middle;
  }
  if (functions[low].start > at || low + 1 == count) return;
  from = functions[low].start;
  to = functions[low + 1].start;
  // Of several names of one place each may be the one that the linker knows.
  for (; low < count && functions[low].start == from; low--) {
    if (functions[low].seen++ || !strchr("tTwWvV", functions[low].type)) continue;
    puts(functions[low].name);
  }
}

// Whether a process still is the program; a container's command is not.
static int is_program(pid_t pid) {
  char path[64];
  struct stat status;
  snprintf(path, sizeof path, "/proc/%d/exe", pid);
  return stat(path, &status) == 0 && status.st_size == program_size;
}

int main(int argc, char **argv) {
  if (argc < 3) return 2;
  read_names(argv[1]);
  struct stat status;
  if (stat(argv[2], &status)) fail(argv[2]);
  program_size = status.st_size;
  pid_t first = fork();
  if (first < 0) fail("fork");
  if (first == 0) {
    ptrace(PTRACE_TRACEME, 0, 0, 0);
    execv(argv[2], argv + 2);
    _exit(127);
  }
  int set = 0, word;
  pid_t pid;
  while ((pid = waitpid(-1, &word, __WALL)) > 0) {
    if (!WIFSTOPPED(word)) continue;
    if (!set) {
      set = 1;
      ptrace(PTRACE_SETOPTIONS, pid, 0,
             PTRACE_O_TRACECLONE | PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK | PTRACE_O_TRACEEXEC);
    }
    int signal = WSTOPSIG(word);
    if (word >> 8 == (SIGTRAP | PTRACE_EVENT_EXEC << 8) && !is_program(pid)) {
      ptrace(PTRACE_DETACH, pid, 0, 0);
      continue;
    }
    struct user_regs_struct registers;
    if (!ptrace(PTRACE_GETREGS, pid, 0, &registers)) note(registers.rip);
    if (signal == SIGTRAP || signal == SIGSTOP) signal = 0;
    ptrace(PTRACE_SINGLESTEP, pid, 0, signal);
  }
  return 0;
}
