// Self-attention of a BERT layer: the fused kernel, or one operand after the other when they are quantized.
#include <algorithm>
#include <cmath>

#include "models/bert_encoder.h"

namespace sottovoce {

void BertEncoder::Project(const BertLayer& layer, int tokens, BertWorkspace& workspace) const {
  const size_t hidden = static_cast<size_t>(config_.hidden_size), qkv = static_cast<size_t>(config_.qkv_size);
  const size_t stride = 3 * qkv;
  const float* states = workspace.hidden.data();
  float* q = workspace.qkv.data();
  const Product* products[] = {&layer.query, &layer.key, &layer.value};
  if (layer.query.SharesInput(layer.key) && layer.query.SharesInput(layer.value)) {
    const QuantizedRows input = layer.query.Quantize(states, tokens, hidden, workspace.activations);
    for (size_t i = 0; i < 3; ++i) products[i]->ForwardQuantized(input, q + i * qkv, stride);
  } else {
    for (size_t i = 0; i < 3; ++i) {
      products[i]->Forward(states, tokens, hidden, workspace.activations, workspace.second, q + i * qkv, stride);
    }
  }
}

void BertEncoder::Attend(const BertLayer& layer, int tokens, BertWorkspace& workspace) const {
  const BertConfig& c = config_;
  const size_t hidden = static_cast<size_t>(c.hidden_size), qkv = static_cast<size_t>(c.qkv_size);
  float* states = workspace.hidden.data();
  Project(layer, tokens, workspace);
  if (c.quantize_operands) {
    AttendQuantized(layer, tokens, workspace);
  } else {
    const float* q = workspace.qkv.data();
    const float scale = 1.0f / std::sqrt(static_cast<float>(c.head_size));
    const RelativePositions relative = {relative_.empty() ? nullptr : relative_.data(), c.max_relative_position};
    Attention(q, q + qkv, q + 2 * qkv, 3 * qkv, tokens, c.num_heads, c.head_size, scale, relative,
              workspace.context.data(), qkv, workspace.attention.data());
  }
  float* projected = workspace.projected.data();
  layer.output.Forward(workspace.context.data(), tokens, qkv, workspace.activations, workspace.second, projected,
                       hidden);
  if (!layer.attention_ghost.empty()) layer.attention_ghost.Apply(projected, tokens, workspace.neighbour);
  LayerNorm(projected, states, layer.attention_norm.weight, layer.attention_norm.bias, c.layer_norm_epsilon, tokens,
            c.hidden_size, states);
}

// Weights of all heads, one head's keys or transposed values, and its products with the relative positions.
size_t BertEncoder::QuantizedAttentionScratch(int tokens) const {
  const size_t count = static_cast<size_t>(tokens);
  return static_cast<size_t>(config_.num_heads) * count * count + count * static_cast<size_t>(config_.head_size) +
         count * (relative_.size() / static_cast<size_t>(config_.head_size));
}

// The weights of all heads share a scale, so they must all be there before the first value is weighed.
void BertEncoder::AttendQuantized(const BertLayer& layer, int tokens, BertWorkspace& workspace) const {
  const BertConfig& c = config_;
  const size_t count = static_cast<size_t>(tokens), size = static_cast<size_t>(c.head_size);
  const size_t qkv = static_cast<size_t>(c.qkv_size), stride = 3 * qkv, heads = static_cast<size_t>(c.num_heads);
  float* q = workspace.qkv.data();
  for (size_t i = 0; i < 3; ++i) {
    const QuantizedRows codes =
        workspace.activations.Quantize(q + i * qkv, tokens, c.qkv_size, stride, layer.operands[i]);
    DequantizeRows(codes, q + i * qkv, stride);
  }
  const float* k = q + qkv;
  const float* v = q + 2 * qkv;
  float* weights = workspace.attention.data();       // (heads, tokens, tokens)
  float* operand = weights + heads * count * count;  // (tokens, head_size) or (head_size, tokens)
  float* by_distance = operand + count * size;       // (tokens, distances)
  const int most = c.max_relative_position, distances = static_cast<int>(relative_.size() / size);
  const auto distance = [most](size_t i, size_t j) {
    return static_cast<size_t>(std::clamp(static_cast<int>(j) - static_cast<int>(i), -most, most) + most);
  };
  const float scale = 1.0f / std::sqrt(static_cast<float>(c.head_size));
  for (size_t h = 0; h < heads; ++h) {
    float* scores = weights + h * count * count;
    for (size_t j = 0; j < count; ++j) std::copy_n(k + j * stride + h * size, size, operand + j * size);
    GemmF32(q + h * size, tokens, stride, {operand, tokens, c.head_size}, nullptr, scores, count);
    if (distances > 0) {
      GemmF32(q + h * size, tokens, stride, {relative_.data(), distances, c.head_size}, nullptr, by_distance,
              static_cast<size_t>(distances));
      for (size_t i = 0; i < count; ++i) {
        for (size_t j = 0; j < count; ++j) {
          scores[i * count + j] += by_distance[i * static_cast<size_t>(distances) + distance(i, j)];
        }
      }
    }
    for (size_t i = 0; i < count * count; ++i) scores[i] *= scale;
    Softmax(scores, tokens, tokens, count);
  }
  const int rows = c.num_heads * tokens;
  DequantizeRows(workspace.activations.Quantize(weights, rows, tokens, count, layer.operands[3]), weights, count);
  for (size_t h = 0; h < heads; ++h) {
    const float* head = weights + h * count * count;
    float* context = workspace.context.data() + h * size;
    for (size_t j = 0; j < count; ++j) {
      for (size_t d = 0; d < size; ++d) operand[d * count + j] = v[j * stride + h * size + d];
    }
    GemmF32(head, tokens, count, {operand, c.head_size, tokens}, nullptr, context, qkv);
    for (size_t i = 0; distances > 0 && i < count; ++i) {
      for (size_t j = 0; j < count; ++j) {
        const float* row = relative_.data() + distance(i, j) * size;
        for (size_t d = 0; d < size; ++d) context[i * qkv + d] += head[i * count + j] * row[d];
      }
    }
  }
}

}  // namespace sottovoce
