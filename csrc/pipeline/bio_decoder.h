// BIO tags of words to slots.
#pragma once

#include <string>
#include <vector>

namespace sottovoce {

// One tag of the label set: `O`, `B-name` or `I-name`.
struct BioTag {
  enum class Kind { kOutside, kBegin, kInside } kind = Kind::kOutside;
  std::string name;
};

// Anything that is not `B-...` or `I-...` is outside.
BioTag ParseBioTag(const std::string& label);

// A word of the utterance with its best tag.
struct TaggedWord {
  int start = 0;  // characters into the text
  int end = 0;
  int tag = 0;               // index into the label set
  float probability = 0.0f;  // of that tag
};

struct SlotSpan {
  std::string name;
  int start = 0;  // characters into the text
  int end = 0;
  float score = 0.0f;  // geometric mean of the tag probabilities of its words
};

// An I-tag that does not continue a slot of its name begins a new one, as seqeval reads it.
std::vector<SlotSpan> DecodeBio(const std::vector<TaggedWord>& words, const std::vector<BioTag>& tags);

}  // namespace sottovoce
