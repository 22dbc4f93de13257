#include "models/language_model.h"

#include <algorithm>
#include <cmath>

#include "models/load_layers.h"

namespace sottovoce {

Result<LanguageModel> LanguageModel::Load(TensorReader& reader, const LanguageModelConfig& config, int vocab_size,
                                          float norm_epsilon) {
  LanguageModel model;
  model.config_ = config;
  model.vocab_size_ = vocab_size;
  SV_ASSIGN_OR_RETURN(model.network_, LabelNetwork::Load(reader, kPrefix, config.network, vocab_size, norm_epsilon));
  SV_ASSIGN_OR_RETURN(model.output_,
                      LoadLinear(reader, std::string(kPrefix) + "output", vocab_size, config.network.model_dim));
  return model;
}

void AddSymbolLogProbs(const float* logits, int vocab_size, float scale, float* y) {
  const float high = *std::max_element(logits + 1, logits + vocab_size);
  float sum = 0.0f;
  for (int v = 1; v < vocab_size; ++v) sum += std::exp(logits[v] - high);
  const float total = high + std::log(sum);
  for (int v = 1; v < vocab_size; ++v) y[v] += scale * (logits[v] - total);
}

void LanguageModel::Reserve(LabelWorkspace& workspace, int max_rows) const {
  network_.Reserve(workspace, max_rows);
  workspace.Grow(workspace.logits, max_rows, vocab_size_);
}

void LanguageModel::Start(LabelCache& cache) const {
  network_.Start(cache.language_layers);
  cache.language_scores.resize(static_cast<size_t>(vocab_size_));
}

void LanguageModel::Append(const LabelRow* rows, int num_rows, LabelWorkspace& workspace) const {
  for (int r = 0; r < num_rows; ++r) {
    workspace.network_rows[static_cast<size_t>(r)] = {&rows[r].cache->language_layers, rows[r].label};
  }
  const float* hidden = network_.Append(workspace.network_rows.data(), num_rows, workspace);
  const size_t vocab_size = static_cast<size_t>(vocab_size_);
  output_.Forward(hidden, num_rows, static_cast<size_t>(network_.dim()), {}, workspace.activations,
                  workspace.logits.data(), vocab_size);
  for (int r = 0; r < num_rows; ++r) {
    float* y = rows[r].cache->language_scores.data();
    std::fill_n(y, vocab_size, 0.0f);
    AddSymbolLogProbs(workspace.logits.data() + static_cast<size_t>(r) * vocab_size, vocab_size_, 1.0f, y);
  }
}

}  // namespace sottovoce
