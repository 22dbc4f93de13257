/* CRC32C by CPU instruction: the entry points of the per-ISA files. C headers only. */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* Same contract as sottovoce::Crc32c; the caller has checked the CPU. */
uint32_t sv_crc32c__avx2(const void* data, size_t bytes, uint32_t crc);
uint32_t sv_crc32c__neon(const void* data, size_t bytes, uint32_t crc);
