// Conv-Transformer Transducer (Huang et al., Interspeech 2020): encoder, label predictor, joiner. Immutable; any number
// of threads, one state each.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "models/transducer_encoder.h"
#include "models/transducer_scratch.h"
#include "nn/embedding.h"

namespace sottovoce {

// A label history with scratch of its own.
struct LabelState : LabelCache {
  LabelWorkspace workspace;
};

// A label that one of several histories gets.
struct LabelRow {
  LabelCache* cache;
  int label;  // [0, vocab_size)
};

// A frame that one of several histories sees.
struct JoinRow {
  const LabelCache* cache;
  const float* projected_frame;  // (joiner_dim) from ProjectEncoded
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

  // Scratch for one call. Allocates only when more is out at this moment than ever was before, or for more streams or
  // label histories than before.
  ScratchLease BorrowScratch(int num_streams = 1, int label_rows = 1) const;

  // In place: log-mel features (num_mels) to zero mean and unit variance.
  void Normalize(float* features) const;

  // encoded: (num_frames, encoder_dim); y: (num_frames, joiner_dim), what the joiner sees of the audio.
  void ProjectEncoded(const float* encoded, int num_frames, ActivationBuffer& activations, float* y) const;
  void ReserveProjection(ActivationBuffer& activations, int num_frames) const;

  // Room for calls of up to max_rows histories.
  void ReserveLabels(LabelWorkspace& workspace, int max_rows) const;

  // Starts a label history: cache.projected after the start symbol. Allocates at the first call only.
  void StartLabels(LabelCache& cache, LabelWorkspace& workspace) const;
  void StartLabels(LabelState& state) const;

  // Appends a label to each of several histories, which share every product, and updates their `projected`: bit for bit
  // what each gets alone.
  void AppendLabels(const LabelRow* rows, int num_rows, LabelWorkspace& workspace) const;
  void AppendLabel(int label, LabelState& state) const;

  // Returns the (num_rows, vocab_size) logits of the next symbol, in `workspace`.
  const float* JoinRows(const JoinRow* rows, int num_rows, LabelWorkspace& workspace) const;
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
  mutable ScratchPool scratch_;
};

}  // namespace sottovoce
