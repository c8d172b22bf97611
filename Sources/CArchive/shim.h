#include <archive.h>
#include <archive_entry.h>
#include <stdint.h>
#include <zlib.h>

/// The part of ISA-L's `struct inflate_state` that its callers use (igzip_lib.h of libisal.so.2, the same on
/// all architectures), so that the library is needed neither to build nor to run.
struct isal_inflate_state {
  uint8_t *next_out;
  uint32_t avail_out;
  uint32_t total_out;
  uint8_t *next_in;
  uint64_t read_in;
  uint32_t avail_in;
  int32_t read_in_length;
  uint8_t tables[21120];
  uint32_t block_state;
  uint32_t dict_length;
  uint32_t bfinal;
  uint32_t crc_flag;
  uint32_t crc;
};
