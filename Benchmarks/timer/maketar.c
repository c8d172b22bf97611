// Writes a root file system's worth of tar to standard output: about 450 MB in some 15,000 files, as
// many small ones as a distribution has and a few large, every other one incompressible. The bytes
// are the same on every machine.
#include <stdint.h>
#include <stdio.h>
#include <string.h>

static uint64_t state = 0x9e3779b97f4a7c15;
static uint64_t next(void) {  // xorshift64
  state ^= state << 13;
  state ^= state >> 7;
  return state ^= state << 17;
}

static void header(const char *name, char type, uint64_t size) {
  char block[512] = {0};
  snprintf(block, 100, "%s", name);
  memcpy(block + 100, type == '5' ? "0000755" : "0000644", 8);
  memcpy(block + 108, "0000000", 8);
  memcpy(block + 116, "0000000", 8);
  snprintf(block + 124, 12, "%011llo", (unsigned long long)size);
  memcpy(block + 136, "14734142000", 12);
  memset(block + 148, ' ', 8);
  block[156] = type;
  memcpy(block + 257, "ustar\00000", 8);
  unsigned sum = 0;
  for (int n = 0; n < 512; n++) sum += (unsigned char)block[n];
  snprintf(block + 148, 8, "%06o", sum);
  fwrite(block, 1, 512, stdout);
}

static void file(int number, uint64_t size) {
  char name[100];
  if (number % 100 == 0) {
    snprintf(name, sizeof name, "./usr/share/d%03d/", number / 100);
    header(name, '5', 0);
  }
  snprintf(name, sizeof name, "./usr/share/d%03d/file%05d", number / 100, number);
  header(name, '0', size);
  static const char text[] = "the same line of text over and over, as a compressor likes it\n";
  uint64_t word[64];
  for (uint64_t done = 0; done < size; done += sizeof word) {
    for (int n = 0; n < 64; n++) {
      if (number % 2) word[n] = next();
      else memcpy(&word[n], text + (n * 8) % 56, 8);
    }
    // The last block is padded with zeros.
    if (size - done < sizeof word) memset((char *)word + (size - done), 0, sizeof word - (size - done));
    fwrite(word, 1, sizeof word, stdout);
  }
}

int main(void) {
  static char buffer[1 << 20], end[1024];
  setvbuf(stdout, buffer, _IOFBF, sizeof buffer);
  header("./usr/", '5', 0);
  header("./usr/share/", '5', 0);
  int number = 0;
  for (int n = 0; n < 14000; n++) file(number++, 200 + next() % 15000);
  for (int n = 0; n < 900; n++) file(number++, 100000 + next() % 200000);
  for (int n = 0; n < 10; n++) file(number++, 16 << 20);
  fwrite(end, 1, sizeof end, stdout);
  return fflush(stdout) != 0 || ferror(stdout);
}
