#include "text/utf8.h"

#include <algorithm>

namespace sottovoce {
namespace {

constexpr Utf8Character Bad(uint32_t length) {
  return {unicode::kReplacement, length, false};
}

// The position after `count` more characters from `cursor`.
const char* Advance(const char* cursor, const char* end, int64_t count) {
  for (; count > 0 && cursor < end; --count) {
    cursor += static_cast<signed char>(*cursor) >= 0 ? 1 : DecodeUtf8(cursor, end).length;
  }
  return cursor;
}

}  // namespace

Utf8Character DecodeUtf8(const char* cursor, const char* end) {
  const auto* bytes = reinterpret_cast<const unsigned char*>(cursor);
  const auto available = static_cast<size_t>(end - cursor);
  const uint32_t lead = bytes[0];
  if (lead < 0x80) return {lead, 1, true};
  if (lead < 0xC2 || lead > 0xF4) return Bad(1);  // a stray continuation, an overlong lead, or beyond U+10FFFF
  const uint32_t length = lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
  // The second byte's range (the Unicode Standard, table 3-7) excludes overlong forms and what lies beyond U+10FFFF.
  // After ED it would exclude surrogates too; those are recognised below.
  const uint32_t low = lead == 0xE0 ? 0xA0 : lead == 0xF0 ? 0x90 : 0x80;
  const uint32_t high = lead == 0xF4 ? 0x8F : 0xBF;
  if (available < 2 || bytes[1] < low || bytes[1] > high) return Bad(1);
  uint32_t point = (lead & (0x7Fu >> length)) << 6 | (bytes[1] & 63);
  for (uint32_t i = 2; i < length; ++i) {
    if (available <= i || (bytes[i] & 0xC0) != 0x80) return Bad(lead == 0xED && bytes[1] >= 0xA0 ? 1 : i);
    point = point << 6 | (bytes[i] & 63);
  }
  if (point >= 0xD800 && point < 0xE000) return Bad(3);
  return {point, length, true};
}

bool IsValidUtf8(std::string_view text) {
  const char* cursor = text.data();
  const char* end = cursor + text.size();
  while (cursor < end) {
    if (static_cast<signed char>(*cursor) >= 0) {
      ++cursor;
      continue;
    }
    const Utf8Character character = DecodeUtf8(cursor, end);
    if (!character.well_formed) return false;
    cursor += character.length;
  }
  return true;
}

int64_t CountCharacters(std::string_view text) {
  const char* cursor = text.data();
  const char* end = cursor + text.size();
  int64_t count = 0;
  for (; cursor < end; ++count) cursor += static_cast<signed char>(*cursor) >= 0 ? 1 : DecodeUtf8(cursor, end).length;
  return count;
}

std::string_view SliceCharacters(std::string_view text, int64_t start, int64_t end) {
  start = std::max<int64_t>(start, 0);
  if (end <= start) return {};
  const char* stop = text.data() + text.size();
  const char* first = Advance(text.data(), stop, start);
  const char* last = Advance(first, stop, end - start);
  return {first, static_cast<size_t>(last - first)};
}

}  // namespace sottovoce
