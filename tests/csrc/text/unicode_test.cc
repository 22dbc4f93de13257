#include <doctest/doctest.h>

#include <ios>
#include <string>
#include <vector>

#include "text/normalizer.h"
#include "text/unicode_tables.h"
#include "text/utf8.h"

namespace sottovoce {
namespace {

using unicode::PropertiesOf;

std::vector<uint32_t> Decomposed(uint32_t point) {
  uint32_t out[unicode::kMaxDecomposition];
  return {out, out + unicode::Decompose(point, out)};
}

struct Normal {
  std::string text;
  std::vector<int32_t> sources;
};

Normal NormalForm(std::string_view text, NormalizerOptions options) {
  std::vector<NormalizedCharacter> characters;
  Normalize(text, options, &characters);
  Normal normal;
  for (const NormalizedCharacter& character : characters) {
    char bytes[4];
    normal.text.append(bytes, EncodeUtf8(character.point, bytes));
    normal.sources.push_back(character.source);
  }
  return normal;
}

constexpr NormalizerOptions kUncased{true, true, true};
constexpr NormalizerOptions kCased{false, false, true};
constexpr NormalizerOptions kLowercaseOnly{true, false, true};

TEST_CASE("properties of chosen characters") {
  CHECK(PropertiesOf('\t').flags == unicode::kWhitespace);
  CHECK(PropertiesOf(0).flags == unicode::kRemoved);
  CHECK(PropertiesOf(0x7F).flags == unicode::kRemoved);
  CHECK(PropertiesOf(0x85).flags == unicode::kRemoved);  // NEL is Cc before it is white space
  CHECK(PropertiesOf(0xA0).flags == unicode::kWhitespace);
  CHECK(PropertiesOf(0xAD).flags == unicode::kRemoved);    // soft hyphen, Cf
  CHECK(PropertiesOf(0x200D).flags == unicode::kRemoved);  // zero-width joiner, Cf
  CHECK(PropertiesOf(0x3000).flags == unicode::kWhitespace);
  CHECK(PropertiesOf(0xE000).flags == unicode::kRemoved);  // private use
  CHECK(PropertiesOf(0x10FFFD).flags == unicode::kRemoved);
  CHECK(PropertiesOf(0x10FFFF).flags == 0);  // not a character, but not Cc, Cf or Co
  CHECK(PropertiesOf('$').flags == unicode::kPunctuation);
  CHECK(PropertiesOf(0x20AC).flags == 0);  // the euro sign is a symbol, not punctuation
  CHECK(PropertiesOf(0x3002).flags == unicode::kPunctuation);
  CHECK(PropertiesOf(0x301).flags == unicode::kMark);
  CHECK(PropertiesOf(0x301).combining_class == 230);
  CHECK(PropertiesOf(0x323).combining_class == 220);
  CHECK(PropertiesOf(0x3A3).lowercase_delta == 0x20);
  CHECK(PropertiesOf(0x10D50).lowercase_delta == 0x20);  // Garay, younger than the other tables
}

TEST_CASE("decomposition") {
  CHECK(Decomposed('a') == std::vector<uint32_t>{'a'});
  CHECK(Decomposed(0xE9) == std::vector<uint32_t>{'e', 0x301});
  CHECK(Decomposed(0x1EA5) == std::vector<uint32_t>{'a', 0x302, 0x301});
  CHECK(Decomposed(0xAC00) == std::vector<uint32_t>{0x1100, 0x1161});
  CHECK(Decomposed(0xD7A3) == std::vector<uint32_t>{0x1112, 0x1175, 0x11C2});
  CHECK(Decomposed(0x1D15E) == std::vector<uint32_t>{0x1D157, 0x1D165});
  CHECK(Decomposed(0x2FA1D) == std::vector<uint32_t>{0x2A600});
}

TEST_CASE("decomposition of all code points fits and its flag is right") {
  for (uint32_t point = 0; point < unicode::kCodePointEnd; ++point) {
    const auto parts = Decomposed(point);
    const bool flagged = (PropertiesOf(point).flags & unicode::kDecomposes) || unicode::IsHangulSyllable(point);
    const bool decomposed = parts.size() > 1 || parts[0] != point;
    bool again = false;  // a full decomposition has nothing left to decompose
    for (uint32_t part : parts) again |= decomposed && (PropertiesOf(part).flags & unicode::kDecomposes);
    if (decomposed == flagged && !again && parts.size() <= 4) continue;
    FAIL("U+" << std::hex << point);
  }
}

TEST_CASE("normal forms and their sources") {
  CHECK(NormalForm("A\u00C9", kUncased).text == "ae");
  CHECK(NormalForm("A\u00C9", kCased).text == "A\u00C9");
  CHECK(NormalForm("A\u00C9", kLowercaseOnly).text == "a\u00E9");
  CHECK(NormalForm("\u0130", kUncased).text == "i");
  const Normal dotted = NormalForm("\u0130x", kLowercaseOnly);
  CHECK(dotted.text == "i\u0307x");
  CHECK(dotted.sources == std::vector<int32_t>{0, 0, 1});
  CHECK(NormalForm("\u039F\u03A3", kUncased).text == "\u03BF\u03C3");  // no final sigma, as in Hugging Face
  CHECK(NormalForm("a\x01\u200Bb\tc\u3000d", kUncased).text == "ab c d");
  const Normal cjk = NormalForm("x\u6771y", kUncased);
  CHECK(cjk.text == "x \u6771 y");
  CHECK(cjk.sources == std::vector<int32_t>{0, 1, 1, 1, 2});
  CHECK(NormalForm("x\u6771y", {true, true, false}).text == "x\u6771y");
  const Normal hangul = NormalForm("\uAC01", kUncased);
  CHECK(hangul.text == "\u1100\u1161\u11A8");
  CHECK(hangul.sources == std::vector<int32_t>{0, 0, 0});
}

TEST_CASE("marks are put in canonical order and sources handed out by position") {
  // U+302E (class 224, not stripped) comes after U+1D165 (class 216, the second part of U+1D15E).
  const Normal normal = NormalForm("x\u302E\U0001D165y", kUncased);
  CHECK(normal.text == "x\U0001D165\u302Ey");
  CHECK(normal.sources == std::vector<int32_t>{0, 1, 2, 3});
}

TEST_CASE("ill-formed bytes are dropped and reported") {
  std::vector<NormalizedCharacter> characters;
  CHECK_FALSE(Normalize("a\xFF\xED\xA0\x80z", kUncased, &characters));
  REQUIRE(characters.size() == 2);
  CHECK(characters[1].point == 'z');
  CHECK(characters[1].source == 3);
  characters.clear();
  CHECK(Normalize("a\uFFFD", kUncased, &characters));  // a real U+FFFD is dropped but well formed
  CHECK(characters.size() == 1);
}

}  // namespace
}  // namespace sottovoce
