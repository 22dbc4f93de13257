// Unicode properties that the tokenizer needs, in about 34 KB of tables written by tools/make_unicode_tables.py.
#pragma once

#include <cstdint>

namespace sottovoce::unicode {

constexpr uint32_t kReplacement = 0xFFFD;
constexpr uint32_t kCodePointEnd = 0x110000;

// Bits of Properties::flags. They follow Hugging Face `tokenizers`, not one Unicode version: see the generator.
enum : uint8_t {
  kRemoved = 1,      // NUL, U+FFFD and categories Cc, Cf, Co but for tab, newline, carriage return
  kWhitespace = 2,   // White_Space and tab, newline, carriage return
  kPunctuation = 4,  // categories P* and every ASCII symbol
  kMark = 8,         // category Mn
  kDecomposes = 16,  // has an entry in kDecompositionKeys (Hangul syllables have none: they are computed)
};

struct Properties {
  int32_t lowercase_delta;  // lowercase = code point + delta; U+0130 alone becomes two, see kDottedCapitalI
  uint8_t combining_class;
  uint8_t flags;
};

// Latin capital I with dot above: "i" and U+0307 in lowercase.
constexpr uint32_t kDottedCapitalI = 0x130;
constexpr uint32_t kCombiningDotAbove = 0x307;

// Three stages: 6 bits of a code point select in a leaf, 6 in a node, the rest in the roots.
extern const uint8_t kRoots[];
extern const uint16_t kNodes[];
extern const uint8_t kLeaves[];
extern const Properties kProperties[];

// Sorted keys, code point << 13 | start in kDecompositionUnits (UTF-16); a decomposition ends where the next key's
// starts.
extern const int kNumDecompositions;
extern const uint32_t kDecompositionKeys[];
extern const uint16_t kDecompositionUnits[];

// point < kCodePointEnd.
inline const Properties& PropertiesOf(uint32_t point) {
  const uint32_t node = kNodes[(uint32_t{kRoots[point >> 12]} << 6) | ((point >> 6) & 63)];
  return kProperties[kLeaves[(node << 6) | (point & 63)]];
}

inline bool IsHangulSyllable(uint32_t point) {
  return point - 0xAC00 < 11172;
}

// Han ideographs as BERT lists them (its fifth range starts at U+2B920, as in the original's slip).
inline bool IsCjk(uint32_t point) {
  if (point < 0x3400) return false;
  return (point >= 0x4E00 && point <= 0x9FFF) || point <= 0x4DBF || (point >= 0xF900 && point <= 0xFAFF) ||
         (point >= 0x20000 && point <= 0x2A6DF) || (point >= 0x2A700 && point <= 0x2B81F) ||
         (point >= 0x2B920 && point <= 0x2CEAF) || (point >= 0x2F800 && point <= 0x2FA1F);
}

// Full canonical decomposition of a code point that has kDecomposes or is a Hangul syllable.
constexpr int kMaxDecomposition = 8;
int Decompose(uint32_t point, uint32_t out[kMaxDecomposition]);

}  // namespace sottovoce::unicode
