#include "models/bert_encoder.h"

#include <algorithm>
#include <cmath>
#include <string>

#include "models/load_layers.h"

namespace sottovoce {

void BertEncoder::Embed(const int32_t* ids, int tokens, BertWorkspace& workspace) const {
  const size_t hidden = static_cast<size_t>(config_.hidden_size);
  float* states = workspace.hidden.data();
  std::fill_n(states, static_cast<size_t>(tokens) * hidden, 0.0f);
  for (int t = 0; t < tokens; ++t) {
    float* row = states + static_cast<size_t>(t) * hidden;
    word_.Add(ids[t], row);
    position_.Add(t, row);
    token_type_.Add(0, row);
  }
  LayerNorm(states, nullptr, embedding_norm_.weight, embedding_norm_.bias, config_.layer_norm_epsilon, tokens,
            config_.hidden_size, states);
}

void BertEncoder::Attend(const BertLayer& layer, int tokens, BertWorkspace& workspace) const {
  const BertConfig& c = config_;
  const size_t hidden = static_cast<size_t>(c.hidden_size);
  const size_t qkv = static_cast<size_t>(c.qkv_size);
  const size_t stride = 3 * qkv;
  float* states = workspace.hidden.data();
  float* q = workspace.qkv.data();
  const Linear* products[] = {&layer.query, &layer.key, &layer.value};
  if (layer.query.quantized() && layer.key.quantized() && layer.value.quantized()) {
    const QuantizedRows input = workspace.activations.Quantize(states, tokens, c.hidden_size, hidden, c.activation.clip,
                                                               c.activation.granularity);
    for (size_t i = 0; i < 3; ++i) products[i]->ForwardQuantized(input, q + i * qkv, stride);
  } else {
    for (size_t i = 0; i < 3; ++i) {
      products[i]->Forward(states, tokens, hidden, c.activation, workspace.activations, q + i * qkv, stride);
    }
  }
  const float scale = 1.0f / std::sqrt(static_cast<float>(c.head_size));
  Attention(q, q + qkv, q + 2 * qkv, stride, tokens, c.num_heads, c.head_size, scale, workspace.context.data(), qkv,
            workspace.attention.data());
  float* projected = workspace.projected.data();
  layer.output.Forward(workspace.context.data(), tokens, qkv, c.activation, workspace.activations, projected, hidden);
  LayerNorm(projected, states, layer.attention_norm.weight, layer.attention_norm.bias, c.layer_norm_epsilon, tokens,
            c.hidden_size, states);
}

void BertEncoder::FeedForward(const BertLayer& layer, int tokens, BertWorkspace& workspace) const {
  const BertConfig& c = config_;
  const size_t hidden = static_cast<size_t>(c.hidden_size);
  const size_t ffn = static_cast<size_t>(c.ffn_size);
  float* states = workspace.hidden.data();
  float* inner = workspace.ffn.data();
  layer.up.Forward(states, tokens, hidden, c.activation, workspace.activations, inner, ffn);
  const size_t inner_size = static_cast<size_t>(tokens) * ffn;
  if (c.hidden_activation == HiddenActivation::kGelu) {
    Gelu(inner, inner_size, inner);
  } else {
    Relu(inner, inner_size, inner);
  }
  float* projected = workspace.projected.data();
  layer.down.Forward(inner, tokens, ffn, c.activation, workspace.activations, projected, hidden);
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
  grow(workspace.attention, AttentionScratch(tokens, c.head_size));
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
  pooler_.Forward(workspace.hidden.data(), 1, hidden, config_.activation, workspace.activations, pooled, hidden);
  Tanh(pooled, hidden, pooled);
  if (config_.pooler_activation == PoolerActivation::kTanhRelu) Relu(pooled, hidden, pooled);
  return pooled;
}

Result<BertEncoder> BertEncoder::Load(const BertConfig& config, const SubNetwork& part, TensorReader& reader) {
  BertEncoder encoder;
  encoder.config_ = config;
  const int hidden = config.hidden_size;
  SV_ASSIGN_OR_RETURN(encoder.word_, LoadEmbedding(reader, "embeddings.word", config.vocab_size, hidden));
  SV_ASSIGN_OR_RETURN(encoder.position_, LoadEmbedding(reader, "embeddings.position", config.max_positions, hidden));
  SV_ASSIGN_OR_RETURN(encoder.token_type_,
                      LoadEmbedding(reader, "embeddings.token_type", config.type_vocab_size, hidden));
  const auto load_norm = [&](const std::string& name, LayerNormWeights* norm) -> Status {
    SV_ASSIGN_OR_RETURN(norm->weight, LoadVector(reader, name + ".weight", hidden));
    SV_ASSIGN_OR_RETURN(norm->bias, LoadVector(reader, name + ".bias", hidden));
    return Status();
  };
  SV_RETURN_IF_ERROR(load_norm("embeddings.norm", &encoder.embedding_norm_));
  encoder.layers_.resize(static_cast<size_t>(config.num_layers));
  for (int n = 0; n < config.num_layers; ++n) {
    BertLayer& layer = encoder.layers_[static_cast<size_t>(n)];
    const std::string prefix = "layer." + std::to_string(n) + ".";
    const struct {
      const char* name;
      Linear* linear;
      int rows, cols;
    } products[] = {{"attention.query", &layer.query, config.qkv_size, hidden},
                    {"attention.key", &layer.key, config.qkv_size, hidden},
                    {"attention.value", &layer.value, config.qkv_size, hidden},
                    {"attention.output", &layer.output, hidden, config.qkv_size},
                    {"ffn.up", &layer.up, config.ffn_size, hidden},
                    {"ffn.down", &layer.down, hidden, config.ffn_size}};
    for (const auto& product : products) {
      SV_ASSIGN_OR_RETURN(*product.linear, LoadLinear(reader, prefix + product.name, product.rows, product.cols));
    }
    SV_RETURN_IF_ERROR(load_norm(prefix + "attention.norm", &layer.attention_norm));
    SV_RETURN_IF_ERROR(load_norm(prefix + "ffn.norm", &layer.ffn_norm));
  }
  if (config.pooler_activation != PoolerActivation::kNone) {
    SV_ASSIGN_OR_RETURN(encoder.pooler_, LoadLinear(reader, "pooler", hidden, hidden));
  }
  SV_RETURN_IF_ERROR(encoder.Narrow(part));
  return encoder;
}

}  // namespace sottovoce
