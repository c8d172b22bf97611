// Runs a command and prints the most memory that it and all its descendants had at once, in kB:
// the sum of their proportional set sizes (Pss of /proc/PID/smaps_rollup), looked at every 5 ms.
//
// usage: peak COMMAND [ARGUMENT...]
#define _GNU_SOURCE
#include <ctype.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { LIMIT = 65536 };
static int parents[LIMIT], pids[LIMIT], count;

static void look(void) {
  count = 0;
  DIR *proc = opendir("/proc");
  if (!proc) return;
  for (struct dirent *entry; (entry = readdir(proc)) && count < LIMIT;) {
    if (!isdigit((unsigned char)entry->d_name[0])) continue;
    char path[300], line[1024];
    snprintf(path, sizeof path, "/proc/%s/stat", entry->d_name);
    FILE *file = fopen(path, "r");
    if (!file) continue;
    char *end = fgets(line, sizeof line, file) ? strrchr(line, ')') : NULL;
    fclose(file);
    int parent;
    if (!end || sscanf(end + 1, " %*c %d", &parent) != 1) continue;
    pids[count] = atoi(entry->d_name);
    parents[count++] = parent;
  }
  closedir(proc);
}

static int descends(int pid, int ancestor) {
  for (int depth = 0; depth < 64 && pid > 1; depth++) {
    if (pid == ancestor) return 1;
    int i = 0;
    while (i < count && pids[i] != pid) i++;
    if (i == count) return 0;
    pid = parents[i];
  }
  return 0;
}

static long memory(int pid) {
  char path[64], line[256];
  long kilobytes = 0;
  snprintf(path, sizeof path, "/proc/%d/smaps_rollup", pid);
  FILE *file = fopen(path, "r");
  if (!file) return 0;
  while (fgets(line, sizeof line, file) && sscanf(line, "Pss: %ld kB", &kilobytes) != 1) {}
  fclose(file);
  return kilobytes;
}

int main(int argc, char **argv) {
  if (argc < 2) return 2;
  int child = fork(), status;
  if (child == 0) {
    execvp(argv[1], argv + 1);
    _exit(127);
  }
  long peak = 0;
  while (waitpid(child, &status, WNOHANG) == 0) {
    long sum = 0;
    look();
    for (int i = 0; i < count; i++)
      if (descends(pids[i], child)) sum += memory(pids[i]);
    if (sum > peak) peak = sum;
    usleep(5000);
  }
  printf("%ld\n", peak);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}
