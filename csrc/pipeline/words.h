// Sentencepiece symbols to words with times and confidences.
#pragma once

#include <string>
#include <vector>

#include "search/greedy.h"

namespace sottovoce {

struct RecognizedWord {
  std::string text;
  double start_seconds = 0.0;
  double end_seconds = 0.0;
  float confidence = 0.0f;  // geometric mean of its symbols' probabilities
};

// A piece that starts with U+2581 starts a word; byte pieces "<0xE2>" are bytes of UTF-8, ill-formed ones U+FFFD each;
// "<unk>" is a word U+2047. Symbols out of `pieces` are left out. frame_seconds: duration of an encoder frame.
std::vector<RecognizedWord> TokensToWords(const std::vector<DecodedToken>& tokens,
                                          const std::vector<std::string>& pieces, double frame_seconds);

// The words with single spaces between them.
std::string JoinWords(const std::vector<RecognizedWord>& words);

}  // namespace sottovoce
