// Which symbol comes after which, learned from text alone: what beam search adds to the transducer's log probabilities
// (shallow fusion: Gulcehre et al., 2015).
#pragma once

#include <vector>

#include "models/label_network.h"

namespace sottovoce {

// y[v] += scale * log P(v) of every symbol v (not of blank, 0) among symbols; logits, y: (vocab_size).
void AddSymbolLogProbs(const float* logits, int vocab_size, float scale, float* y);

class LanguageModel {
 public:
  static constexpr const char* kPrefix = "language_model.";

  static Result<LanguageModel> Load(TensorReader& reader, const LanguageModelConfig& config, int vocab_size,
                                    float norm_epsilon);

  const LanguageModelConfig& config() const { return config_; }

  void Reserve(LabelWorkspace& workspace, int max_rows) const;

  // Starts an empty history. Allocates at the first call only.
  void Start(LabelCache& cache) const;

  // Appends a label to each of several histories, which share every product, and updates their `language_scores`:
  // log probabilities, 0 for blank.
  void Append(const LabelRow* rows, int num_rows, LabelWorkspace& workspace) const;

 private:
  LanguageModelConfig config_;
  int vocab_size_ = 0;
  LabelNetwork network_;
  Linear output_;
};

}  // namespace sottovoce
