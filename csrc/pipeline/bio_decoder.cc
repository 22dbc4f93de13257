#include "pipeline/bio_decoder.h"

#include <algorithm>
#include <cmath>

namespace sottovoce {

BioTag ParseBioTag(const std::string& label) {
  if (label.size() > 2 && label[1] == '-' && (label[0] == 'B' || label[0] == 'I')) {
    return {label[0] == 'B' ? BioTag::Kind::kBegin : BioTag::Kind::kInside, label.substr(2)};
  }
  return {};
}

std::vector<SlotSpan> DecodeBio(const std::vector<TaggedWord>& words, const std::vector<BioTag>& tags) {
  std::vector<SlotSpan> slots;
  double log_sum = 0.0;
  int num_words = 0;
  bool open = false;
  const auto close = [&] {
    if (open) slots.back().score = static_cast<float>(std::exp(log_sum / num_words));
    open = false;
  };
  for (const TaggedWord& word : words) {
    const BioTag& tag = tags[static_cast<size_t>(word.tag)];
    if (tag.kind == BioTag::Kind::kOutside) {
      close();
      continue;
    }
    const double log_probability = std::log(std::max(word.probability, 1e-30f));
    if (open && tag.kind == BioTag::Kind::kInside && slots.back().name == tag.name) {
      slots.back().end = word.end;
      log_sum += log_probability;
      ++num_words;
      continue;
    }
    close();
    slots.push_back({tag.name, word.start, word.end, 0.0f});
    log_sum = log_probability;
    num_words = 1;
    open = true;
  }
  close();
  return slots;
}

}  // namespace sottovoce
