#include "nn/causal_layer.h"

#include <algorithm>
#include <cmath>
#include <cstring>

namespace sottovoce {
namespace {

void Grow(std::vector<float>& buffer, int rows, int cols) {
  const size_t size = static_cast<size_t>(rows) * static_cast<size_t>(cols);
  if (buffer.size() < size) buffer.resize(size);
}

void AddTo(const float* x, size_t count, float* y) {
  for (size_t i = 0; i < count; ++i) y[i] += x[i];
}

}  // namespace

int CausalLayer::capacity(const CausalLayerState& state) const {
  return static_cast<int>(state.keys.size() / static_cast<size_t>(config.num_kv_heads * config.head_size));
}

void CausalLayer::Start(CausalLayerState& state, int max_frames) const {
  Grow(state.keys, config.left_context + max_frames, config.num_kv_heads * config.head_size);
  Grow(state.values, config.left_context + max_frames, config.num_kv_heads * config.head_size);
  state.held = 0;
}

void CausalLayer::Reserve(CausalWorkspace& workspace, int max_frames) const {
  const int query_size = config.num_heads * config.head_size;
  const int kv_size = config.num_kv_heads * config.head_size;
  Grow(workspace.normed, max_frames, config.model_dim);
  Grow(workspace.query, max_frames, query_size);
  Grow(workspace.key, max_frames, kv_size);
  Grow(workspace.value, max_frames, kv_size);
  Grow(workspace.context, max_frames, query_size);
  Grow(workspace.hidden, max_frames, config.ffn_size);
  Grow(workspace.scores, config.num_heads, config.left_context + 1);
  Grow(workspace.relative, config.num_heads, config.left_context + 1);
  for (const Linear* product : {&query, &key, &value, &output, &up, &down}) {
    if (product->quantized()) workspace.activations.Reserve(max_frames, product->cols());
  }
}

void CausalLayer::Project(const float* x, int num_frames, CausalLayerState& state, CausalWorkspace& workspace) const {
  const size_t dim = static_cast<size_t>(config.model_dim);
  const size_t kv_size = static_cast<size_t>(config.num_kv_heads * config.head_size);
  const struct {
    const Linear* product;
    float* y;
  } products[] = {{&query, workspace.query.data()}, {&key, workspace.key.data()}, {&value, workspace.value.data()}};
  const ActivationQuantization quantization;
  if (query.quantized() && key.quantized() && value.quantized()) {
    const QuantizedRows input =
        workspace.activations.Quantize(x, num_frames, config.model_dim, dim, 0.0f, Granularity::kPerToken);
    for (const auto& p : products) p.product->ForwardQuantized(input, p.y, static_cast<size_t>(p.product->rows()));
  } else {
    for (const auto& p : products) {
      p.product->Forward(x, num_frames, dim, quantization, workspace.activations, p.y,
                         static_cast<size_t>(p.product->rows()));
    }
  }
  // A head's frames lie together, so that its keys are the rows of a product.
  const size_t size = static_cast<size_t>(config.head_size);
  const size_t head_stride = static_cast<size_t>(capacity(state)) * size;
  for (int t = 0; t < num_frames; ++t) {
    for (int h = 0; h < config.num_kv_heads; ++h) {
      const size_t from = static_cast<size_t>(t) * kv_size + static_cast<size_t>(h) * size;
      const size_t to = static_cast<size_t>(h) * head_stride + static_cast<size_t>(state.held + t) * size;
      std::copy_n(workspace.key.data() + from, size, state.keys.data() + to);
      std::copy_n(workspace.value.data() + from, size, state.values.data() + to);
    }
  }
}

void CausalLayer::Attend(const float* q, int frame, const CausalLayerState& state, CausalWorkspace& workspace,
                         float* y) const {
  const size_t size = static_cast<size_t>(config.head_size);
  const size_t head_stride = static_cast<size_t>(capacity(state)) * size;
  const int count = std::min(frame, config.left_context) + 1;
  const size_t first = static_cast<size_t>(frame + 1 - count) * size;
  const int group = config.num_heads / config.num_kv_heads;
  const size_t stride = static_cast<size_t>(count);
  float* scores = workspace.scores.data();
  float* back = workspace.relative.data();  // (num_heads, count), column d for d frames back
  GemmF32(q, config.num_heads, size, {relative, count, config.head_size}, nullptr, back, stride);
  for (int h = 0; h < config.num_kv_heads; ++h) {
    const size_t query_head = static_cast<size_t>(h * group);
    GemmF32(q + query_head * size, group, size,
            {state.keys.data() + static_cast<size_t>(h) * head_stride + first, count, config.head_size}, nullptr,
            scores + query_head * stride, stride);
  }
  const float scale = 1.0f / std::sqrt(static_cast<float>(config.head_size));
  for (int h = 0; h < config.num_heads; ++h) {
    float* row = scores + static_cast<size_t>(h) * stride;
    const float* newest_first = back + static_cast<size_t>(h) * stride;
    for (int j = 0; j < count; ++j) row[j] = (row[j] + newest_first[count - 1 - j]) * scale;
  }
  Softmax(scores, config.num_heads, count, stride);
  for (int h = 0; h < config.num_heads; ++h) {
    const float* row = scores + static_cast<size_t>(h) * stride;
    const float* value = state.values.data() + static_cast<size_t>(h / group) * head_stride + first;
    float* out = y + static_cast<size_t>(h) * size;
    std::fill_n(out, size, 0.0f);
    for (int j = 0; j < count; ++j, value += size) {
      for (size_t c = 0; c < size; ++c) out[c] += row[j] * value[c];
    }
  }
}

void CausalLayer::Forward(float* x, int num_frames, CausalLayerState& state, CausalWorkspace& workspace) const {
  if (num_frames == 0) return;
  const size_t dim = static_cast<size_t>(config.model_dim);
  const size_t query_size = static_cast<size_t>(config.num_heads * config.head_size);
  const size_t ffn = static_cast<size_t>(config.ffn_size);
  const ActivationQuantization quantization;
  float* normed = workspace.normed.data();

  LayerNorm(x, nullptr, attention_norm.weight, attention_norm.bias, config.norm_epsilon, num_frames, config.model_dim,
            normed);
  Project(normed, num_frames, state, workspace);
  for (int t = 0; t < num_frames; ++t) {
    const size_t at = static_cast<size_t>(t) * query_size;
    Attend(workspace.query.data() + at, state.held + t, state, workspace, workspace.context.data() + at);
  }
  output.Forward(workspace.context.data(), num_frames, query_size, quantization, workspace.activations, normed, dim);
  AddTo(normed, static_cast<size_t>(num_frames) * dim, x);

  LayerNorm(x, nullptr, ffn_norm.weight, ffn_norm.bias, config.norm_epsilon, num_frames, config.model_dim, normed);
  float* hidden = workspace.hidden.data();
  up.Forward(normed, num_frames, dim, quantization, workspace.activations, hidden, ffn);
  Relu(hidden, static_cast<size_t>(num_frames) * ffn, hidden);
  down.Forward(hidden, num_frames, ffn, quantization, workspace.activations, normed, dim);
  AddTo(normed, static_cast<size_t>(num_frames) * dim, x);

  // Only what the next frame can see stays.
  const int seen = state.held + num_frames;
  const int keep = std::min(seen, config.left_context);
  const size_t size = static_cast<size_t>(config.head_size);
  const size_t head_stride = static_cast<size_t>(capacity(state)) * size;
  if (seen > keep) {
    const size_t from = static_cast<size_t>(seen - keep) * size;
    for (int h = 0; h < config.num_kv_heads; ++h) {
      float* keys = state.keys.data() + static_cast<size_t>(h) * head_stride;
      float* values = state.values.data() + static_cast<size_t>(h) * head_stride;
      std::memmove(keys, keys + from, static_cast<size_t>(keep) * size * sizeof(float));
      std::memmove(values, values + from, static_cast<size_t>(keep) * size * sizeof(float));
    }
  }
  state.held = keep;
}

}  // namespace sottovoce
