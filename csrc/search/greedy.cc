#include "search/greedy.h"

#include <cmath>

namespace sottovoce {
namespace {

constexpr size_t kReservedTokens = 256;

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

GreedySearch::GreedySearch(const GreedyOptions& options) : options_(options) {
  tokens_.reserve(kReservedTokens);
  wanted_.reserve(1);
  extensions_.reserve(1);
}

void GreedySearch::Start() {
  tokens_.clear();
}

void GreedySearch::BeginFrame(int64_t frame_index) {
  frame_index_ = frame_index;
  num_symbols_ = 0;
  wanted_.assign(1, 0);
}

void GreedySearch::Round(const float* logits, const float* const* /*language_scores*/) {
  extensions_.clear();
  const int best = ArgMax(logits, options_.vocab_size);
  if (best == 0) {
    wanted_.clear();
    return;
  }
  tokens_.push_back({best, frame_index_, LogProbability(logits, options_.vocab_size, best)});
  extensions_.push_back({0, best, 0});
  if (++num_symbols_ == options_.max_symbols_per_frame) wanted_.clear();
}

}  // namespace sottovoce
