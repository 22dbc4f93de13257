#include "models/transducer_encoder.h"

#include <algorithm>
#include <string>

#include "models/load_layers.h"

namespace sottovoce {
namespace {

// Encoder frames computed together when more than enough samples are there: wider products, no other effect.
constexpr int kChunkOutputs = 16;

// (frames, freq, channels) -> (frames, channels, freq), the order in which a conv1d reads the outputs of a conv2d.
void ChannelMajor(const float* x, int frames, int freq, int channels, float* y) {
  const size_t size = static_cast<size_t>(freq) * static_cast<size_t>(channels);
  for (int t = 0; t < frames; ++t, x += size, y += size) {
    for (int c = 0; c < channels; ++c) {
      for (int f = 0; f < freq; ++f) y[c * freq + f] = x[f * channels + c];
    }
  }
}

}  // namespace

Result<NormWeights> LoadNorm(TensorReader& reader, const std::string& stem, int size) {
  NormWeights norm;
  SV_ASSIGN_OR_RETURN(norm.weight, LoadVector(reader, stem + ".weight", size));
  SV_ASSIGN_OR_RETURN(norm.bias, LoadVector(reader, stem + ".bias", size));
  return norm;
}

Result<CausalLayer> LoadCausalLayer(TensorReader& reader, const std::string& prefix, const CausalLayerConfig& config) {
  CausalLayer layer;
  layer.config = config;
  const int query_size = config.num_heads * config.head_size;
  const int kv_size = config.num_kv_heads * config.head_size;
  const struct {
    const char* name;
    Linear* linear;
    int rows, cols;
  } products[] = {{"attention.query", &layer.query, query_size, config.model_dim},
                  {"attention.key", &layer.key, kv_size, config.model_dim},
                  {"attention.value", &layer.value, kv_size, config.model_dim},
                  {"attention.output", &layer.output, config.model_dim, query_size},
                  {"ffn.up", &layer.up, config.ffn_size, config.model_dim},
                  {"ffn.down", &layer.down, config.model_dim, config.ffn_size}};
  for (const auto& product : products) {
    SV_ASSIGN_OR_RETURN(*product.linear, LoadLinear(reader, prefix + product.name, product.rows, product.cols));
  }
  SV_ASSIGN_OR_RETURN(layer.attention_norm, LoadNorm(reader, prefix + "attention.norm", config.model_dim));
  SV_ASSIGN_OR_RETURN(layer.ffn_norm, LoadNorm(reader, prefix + "ffn.norm", config.model_dim));
  SV_ASSIGN_OR_RETURN(layer.relative,
                      LoadVector(reader, prefix + "attention.relative", (config.left_context + 1) * config.head_size));
  return layer;
}

Result<TransducerEncoder> TransducerEncoder::Load(const TransducerConfig& config, TensorReader& reader) {
  TransducerEncoder encoder;
  for (size_t b = 0; b < config.blocks.size(); ++b) {
    const std::string prefix = "encoder." + std::to_string(b) + ".";
    const EncoderBlockConfig& from = config.blocks[b];
    Block& block = encoder.blocks_.emplace_back();
    for (size_t c = 0; c < from.convs.size(); ++c) {
      const ConvConfig& conv = from.convs[c];
      SV_ASSIGN_OR_RETURN(Linear product, LoadLinear(reader, prefix + "conv." + std::to_string(c), conv.out_channels,
                                                     conv.window_size()));
      block.convs.emplace_back(conv, std::move(product));
    }
    for (size_t l = 0; l < from.layers.size(); ++l) {
      SV_ASSIGN_OR_RETURN(CausalLayer layer,
                          LoadCausalLayer(reader, prefix + "layer." + std::to_string(l) + ".", from.layers[l]));
      block.layers.push_back(std::move(layer));
    }
  }
  SV_ASSIGN_OR_RETURN(encoder.norm_, LoadNorm(reader, "encoder.norm", config.encoder_dim()));
  encoder.norm_epsilon_ = config.norm_epsilon;
  encoder.dim_ = config.encoder_dim();
  encoder.max_frames_ = kChunkOutputs * config.stride;
  int frames = encoder.max_frames_;
  for (const Block& block : encoder.blocks_) {
    for (const StreamingConv& conv : block.convs) frames = conv.config().MaxOutputs(frames);
  }
  encoder.max_outputs_ = frames;
  return encoder;
}

void TransducerEncoder::Start(EncoderState& state) const {
  size_t num_convs = 0, num_layers = 0;
  for (const Block& block : blocks_) {
    num_convs += block.convs.size();
    num_layers += block.layers.size();
  }
  state.convs.resize(num_convs);
  state.layers.resize(num_layers);
  int frames = max_frames_;
  size_t widest = 0, scratch = 0;
  ConvState* conv_state = state.convs.data();
  CausalLayerState* layer_state = state.layers.data();
  for (const Block& block : blocks_) {
    for (const StreamingConv& conv : block.convs) {
      conv.Start(*conv_state++, frames);
      conv.Reserve(state.workspace.activations, frames);
      frames = conv.config().MaxOutputs(frames);
      widest = std::max(widest, static_cast<size_t>(frames) * conv.config().out_size());
      scratch = std::max(scratch, conv.ScratchSize());
    }
    for (const CausalLayer& layer : block.layers) {
      layer.Start(*layer_state++, frames);
      layer.Reserve(state.workspace, frames);
    }
  }
  state.even.resize(widest);
  state.odd.resize(widest);
  state.scratch.resize(scratch);
}

int TransducerEncoder::Forward(const float* features, int num_frames, EncoderState& state, float* encoded) const {
  const float* x = features;
  float* y = state.even.data();
  float* other = state.odd.data();
  int frames = num_frames;
  bool flat = false;  // whether a conv1d has been reached
  int channels = 1, freq = blocks_[0].convs[0].config().in_freq;
  ConvState* conv_state = state.convs.data();
  CausalLayerState* layer_state = state.layers.data();
  for (const Block& block : blocks_) {
    for (const StreamingConv& conv : block.convs) {
      if (conv.config().kernel_freq == 0 && !flat) {
        flat = true;
        if (channels > 1 && freq > 1) {
          ChannelMajor(x, frames, freq, channels, y);
          x = y;
          std::swap(y, other);
        }
      }
      frames = conv.Forward(x, frames, *conv_state++, state.workspace.activations, state.scratch.data(), y);
      if (frames == 0) return 0;
      channels = conv.config().out_channels;
      freq = conv.config().out_freq();
      x = y;
      std::swap(y, other);
    }
    // x is the buffer written last, which `other` names after the swap.
    for (const CausalLayer& layer : block.layers) layer.Forward(other, frames, *layer_state++, state.workspace);
  }
  LayerNorm(x, nullptr, norm_.weight, norm_.bias, norm_epsilon_, frames, dim_, encoded);
  return frames;
}

}  // namespace sottovoce
