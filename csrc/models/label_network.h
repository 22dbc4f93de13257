// What labels came so far: embedding, projection, Transformer layers with limited context, norm. A transducer's
// predictor is one, and a language model has another.
#pragma once

#include <string>
#include <vector>

#include "models/transducer_config.h"
#include "models/transducer_scratch.h"
#include "nn/embedding.h"

namespace sottovoce {

class LabelNetwork {
 public:
  // Tensors `prefix`embedding, `prefix`input, `prefix`layer.N. and `prefix`norm.
  static Result<LabelNetwork> Load(TensorReader& reader, const std::string& prefix, const PredictorConfig& config,
                                   int vocab_size, float norm_epsilon);

  int dim() const { return config_.model_dim; }

  // Room for calls of up to max_rows histories.
  void Reserve(LabelWorkspace& workspace, int max_rows) const;

  // Starts an empty history. Allocates at the first call only.
  void Start(std::vector<CausalLayerState>& layers) const;

  // Appends a label to each history; returns (num_rows, dim) in `workspace`, bit for bit what each gets alone.
  const float* Append(const NetworkRow* rows, int num_rows, LabelWorkspace& workspace) const;

 private:
  PredictorConfig config_;
  float norm_epsilon_ = 1e-5f;
  Embedding embedding_;
  Linear input_;
  std::vector<CausalLayer> layers_;
  NormWeights norm_;
};

}  // namespace sottovoce
