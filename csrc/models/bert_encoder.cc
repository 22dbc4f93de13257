#include "models/bert_encoder.h"

#include <algorithm>

namespace sottovoce {

void BertEncoder::Embed(const int32_t* ids, int tokens, BertWorkspace& workspace) const {
  const size_t hidden = static_cast<size_t>(config_.hidden_size);
  float* states = workspace.hidden.data();
  std::fill_n(states, static_cast<size_t>(tokens) * hidden, 0.0f);
  for (int t = 0; t < tokens; ++t) {
    float* row = states + static_cast<size_t>(t) * hidden;
    word_.Add(ids[t], row);
    if (position_.rows() > 0) position_.Add(t, row);
    token_type_.Add(0, row);
  }
  LayerNorm(states, nullptr, embedding_norm_.weight, embedding_norm_.bias, config_.layer_norm_epsilon, tokens,
            config_.hidden_size, states);
}

void BertEncoder::FeedForward(const BertLayer& layer, int tokens, BertWorkspace& workspace) const {
  const BertConfig& c = config_;
  const size_t hidden = static_cast<size_t>(c.hidden_size);
  const size_t ffn = static_cast<size_t>(c.ffn_size);
  float* states = workspace.hidden.data();
  float* inner = workspace.ffn.data();
  layer.up.Forward(states, tokens, hidden, workspace.activations, workspace.second, inner, ffn);
  const size_t inner_size = static_cast<size_t>(tokens) * ffn;
  if (c.hidden_activation == HiddenActivation::kGelu) {
    Gelu(inner, inner_size, inner);
  } else {
    Relu(inner, inner_size, inner);
  }
  float* projected = workspace.projected.data();
  layer.down.Forward(inner, tokens, ffn, workspace.activations, workspace.second, projected, hidden);
  if (!layer.ffn_ghost.empty()) layer.ffn_ghost.Apply(projected, tokens, workspace.neighbour);
  LayerNorm(projected, states, layer.ffn_norm.weight, layer.ffn_norm.bias, c.layer_norm_epsilon, tokens, c.hidden_size,
            states);
}

void BertEncoder::Forward(const int32_t* ids, int tokens, BertWorkspace& workspace) const {
  const BertConfig& c = config_;
  const size_t rows = static_cast<size_t>(tokens);
  const auto grow = [](std::vector<float>& buffer, size_t size) {
    if (buffer.size() < size) buffer.resize(size);
  };
  grow(workspace.hidden, rows * static_cast<size_t>(c.hidden_size));
  grow(workspace.qkv, rows * 3 * static_cast<size_t>(c.qkv_size));
  grow(workspace.context, rows * static_cast<size_t>(c.qkv_size));
  grow(workspace.projected, rows * static_cast<size_t>(c.hidden_size));
  grow(workspace.ffn, rows * static_cast<size_t>(c.ffn_size));
  grow(workspace.attention, c.quantize_operands ? QuantizedAttentionScratch(tokens)
                                                : AttentionScratch(tokens, c.head_size, c.max_relative_position));
  Embed(ids, tokens, workspace);
  for (const BertLayer& layer : layers_) {
    Attend(layer, tokens, workspace);
    FeedForward(layer, tokens, workspace);
  }
}

const float* BertEncoder::Pool(BertWorkspace& workspace) const {
  if (config_.pooler_activation == PoolerActivation::kNone) return workspace.hidden.data();
  const size_t hidden = static_cast<size_t>(config_.hidden_size);
  if (workspace.pooled.size() < hidden) workspace.pooled.resize(hidden);
  float* pooled = workspace.pooled.data();
  pooler_.Forward(workspace.hidden.data(), 1, hidden, workspace.activations, workspace.second, pooled, hidden);
  Tanh(pooled, hidden, pooled);
  if (config_.pooler_activation == PoolerActivation::kTanhRelu) Relu(pooled, hidden, pooled);
  return pooled;
}

}  // namespace sottovoce
