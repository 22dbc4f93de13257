// UTF-8 in and out. Bad bytes never fail: they become U+FFFD, one for each maximal ill-formed sequence.
#pragma once

#include <cstdint>
#include <string_view>

#include "text/unicode_tables.h"

namespace sottovoce {

struct Utf8Character {
  uint32_t point;   // U+FFFD for an ill-formed sequence
  uint32_t length;  // bytes taken, at least 1
  bool well_formed;
};

// The character that starts at `cursor` < `end`. An encoded lone surrogate (ED A0..BF xx) is one ill-formed sequence of
// three bytes, so that characters count as in the Python string it came from.
Utf8Character DecodeUtf8(const char* cursor, const char* end);

// Writes 1 to 4 bytes and returns how many; point < 0x110000.
inline int EncodeUtf8(uint32_t point, char* out) {
  if (point < 0x80) {
    out[0] = static_cast<char>(point);
    return 1;
  }
  if (point < 0x800) {
    out[0] = static_cast<char>(0xC0 | point >> 6);
    out[1] = static_cast<char>(0x80 | (point & 63));
    return 2;
  }
  if (point < 0x10000) {
    out[0] = static_cast<char>(0xE0 | point >> 12);
    out[1] = static_cast<char>(0x80 | (point >> 6 & 63));
    out[2] = static_cast<char>(0x80 | (point & 63));
    return 3;
  }
  out[0] = static_cast<char>(0xF0 | point >> 18);
  out[1] = static_cast<char>(0x80 | (point >> 12 & 63));
  out[2] = static_cast<char>(0x80 | (point >> 6 & 63));
  out[3] = static_cast<char>(0x80 | (point & 63));
  return 4;
}

bool IsValidUtf8(std::string_view text);

// How many characters DecodeUtf8 finds.
int64_t CountCharacters(std::string_view text);

// The bytes of characters [start, end) of `text`, clamped to it; empty when start >= end.
std::string_view SliceCharacters(std::string_view text, int64_t start, int64_t end);

}  // namespace sottovoce
