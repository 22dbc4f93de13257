#include "base/crc32c.h"

#include <doctest/doctest.h>

#include <cstring>
#include <vector>

namespace sottovoce {
namespace {

// One bit at a time, straight from the polynomial.
uint32_t BitByBit(const uint8_t* data, size_t bytes) {
  uint32_t crc = ~uint32_t{0};
  for (size_t i = 0; i < bytes; ++i) {
    crc ^= data[i];
    for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ ((crc & 1) != 0 ? 0x82F63B78u : 0u);
  }
  return ~crc;
}

TEST_CASE("CRC32C of the vectors in RFC 3720, B.4") {
  std::vector<uint8_t> data(32, 0);
  CHECK(Crc32c(data.data(), 32) == 0x8A9136AAu);
  data.assign(32, 0xFF);
  CHECK(Crc32c(data.data(), 32) == 0x62A8AB43u);
  for (size_t i = 0; i < 32; ++i) data[i] = static_cast<uint8_t>(i);
  CHECK(Crc32c(data.data(), 32) == 0x46DD794Eu);
  CHECK(Crc32c("123456789", 9) == 0xE3069283u);
  CHECK(Crc32c(nullptr, 0) == 0u);
}

TEST_CASE("CRC32C by tables and by instruction agree at every length and start") {
  std::vector<uint8_t> data(400);
  for (size_t i = 0; i < data.size(); ++i) data[i] = static_cast<uint8_t>(i * 131 + (i >> 3));
  for (size_t start = 0; start < 9; ++start) {
    for (size_t bytes = 0; bytes <= 300; ++bytes) {
      const uint32_t wanted = BitByBit(data.data() + start, bytes);
      REQUIRE(Crc32cScalar(data.data() + start, bytes) == wanted);
      REQUIRE(Crc32c(data.data() + start, bytes) == wanted);
    }
  }
}

TEST_CASE("CRC32C continues where it stopped") {
  const char* text = "in a quiet voice, in a quiet voice";
  const size_t bytes = std::strlen(text);
  const uint32_t whole = Crc32c(text, bytes);
  for (size_t split = 0; split <= bytes; ++split) {
    CHECK(Crc32c(text + split, bytes - split, Crc32c(text, split)) == whole);
    CHECK(Crc32cScalar(text + split, bytes - split, Crc32cScalar(text, split)) == whole);
  }
}

}  // namespace
}  // namespace sottovoce
