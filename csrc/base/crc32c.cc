#include "base/crc32c.h"

#include <array>

#include "base/cpu_features.h"
#include "base/crc32c_isa.h"

#if defined(SV_ARCH_ARM64) && defined(__linux__)
#include <sys/auxv.h>
#ifndef HWCAP_CRC32
#define HWCAP_CRC32 (1 << 7)
#endif
#endif

namespace sottovoce {
namespace {

constexpr uint32_t kPolynomial = 0x82F63B78;

// tables[k][b]: the remainder of byte b followed by k zero bytes.
struct Tables {
  uint32_t values[8][256];
};

constexpr Tables MakeTables() {
  Tables tables{};
  for (uint32_t byte = 0; byte < 256; ++byte) {
    uint32_t remainder = byte;
    for (int bit = 0; bit < 8; ++bit) remainder = (remainder >> 1) ^ ((remainder & 1) != 0 ? kPolynomial : 0);
    tables.values[0][byte] = remainder;
  }
  for (int k = 1; k < 8; ++k) {
    for (uint32_t byte = 0; byte < 256; ++byte) {
      const uint32_t before = tables.values[k - 1][byte];
      tables.values[k][byte] = (before >> 8) ^ tables.values[0][before & 0xFF];
    }
  }
  return tables;
}

constexpr Tables kTables = MakeTables();

uint32_t Load32(const uint8_t* bytes) {
  return static_cast<uint32_t>(bytes[0]) | static_cast<uint32_t>(bytes[1]) << 8 |
         static_cast<uint32_t>(bytes[2]) << 16 | static_cast<uint32_t>(bytes[3]) << 24;
}

#if defined(SV_ARCH_ARM64)
// The CRC extension is optional in ARMv8.0, so the NEON tier does not imply it.
bool CpuHasCrc32() {
#if defined(__linux__)
  return (getauxval(AT_HWCAP) & HWCAP_CRC32) != 0;
#elif defined(__APPLE__)
  return true;
#else
  return false;
#endif
}
#endif

using Extend = uint32_t (*)(const void*, size_t, uint32_t);

Extend ChooseExtend() {
#if defined(SV_ARCH_X86)
  // AVX2 tiers imply SSE4.2, which has the instruction.
  if (ActiveIsa() == Isa::kAvx2 || ActiveIsa() == Isa::kAvx512Vnni) return &sv_crc32c__avx2;
#elif defined(SV_ARCH_ARM64)
  if (ActiveIsa() != Isa::kScalar && CpuHasCrc32()) return &sv_crc32c__neon;
#endif
  return &Crc32cScalar;
}

}  // namespace

uint32_t Crc32cScalar(const void* data, size_t bytes, uint32_t crc) {
  const auto& t = kTables.values;
  const uint8_t* p = static_cast<const uint8_t*>(data);
  crc = ~crc;
  for (; bytes >= 8; bytes -= 8, p += 8) {
    const uint32_t low = Load32(p) ^ crc;
    const uint32_t high = Load32(p + 4);
    crc = t[7][low & 0xFF] ^ t[6][low >> 8 & 0xFF] ^ t[5][low >> 16 & 0xFF] ^ t[4][low >> 24] ^ t[3][high & 0xFF] ^
          t[2][high >> 8 & 0xFF] ^ t[1][high >> 16 & 0xFF] ^ t[0][high >> 24];
  }
  for (; bytes > 0; --bytes, ++p) crc = (crc >> 8) ^ t[0][(crc ^ *p) & 0xFF];
  return ~crc;
}

uint32_t Crc32c(const void* data, size_t bytes, uint32_t crc) {
  static const Extend extend = ChooseExtend();
  return extend(data, bytes, crc);
}

}  // namespace sottovoce
