#include "text/utf8.h"

#include <doctest/doctest.h>

#include <ios>
#include <string>
#include <vector>

namespace sottovoce {
namespace {

std::vector<uint32_t> DecodeAll(std::string_view text) {
  std::vector<uint32_t> points;
  for (size_t i = 0; i < text.size();) {
    const Utf8Character character = DecodeUtf8(text.data() + i, text.data() + text.size());
    points.push_back(character.point);
    i += character.length;
  }
  return points;
}

TEST_CASE("every code point survives encoding and decoding") {
  for (uint32_t point = 0; point < unicode::kCodePointEnd; ++point) {
    char bytes[4];
    const int length = EncodeUtf8(point, bytes);
    const Utf8Character character = DecodeUtf8(bytes, bytes + length);
    const bool surrogate = point >= 0xD800 && point < 0xE000;
    if (character.point == (surrogate ? unicode::kReplacement : point) && character.well_formed == !surrogate &&
        character.length == static_cast<uint32_t>(length)) {
      continue;
    }
    FAIL("U+" << std::hex << point);
  }
}

TEST_CASE("ill-formed bytes become one U+FFFD for each maximal sequence") {
  const std::vector<uint32_t> one = {0xFFFD}, two = {0xFFFD, 0xFFFD}, then_a = {0xFFFD, 'a'};
  CHECK(DecodeAll("\x80") == one);
  CHECK(DecodeAll("\xC3") == one);
  CHECK(DecodeAll("\xC3\x61") == then_a);
  CHECK(DecodeAll("\xE6\x9D\x61") == then_a);        // two bytes of three
  CHECK(DecodeAll("\xF0\x9F\x98") == one);           // three of four
  CHECK(DecodeAll("\xC0\xAF") == two);               // overlong
  CHECK(DecodeAll("\xE0\x80").size() == 2);          // overlong
  CHECK(DecodeAll("\xF0\x8F\xBF\xBF").size() == 4);  // overlong
  CHECK(DecodeAll("\xF4\x90\x80\x80").size() == 4);  // beyond U+10FFFF
  CHECK(DecodeAll("\xF5\x61") == then_a);
  CHECK(DecodeAll("\xFF\xFE") == two);
  CHECK(DecodeAll("\xED\xA0\x80\x61") == then_a);  // a lone surrogate counts as in Python
  CHECK(DecodeAll("\xED\xBF\xBF") == one);
  CHECK(DecodeAll("\xED\xA0") == two);  // but not a piece of one
  CHECK(DecodeAll("\xED\x9F\xBF") == std::vector<uint32_t>{0xD7FF});
}

TEST_CASE("validity, counting and slicing agree with decoding") {
  const std::string text = "a\xC3\xA9\xE6\x9D\xB1\xF0\x9F\x98\x80z";  // a, e acute, U+6771, U+1F600, z
  CHECK(IsValidUtf8(text));
  CHECK_FALSE(IsValidUtf8(text + "\xFF"));
  CHECK(IsValidUtf8(""));
  CHECK(CountCharacters(text) == 5);
  CHECK(CountCharacters("\xED\xA0\x80\xFF!") == 3);
  CHECK(SliceCharacters(text, 0, 5) == text);
  CHECK(SliceCharacters(text, 1, 2) == "\xC3\xA9");
  CHECK(SliceCharacters(text, 2, 4) == "\xE6\x9D\xB1\xF0\x9F\x98\x80");
  CHECK(SliceCharacters(text, 4, 100) == "z");
  CHECK(SliceCharacters(text, -3, 1) == "a");
  CHECK(SliceCharacters(text, 5, 6).empty());
  CHECK(SliceCharacters(text, 3, 3).empty());
  CHECK(SliceCharacters(text, 3, 2).empty());
}

}  // namespace
}  // namespace sottovoce
