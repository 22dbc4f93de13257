// BERT's text normalisation, in the order of Hugging Face's BertNormalizer: drop control characters, make every white
// space a blank, set CJK ideographs apart, decompose (NFD) and drop nonspacing marks, lowercase. Each result remembers
// its source.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

namespace sottovoce {

struct NormalizerOptions {
  bool lowercase = true;
  bool strip_accents = true;
  bool chinese_chars = true;  // CJK ideographs are words of their own
};

struct NormalizedCharacter {
  uint32_t point;
  int32_t source;    // index of the character of the original text that it came from
  bool punctuation;  // stands alone as a piece
};

// Appends the normal form of `text` to `out`; white space is ' '. Returns false when some bytes were not UTF-8 (they
// count as one character a sequence and are dropped). text.size() <= INT32_MAX.
bool Normalize(std::string_view text, const NormalizerOptions& options, std::vector<NormalizedCharacter>* out);

}  // namespace sottovoce
