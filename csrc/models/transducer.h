// Conv-Transformer Transducer (Huang et al., Interspeech 2020): encoder, label predictor, joiner. Immutable; any number
// of threads, one state each.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "models/transducer_encoder.h"
#include "nn/embedding.h"

namespace sottovoce {

// What the predictor remembers of the labels so far, and scratch of predictor and joiner.
struct LabelState {
  std::vector<CausalLayerState> layers;
  std::vector<float> embedding;  // (embedding_dim)
  std::vector<float> hidden;     // (model_dim)
  std::vector<float> projected;  // (joiner_dim), what the joiner sees of the labels
  std::vector<float> joined;     // (joiner_dim)
  std::vector<float> logits;     // (vocab_size)
  CausalWorkspace workspace;
};

class Transducer {
 public:
  static constexpr const char* kArchitecture = "conv-transformer-transducer";
  static constexpr int kBlank = 0;  // also the start symbol

  // Refuses any other architecture, and a file with missing, unused or wrongly shaped tensors.
  static Result<std::unique_ptr<const Transducer>> Load(std::shared_ptr<const Artifact> artifact);

  const Artifact& artifact() const { return *artifact_; }
  const TransducerConfig& config() const { return config_; }
  const TransducerEncoder& encoder() const { return encoder_; }
  const std::vector<std::string>& pieces() const { return pieces_; }

  // In place: log-mel features (num_mels) to zero mean and unit variance.
  void Normalize(float* features) const;

  // encoded: (num_frames, encoder_dim); y: (num_frames, joiner_dim), what the joiner sees of the audio.
  void ProjectEncoded(const float* encoded, int num_frames, ActivationBuffer& activations, float* y) const;
  void ReserveProjection(ActivationBuffer& activations, int num_frames) const;

  // Starts a label history: state.projected after the start symbol. Allocates at the first call only.
  void StartLabels(LabelState& state) const;

  // Appends a label in [0, vocab_size) and updates state.projected.
  void AppendLabel(int label, LabelState& state) const;

  // projected_frame: (joiner_dim) from ProjectEncoded. Returns the (vocab_size) logits of the next symbol, in `state`.
  const float* Join(const float* projected_frame, LabelState& state) const;

 private:
  Transducer() = default;

  std::shared_ptr<const Artifact> artifact_;  // every view below points into it
  TransducerConfig config_;
  TransducerEncoder encoder_;
  std::vector<std::string> pieces_;
  const float* mean_ = nullptr;         // (num_mels)
  const float* inverse_std_ = nullptr;  // (num_mels)
  Embedding embedding_;
  Linear input_;
  std::vector<CausalLayer> predictor_layers_;
  NormWeights predictor_norm_;
  Linear joiner_encoder_, joiner_predictor_, joiner_output_;
};

}  // namespace sottovoce
