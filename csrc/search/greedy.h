// Greedy transducer search: at each frame the likeliest symbols until blank is the likeliest.
#pragma once

#include <cstdint>
#include <vector>

#include "search/transducer_scorer.h"

namespace sottovoce {

struct DecodedToken {
  int symbol = 0;
  int64_t frame = 0;      // encoder frame at which it came
  float log_prob = 0.0f;  // natural logarithm of its probability there
};

struct GreedyOptions {
  int max_symbols_per_frame = 5;
};

// Decodes one frame and appends what it found. Ties go to the lower symbol, so to blank first.
void GreedyFrame(const float* frame, int64_t frame_index, const GreedyOptions& options, TransducerScorer& scorer,
                 std::vector<DecodedToken>& tokens);

}  // namespace sottovoce
