#include "base/crc32c_isa.h"

#if defined(__aarch64__)
#include <string.h>

/* Written as assembly so that the baseline ARMv8.0 flags of this file need no change. */
static inline uint32_t Step8(uint32_t state, uint64_t word) {
  __asm__(".arch_extension crc\n\tcrc32cx %w0, %w0, %x1" : "+r"(state) : "r"(word));
  return state;
}

static inline uint32_t Step1(uint32_t state, uint32_t byte) {
  __asm__(".arch_extension crc\n\tcrc32cb %w0, %w0, %w1" : "+r"(state) : "r"(byte));
  return state;
}

uint32_t sv_crc32c__neon(const void* data, size_t bytes, uint32_t crc) {
  const unsigned char* p = static_cast<const unsigned char*>(data);
  uint32_t state = ~crc;
  for (; bytes >= 8; bytes -= 8, p += 8) {
    uint64_t word;
    memcpy(&word, p, 8);
    state = Step8(state, word);
  }
  for (; bytes > 0; --bytes, ++p) state = Step1(state, *p);
  return ~state;
}
#endif
