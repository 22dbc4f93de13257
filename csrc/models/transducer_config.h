// The shape of a Conv-Transformer Transducer, from its artifact's metadata (docs/artifact_format.md), with caps so that
// a hostile file cannot ask for absurd sizes.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "artifact/artifact.h"
#include "nn/causal_layer.h"
#include "nn/streaming_conv.h"

namespace sottovoce {

struct EncoderBlockConfig {
  std::vector<ConvConfig> convs;
  std::vector<CausalLayerConfig> layers;
  int model_dim = 0;
  int cycle =
      0;  // frames after which the sinusoids added to the last convolution's output begin again; 0: there are none
};

struct PredictorConfig {
  int embedding_dim = 0;
  int model_dim = 0;
  std::vector<CausalLayerConfig> layers;
};

struct LanguageModelConfig {
  PredictorConfig network;
  float scale = 0.0f;     // of its log probabilities, beside the transducer's
  float internal = 0.0f;  // share of what the predictor knows of language that is taken off them
  float bonus = 0.0f;     // added for each symbol: without one, sums of log probabilities favour few symbols
};

struct TransducerConfig {
  int num_mels = 0;
  std::vector<EncoderBlockConfig> blocks;
  PredictorConfig predictor;
  std::optional<LanguageModelConfig> language_model;
  int joiner_dim = 0;
  int vocab_size = 0;
  float norm_epsilon = 1e-5f;
  int stride = 1;      // feature frames an encoder frame
  int look_ahead = 0;  // feature frames right of stride t that encoder frame t depends on

  int encoder_dim() const { return blocks.back().model_dim; }

  static Result<TransducerConfig> Read(const Artifact& artifact);
};

// `conv2d:kernel_time,kernel_freq,stride_time,stride_freq,channels,activation` or
// `conv1d:kernel_time,stride_time,channels,activation`, 0 none, 1 ReLU, 2 GELU; kernel_freq 0 marks a conv1d. Channels
// and bins of the input are left to the caller.
Result<ConvConfig> ParseConv(const std::string& text);

}  // namespace sottovoce
