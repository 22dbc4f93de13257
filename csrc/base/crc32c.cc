#include "base/crc32c.h"

#include <array>
#include <cstring>

namespace sottovoce {
namespace {

constexpr uint32_t kPolynomial = 0x82F63B78;  // reflected

using Tables = std::array<std::array<uint32_t, 256>, 8>;

// Table k advances a byte by k more bytes, so that eight bytes go in one step ("slicing by 8").
constexpr Tables MakeTables() {
  Tables tables = {};
  for (uint32_t byte = 0; byte < 256; ++byte) {
    uint32_t crc = byte;
    for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ ((crc & 1) != 0 ? kPolynomial : 0);
    tables[0][byte] = crc;
  }
  for (size_t k = 1; k < 8; ++k) {
    for (size_t byte = 0; byte < 256; ++byte) {
      const uint32_t previous = tables[k - 1][byte];
      tables[k][byte] = (previous >> 8) ^ tables[0][previous & 255];
    }
  }
  return tables;
}

constexpr Tables kTables = MakeTables();

}  // namespace

uint32_t Crc32c(const void* data, size_t bytes) {
  const uint8_t* cursor = static_cast<const uint8_t*>(data);
  uint32_t crc = ~uint32_t{0};
  for (; bytes >= 8; bytes -= 8, cursor += 8) {
    uint32_t low, high;
    std::memcpy(&low, cursor, 4);
    std::memcpy(&high, cursor + 4, 4);
    low ^= crc;
    crc = kTables[7][low & 255] ^ kTables[6][(low >> 8) & 255] ^ kTables[5][(low >> 16) & 255] ^ kTables[4][low >> 24] ^
          kTables[3][high & 255] ^ kTables[2][(high >> 8) & 255] ^ kTables[1][(high >> 16) & 255] ^
          kTables[0][high >> 24];
  }
  for (; bytes > 0; --bytes, ++cursor) crc = (crc >> 8) ^ kTables[0][(crc ^ *cursor) & 255];
  return ~crc;
}

}  // namespace sottovoce
