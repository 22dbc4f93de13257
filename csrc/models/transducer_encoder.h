// The streaming encoder of a Conv-Transformer Transducer: blocks of convolutions and causal Transformer layers.
#pragma once

#include <vector>

#include "artifact/tensor_reader.h"
#include "models/transducer_config.h"

namespace sottovoce {

// What one stream remembers between calls, and its scratch.
struct EncoderState {
  std::vector<ConvState> convs;
  std::vector<CausalLayerState> layers;
  std::vector<float> even, odd;  // activations between layers, (frames, the widest layer)
  std::vector<float> scratch;    // rows gathered by a conv2d
  CausalWorkspace workspace;
};

// Immutable; any number of threads, one state each.
class TransducerEncoder {
 public:
  // Takes the tensors `encoder.*` from the reader.
  static Result<TransducerEncoder> Load(const TransducerConfig& config, TensorReader& reader);

  // The most feature frames a call of Forward takes, and the most encoder frames it gives.
  int max_frames() const { return max_frames_; }
  int max_outputs() const { return max_outputs_; }

  // Makes the state ready for a new stream; allocates at the first call only.
  void Start(EncoderState& state) const;

  // features: (num_frames, num_mels), normalised, num_frames <= max_frames(). encoded: (max_outputs(), encoder_dim).
  // Returns how many encoder frames they completed: the same frames, bit for bit, however the features are cut.
  int Forward(const float* features, int num_frames, EncoderState& state, float* encoded) const;

 private:
  struct Block {
    std::vector<StreamingConv> convs;
    std::vector<CausalLayer> layers;
  };

  std::vector<Block> blocks_;
  NormWeights norm_;
  float norm_epsilon_ = 1e-5f;
  int dim_ = 0;
  int max_frames_ = 0;
  int max_outputs_ = 0;
};

// One Transformer layer's tensors under `prefix` ("encoder.0.layer.1.").
Result<CausalLayer> LoadCausalLayer(TensorReader& reader, const std::string& prefix, const CausalLayerConfig& config);
Result<NormWeights> LoadNorm(TensorReader& reader, const std::string& stem, int size);

}  // namespace sottovoce
