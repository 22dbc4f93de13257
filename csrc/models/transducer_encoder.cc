#include "models/transducer_encoder.h"

#include <algorithm>
#include <cmath>
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
  if (config.position == PositionKind::kLearnedRelative) {
    const int size = config.window() * config.head_size;
    SV_ASSIGN_OR_RETURN(layer.relative, LoadVector(reader, prefix + "attention.relative", size));
    return layer;
  }
  // The distances that a layer sees are known now, so their projections are computed once.
  SV_ASSIGN_OR_RETURN(const Linear projection, LoadLinear(reader, prefix + "attention.position", query_size,
                                                          config.model_dim, /*has_bias=*/false));
  layer.ProjectPositions(projection);
  SV_ASSIGN_OR_RETURN(layer.content_bias, LoadVector(reader, prefix + "attention.content_bias", query_size));
  SV_ASSIGN_OR_RETURN(layer.position_bias, LoadVector(reader, prefix + "attention.position_bias", query_size));
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
    block.cycle = from.cycle;
    const int half = from.cycle > 0 ? from.model_dim / 2 : 0;
    for (int i = 0; i < half; ++i) block.frequencies.push_back(std::pow(10000.0, -i / (half - 1.0)));
    for (size_t l = 0; l < from.layers.size(); ++l) {
      SV_ASSIGN_OR_RETURN(CausalLayer layer,
                          LoadCausalLayer(reader, prefix + "layer." + std::to_string(l) + ".", from.layers[l]));
      block.layers.push_back(std::move(layer));
    }
  }
  SV_ASSIGN_OR_RETURN(encoder.norm_, LoadNorm(reader, "encoder.norm", config.encoder_dim()));
  encoder.norm_epsilon_ = config.norm_epsilon;
  encoder.dim_ = config.encoder_dim();
  encoder.num_mels_ = config.num_mels;
  encoder.max_frames_ = kChunkOutputs * config.stride;
  return encoder;
}

// Adds sines, then cosines of the frames' places in the block's cycle (Whisper's positions, which end after a cycle).
void TransducerEncoder::AddPositions(const Block& block, int num_frames, int* position, float* x) {
  const size_t half = block.frequencies.size();
  for (int t = 0; t < num_frames; ++t, x += 2 * half) {
    for (size_t i = 0; i < half; ++i) {
      const double angle = *position * block.frequencies[i];
      x[i] += static_cast<float>(std::sin(angle));
      x[half + i] += static_cast<float>(std::cos(angle));
    }
    *position = *position + 1 == block.cycle ? 0 : *position + 1;
  }
}

int TransducerEncoder::MaxOutputs(int num_frames, int num_streams) const {
  for (const Block& block : blocks_) {
    for (const StreamingConv& conv : block.convs) num_frames = conv.config().MaxOutputs(num_frames, num_streams);
  }
  return num_frames;
}

size_t TransducerEncoder::CacheBytes() const {
  EncoderCache cache;
  Start(cache);
  return cache.bytes();
}

void TransducerEncoder::Start(EncoderCache& cache) const {
  size_t num_convs = 0, num_layers = 0;
  for (const Block& block : blocks_) {
    num_convs += block.convs.size();
    num_layers += block.layers.size();
  }
  cache.positions.assign(blocks_.size(), 0);
  cache.convs.resize(num_convs);
  cache.layers.resize(num_layers);
  ConvState* conv_state = cache.convs.data();
  CausalLayerState* layer_state = cache.layers.data();
  for (const Block& block : blocks_) {
    for (const StreamingConv& conv : block.convs) conv.Start(*conv_state++);
    for (const CausalLayer& layer : block.layers) layer.Start(*layer_state++);
  }
}

void TransducerEncoder::Reserve(EncoderWorkspace& workspace, int num_frames, int num_streams) const {
  size_t widest = static_cast<size_t>(num_frames) * static_cast<size_t>(num_mels_);
  for (const Block& block : blocks_) {
    for (const StreamingConv& conv : block.convs) {
      conv.Reserve(workspace.conv, workspace.activations, num_frames, num_streams);
      num_frames = conv.config().MaxOutputs(num_frames, num_streams);
      widest = std::max(widest, static_cast<size_t>(num_frames) * conv.config().out_size());
    }
    for (const CausalLayer& layer : block.layers) layer.Reserve(workspace, num_frames);
  }
  if (workspace.even.size() < widest) {
    workspace.even.resize(widest);
    workspace.odd.resize(widest);
  }
  if (workspace.conv_rows.size() < static_cast<size_t>(num_streams)) {
    workspace.conv_rows.resize(static_cast<size_t>(num_streams));
    workspace.layer_rows.resize(static_cast<size_t>(num_streams));
  }
}

void TransducerEncoder::Start(EncoderState& state) const {
  Start(state.cache);
  Reserve(state.workspace, max_frames_, 1);
}

int TransducerEncoder::Forward(const float* features, int num_frames, EncoderState& state, float* encoded) const {
  EncoderRows stream{&state.cache, features, num_frames, 0};
  return ForwardBatch(&stream, 1, state.workspace, encoded);
}

int TransducerEncoder::ForwardBatch(EncoderRows* streams, int num_streams, EncoderWorkspace& workspace,
                                    float* encoded) const {
  float* x = workspace.even.data();
  float* y = workspace.odd.data();
  ConvRows* conv_rows = workspace.conv_rows.data();
  LayerRows* layer_rows = workspace.layer_rows.data();
  int frames = 0;
  const size_t mels = static_cast<size_t>(num_mels_);
  for (int s = 0; s < num_streams; ++s) {
    streams[s].num_encoded = 0;
    conv_rows[s].num_frames = streams[s].num_frames;
    std::copy_n(streams[s].features, static_cast<size_t>(streams[s].num_frames) * mels,
                x + static_cast<size_t>(frames) * mels);
    frames += streams[s].num_frames;
  }
  bool flat = false;  // whether a conv1d has been reached
  int channels = 1, freq = num_mels_;
  size_t conv_index = 0, layer_index = 0;
  for (size_t b = 0; b < blocks_.size(); ++b) {
    const Block& block = blocks_[b];
    for (const StreamingConv& conv : block.convs) {
      if (conv.config().kernel_freq == 0 && !flat) {
        flat = true;
        if (channels > 1 && freq > 1) {
          ChannelMajor(x, frames, freq, channels, y);
          std::swap(x, y);
        }
      }
      for (int s = 0; s < num_streams; ++s) conv_rows[s].state = &streams[s].cache->convs[conv_index];
      ++conv_index;
      frames = conv.Forward(x, conv_rows, num_streams, workspace.conv, workspace.activations, y);
      if (frames == 0) return 0;
      channels = conv.config().out_channels;
      freq = conv.config().out_freq();
      std::swap(x, y);
    }
    if (block.cycle > 0) {
      float* rows = x;
      for (int s = 0; s < num_streams; ++s) {
        AddPositions(block, conv_rows[s].num_frames, &streams[s].cache->positions[b], rows);
        rows += static_cast<size_t>(conv_rows[s].num_frames) * 2 * block.frequencies.size();
      }
    }
    for (const CausalLayer& layer : block.layers) {
      for (int s = 0; s < num_streams; ++s) {
        layer_rows[s] = {&streams[s].cache->layers[layer_index], conv_rows[s].num_frames};
      }
      ++layer_index;
      frames = layer.ForwardBatch(x, layer_rows, num_streams, workspace);
      if (frames == 0) return 0;
      for (int s = 0; s < num_streams; ++s) conv_rows[s].num_frames = layer_rows[s].num_complete;
    }
  }
  for (int s = 0; s < num_streams; ++s) streams[s].num_encoded = conv_rows[s].num_frames;
  LayerNorm(x, nullptr, norm_.weight, norm_.bias, norm_epsilon_, frames, dim_, encoded);
  return frames;
}

}  // namespace sottovoce
