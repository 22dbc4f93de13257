// The joint intent and slot model: a BERT encoder with a sentence head and a token head.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "models/bert_encoder.h"

namespace sottovoce {

struct IntentSlotWorkspace {
  BertWorkspace encoder;
  std::vector<float> intent;  // (intents), softmax probabilities after Forward
  std::vector<float> slot;    // (tokens, slot labels), softmax probabilities after Forward
};

class IntentSlotModel {
 public:
  static constexpr const char* kArchitecture = "bert-intent-slot";

  // Refuses any other architecture, and a file with missing, unused or wrongly shaped tensors.
  static Result<std::unique_ptr<const IntentSlotModel>> Load(std::shared_ptr<const Artifact> artifact,
                                                             const SubNetwork& part = {});

  // ids: (tokens) with [CLS] first, tokens in [1, max_positions].
  void Forward(const int32_t* ids, int tokens, IntentSlotWorkspace& workspace) const;

  const Artifact& artifact() const { return *artifact_; }
  const BertEncoder& encoder() const { return encoder_; }
  const std::vector<std::string>& intent_labels() const { return intent_labels_; }
  const std::vector<std::string>& slot_labels() const { return slot_labels_; }
  float out_of_scope_threshold() const { return out_of_scope_threshold_; }
  const char* vocabulary() const { return vocabulary_; }  // pieces joined by newlines, not terminated
  size_t vocabulary_bytes() const { return vocabulary_bytes_; }

 private:
  IntentSlotModel() = default;

  std::shared_ptr<const Artifact> artifact_;  // every view below points into it
  BertEncoder encoder_;
  Linear intent_, slot_;
  std::vector<std::string> intent_labels_, slot_labels_;
  float inverse_temperature_ = 1.0f;
  float out_of_scope_threshold_ = 0.0f;
  const char* vocabulary_ = nullptr;
  size_t vocabulary_bytes_ = 0;
};

}  // namespace sottovoce
