#include "nn/causal_layer.h"

#include <algorithm>
#include <cmath>

namespace sottovoce {
namespace {

void Grow(std::vector<float>& buffer, int rows, int cols) {
  const size_t size = static_cast<size_t>(rows) * static_cast<size_t>(cols);
  if (buffer.size() < size) buffer.resize(size);
}

void AddTo(const float* x, size_t count, float* y) {
  for (size_t i = 0; i < count; ++i) y[i] += x[i];
}

// The part of a ring from slot `first` that holds `count` frames lies in two pieces, the second from slot 0.
int PieceBeforeTheEnd(int first, int count, int capacity) {
  return std::min(count, capacity - first);
}

}  // namespace

void CausalLayer::ProjectPositions(const Linear& projection) {
  const int count = config.window();
  const int half = config.model_dim / 2;
  const size_t dim = static_cast<size_t>(config.model_dim);
  std::vector<float> sinusoids(static_cast<size_t>(count) * dim);
  for (int d = 0; d < count; ++d) {
    float* row = sinusoids.data() + static_cast<size_t>(d) * dim;
    for (int i = 0; i < half; ++i) {
      const double angle = d / std::pow(10000.0, 2.0 * i / config.model_dim);
      row[i] = static_cast<float>(std::sin(angle));
      row[half + i] = static_cast<float>(std::cos(angle));
    }
  }
  const size_t width = static_cast<size_t>(config.num_heads * config.head_size);
  std::vector<float> projected(static_cast<size_t>(count) * width);
  ActivationBuffer activations;
  projection.Forward(sinusoids.data(), count, dim, {}, activations, projected.data(), width);
  const size_t size = static_cast<size_t>(config.head_size);
  positions.resize(projected.size());
  float* to = positions.data();
  for (int h = 0; h < config.num_heads; ++h) {
    const float* from = projected.data() + static_cast<size_t>(h) * size;
    for (int d = 0; d < count; ++d, from += width) to = std::copy_n(from, size, to);
  }
}

void CausalLayer::Start(CausalLayerState& state) const {
  Grow(state.keys, config.window(), config.num_kv_heads * config.head_size);
  Grow(state.values, config.window(), config.num_kv_heads * config.head_size);
  Grow(state.waiting, config.right_context, config.model_dim);
  state.held = 0;
  state.next = 0;
  state.num_waiting = 0;
}

void CausalLayer::Reserve(CausalWorkspace& workspace, int max_rows) const {
  const int query_size = config.num_heads * config.head_size;
  const int kv_size = config.num_kv_heads * config.head_size;
  Grow(workspace.normed, max_rows, config.model_dim);
  if (config.right_context > 0) Grow(workspace.inputs, config.right_context + max_rows, config.model_dim);
  Grow(workspace.query, max_rows, query_size);
  Grow(workspace.key, max_rows, kv_size);
  Grow(workspace.value, max_rows, kv_size);
  Grow(workspace.context, max_rows, query_size);
  Grow(workspace.hidden, max_rows, config.ffn_size);
  Grow(workspace.biased, 2, query_size);
  Grow(workspace.scores, config.num_heads, config.window());
  Grow(workspace.relative, config.num_heads, config.window());
  for (const Linear* product : {&query, &key, &value, &output, &up, &down}) {
    if (product->quantized()) workspace.activations.Reserve(max_rows, product->cols());
  }
}

// Keys and values of the rows; queries too, where their outputs are complete at once.
void CausalLayer::Project(const float* x, int num_rows, CausalWorkspace& workspace) const {
  const size_t dim = static_cast<size_t>(config.model_dim);
  const struct {
    const Linear* product;
    float* y;
  } products[] = {{&key, workspace.key.data()}, {&value, workspace.value.data()}, {&query, workspace.query.data()}};
  const int count = config.right_context > 0 ? 2 : 3;
  if (query.quantized() && key.quantized() && value.quantized()) {
    const QuantizedRows input =
        workspace.activations.Quantize(x, num_rows, config.model_dim, dim, 0.0f, Granularity::kPerToken);
    for (int i = 0; i < count; ++i) {
      products[i].product->ForwardQuantized(input, products[i].y, static_cast<size_t>(products[i].product->rows()));
    }
  } else {
    for (int i = 0; i < count; ++i) {
      products[i].product->Forward(x, num_rows, dim, {}, workspace.activations, products[i].y,
                                   static_cast<size_t>(products[i].product->rows()));
    }
  }
}

// Replaces the inputs x by those, older by right_context frames, whose outputs these complete. Returns how many.
int CausalLayer::TakeComplete(float* x, LayerRows* streams, int num_streams, CausalWorkspace& workspace) const {
  if (config.right_context == 0) {
    int rows = 0;
    for (int s = 0; s < num_streams; ++s) rows += streams[s].num_complete = streams[s].num_frames;
    return rows;
  }
  const size_t dim = static_cast<size_t>(config.model_dim);
  float* inputs = workspace.inputs.data();
  const float* from = x;
  float* to = x;
  int total = 0;
  for (int s = 0; s < num_streams; ++s) {
    CausalLayerState& state = *streams[s].state;
    const size_t count = static_cast<size_t>(streams[s].num_frames);
    const int seen = state.num_waiting + streams[s].num_frames;
    const int complete = std::max(0, seen - config.right_context);
    float* end = std::copy_n(state.waiting.data(), static_cast<size_t>(state.num_waiting) * dim, inputs);
    std::copy_n(from, count * dim, end);
    from += count * dim;
    const float* left = inputs + static_cast<size_t>(complete) * dim;
    to = std::copy(static_cast<const float*>(inputs), left, to);
    state.num_waiting = seen - complete;
    std::copy_n(left, static_cast<size_t>(state.num_waiting) * dim, state.waiting.data());
    streams[s].num_complete = complete;
    total += complete;
  }
  return total;
}

void CausalLayer::Append(const float* k, const float* v, CausalLayerState& state) const {
  // A head's frames lie together, so that its keys are the rows of a product.
  const size_t size = static_cast<size_t>(config.head_size);
  const int capacity = config.window();
  for (int h = 0; h < config.num_kv_heads; ++h, k += size, v += size) {
    const size_t to = (static_cast<size_t>(h) * static_cast<size_t>(capacity) + static_cast<size_t>(state.next)) * size;
    std::copy_n(k, size, state.keys.data() + to);
    std::copy_n(v, size, state.values.data() + to);
  }
  state.next = state.next + 1 == capacity ? 0 : state.next + 1;
  state.held = std::min(state.held + 1, capacity);
}

// (num_heads, count), column d for d frames back.
const float* CausalLayer::PositionScores(const float* q, int count, CausalWorkspace& workspace) const {
  const size_t size = static_cast<size_t>(config.head_size);
  const size_t stride = static_cast<size_t>(count);
  float* scores = workspace.relative.data();
  if (config.position == PositionKind::kLearnedRelative) {
    GemmF32(q, config.num_heads, size, {relative, count, config.head_size}, nullptr, scores, stride);
    return scores;
  }
  const size_t head_stride = static_cast<size_t>(config.window()) * size;
  for (int h = 0; h < config.num_heads; ++h) {
    const size_t head = static_cast<size_t>(h);
    GemmF32(q + head * size, 1, size, {positions.data() + head * head_stride, count, config.head_size}, nullptr,
            scores + head * stride, stride);
  }
  return scores;
}

// Frames in the order of their age, whatever their slots are, so that sums do not depend on where the ring began.
void CausalLayer::Attend(const float* q, const CausalLayerState& state, CausalWorkspace& workspace, float* y) const {
  const size_t size = static_cast<size_t>(config.head_size);
  const int capacity = config.window();
  const size_t head_stride = static_cast<size_t>(capacity) * size;
  const int count = state.held;
  const int first = state.next >= count ? state.next - count : state.next - count + capacity;
  const int older = PieceBeforeTheEnd(first, count, capacity);
  const int group = config.num_heads / config.num_kv_heads;
  const size_t stride = static_cast<size_t>(count);
  const float* by_content = q;
  const float* by_position = q;
  if (config.position == PositionKind::kTransformerXl) {
    const size_t query_size = static_cast<size_t>(config.num_heads) * size;
    float* biased = workspace.biased.data();
    for (size_t i = 0; i < query_size; ++i) {
      biased[i] = q[i] + content_bias[i];
      biased[query_size + i] = q[i] + position_bias[i];
    }
    by_content = biased;
    by_position = biased + query_size;
  }
  const float* back = PositionScores(by_position, count, workspace);
  float* scores = workspace.scores.data();
  for (int h = 0; h < config.num_kv_heads; ++h) {
    const size_t query_head = static_cast<size_t>(h * group);
    const float* keys = state.keys.data() + static_cast<size_t>(h) * head_stride;
    const float* rows = by_content + query_head * size;
    float* to = scores + query_head * stride;
    GemmF32(rows, group, size, {keys + static_cast<size_t>(first) * size, older, config.head_size}, nullptr, to,
            stride);
    if (older < count) GemmF32(rows, group, size, {keys, count - older, config.head_size}, nullptr, to + older, stride);
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
    const float* values = state.values.data() + static_cast<size_t>(h / group) * head_stride;
    float* out = y + static_cast<size_t>(h) * size;
    std::fill_n(out, size, 0.0f);
    AddWeightedRows(row, values + static_cast<size_t>(first) * size, older, config.head_size, out);
    AddWeightedRows(row + older, values, count - older, config.head_size, out);
  }
}

int CausalLayer::Forward(float* x, int num_frames, CausalLayerState& state, CausalWorkspace& workspace) const {
  LayerRows stream{&state, num_frames};
  return ForwardBatch(x, &stream, 1, workspace);
}

int CausalLayer::ForwardBatch(float* x, LayerRows* streams, int num_streams, CausalWorkspace& workspace) const {
  int num_rows = 0;
  for (int s = 0; s < num_streams; ++s) num_rows += streams[s].num_frames;
  if (num_rows == 0) return 0;
  const size_t dim = static_cast<size_t>(config.model_dim);
  const size_t query_size = static_cast<size_t>(config.num_heads * config.head_size);
  const size_t kv_size = static_cast<size_t>(config.num_kv_heads * config.head_size);
  const size_t ffn = static_cast<size_t>(config.ffn_size);
  const ActivationQuantization quantization;
  float* normed = workspace.normed.data();
  const auto norm = [&](const NormWeights& weights) {
    LayerNorm(x, nullptr, weights.weight, weights.bias, config.norm_epsilon, num_rows, config.model_dim, normed);
  };

  norm(attention_norm);
  Project(normed, num_rows, workspace);
  num_rows = TakeComplete(x, streams, num_streams, workspace);
  if (config.right_context > 0) {
    norm(attention_norm);
    query.Forward(normed, num_rows, dim, quantization, workspace.activations, workspace.query.data(), query_size);
  }
  const float* k = workspace.key.data();
  const float* v = workspace.value.data();
  const float* q = workspace.query.data();
  float* context = workspace.context.data();
  for (int s = 0; s < num_streams; ++s) {
    const int early = streams[s].num_frames - streams[s].num_complete;
    for (int t = 0; t < streams[s].num_frames; ++t, k += kv_size, v += kv_size) {
      Append(k, v, *streams[s].state);
      if (t < early) continue;
      Attend(q, *streams[s].state, workspace, context);
      q += query_size;
      context += query_size;
    }
  }
  if (num_rows == 0) return 0;
  const size_t rows = static_cast<size_t>(num_rows);
  output.Forward(workspace.context.data(), num_rows, query_size, quantization, workspace.activations, normed, dim);
  AddTo(normed, rows * dim, x);

  norm(ffn_norm);
  float* hidden = workspace.hidden.data();
  up.Forward(normed, num_rows, dim, quantization, workspace.activations, hidden, ffn);
  Activate(config.activation, rows * ffn, hidden);
  down.Forward(hidden, num_rows, ffn, quantization, workspace.activations, normed, dim);
  AddTo(normed, rows * dim, x);
  return num_rows;
}

}  // namespace sottovoce
