#include "search/greedy.h"

#include <cmath>

namespace sottovoce {
namespace {

int ArgMax(const float* x, int count) {
  int best = 0;
  for (int i = 1; i < count; ++i) {
    if (x[i] > x[best]) best = i;
  }
  return best;
}

// log softmax(x)[best], where x[best] is the largest.
float LogProbability(const float* x, int count, int best) {
  float sum = 0.0f;
  for (int i = 0; i < count; ++i) sum += std::exp(x[i] - x[best]);
  return -std::log(sum);
}

}  // namespace

void GreedyFrame(const float* frame, int64_t frame_index, const GreedyOptions& options, TransducerScorer& scorer,
                 std::vector<DecodedToken>& tokens) {
  for (int n = 0; n < options.max_symbols_per_frame; ++n) {
    const float* logits = scorer.Logits(frame);
    const int best = ArgMax(logits, scorer.vocab_size());
    if (best == 0) return;
    tokens.push_back({best, frame_index, LogProbability(logits, scorer.vocab_size(), best)});
    scorer.Append(best);
  }
}

}  // namespace sottovoce
