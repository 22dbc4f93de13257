// Conv-Transformer Transducer (Huang et al., Interspeech 2020): encoder, label predictor, joiner. Immutable; any number
// of threads, one state each.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "models/label_network.h"
#include "models/language_model.h"
#include "models/transducer_encoder.h"
#include "models/transducer_scratch.h"

namespace sottovoce {

// A label history with scratch of its own.
struct LabelState : LabelCache {
  LabelWorkspace workspace;
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
  // Null when the file has none.
  const LanguageModel* language_model() const { return language_model_ ? &*language_model_ : nullptr; }
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

  // Starts a label history: cache.projected after the start symbol. Allocates at the first call only. The language
  // model, if there is one, takes part where `with_language_model` says so.
  void StartLabels(LabelCache& cache, LabelWorkspace& workspace, bool with_language_model = false) const;
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

  void ScoreByLanguage(const LabelRow* rows, int num_rows, LabelWorkspace& workspace) const;

  std::shared_ptr<const Artifact> artifact_;  // every view below points into it
  TransducerConfig config_;
  TransducerEncoder encoder_;
  std::vector<std::string> pieces_;
  const float* mean_ = nullptr;         // (num_mels)
  const float* inverse_std_ = nullptr;  // (num_mels)
  LabelNetwork predictor_;
  Linear joiner_encoder_, joiner_predictor_, joiner_output_;
  std::optional<LanguageModel> language_model_;
  std::vector<float> no_audio_;  // (joiner_dim), what the joiner sees of an encoder that says nothing
  mutable ScratchPool scratch_;
};

}  // namespace sottovoce
