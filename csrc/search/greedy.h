// Greedy transducer search: at each frame the likeliest symbols until blank is the likeliest.
#pragma once

#include "search/frame_search.h"

namespace sottovoce {

struct GreedyOptions {
  int vocab_size = 0;
  int max_symbols_per_frame = 5;
};

// Ties go to the lower symbol, so to blank first.
class GreedySearch final : public FrameSearch {
 public:
  explicit GreedySearch(const GreedyOptions& options);

  // Forgets all labels.
  void Start();

  int num_slots() const override { return 1; }
  int num_lasting_slots() const override { return 1; }
  void BeginFrame(int64_t frame_index) override;
  void Round(const float* logits, const float* const* language_scores = nullptr) override;

  const std::vector<DecodedToken>& tokens() const { return tokens_; }

 private:
  GreedyOptions options_;
  std::vector<DecodedToken> tokens_;
  int64_t frame_index_ = 0;
  int num_symbols_ = 0;  // of this frame
};

}  // namespace sottovoce
