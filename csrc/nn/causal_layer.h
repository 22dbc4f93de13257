// A pre-norm Transformer layer that looks back a limited number of frames, and ahead a few or none. Scores of frame i
// on frame j, i - left_context <= j <= i + right_context, with d = i + right_context - j, how far j is behind the
// newest of these frames, and one of two kinds of relative positions:
//   learned:         (q_i . k_j + q_i . relative[d]) / sqrt(head_size), the table shared by heads
//   Transformer-XL:  ((q_i + u) . k_j + (q_i + v) . r[d]) / sqrt(head_size), u, v and r of each head
#pragma once

#include <cstddef>
#include <vector>

#include "nn/activation.h"
#include "nn/linear.h"

namespace sottovoce {

enum class PositionKind { kLearnedRelative, kTransformerXl };

struct CausalLayerConfig {
  int model_dim = 0;
  int num_heads = 0;
  int num_kv_heads = 0;  // divides num_heads; query heads h share key-value head h / (num_heads / num_kv_heads)
  int head_size = 0;
  int ffn_size = 0;
  int left_context = 0;   // frames
  int right_context = 0;  // frames
  PositionKind position = PositionKind::kLearnedRelative;
  Activation activation = Activation::kRelu;  // of the feed-forward network
  float norm_epsilon = 1e-5f;

  // Frames that a frame attends to, itself among them.
  int window() const { return left_context + right_context + 1; }
};

struct NormWeights {
  const float* weight = nullptr;  // (size)
  const float* bias = nullptr;    // (size)
};

// Keys and values of the frames that one stream's next frames may look at: rings over frames, so that nothing is moved.
struct CausalLayerState {
  std::vector<float> keys;     // (num_kv_heads, window, head_size)
  std::vector<float> values;   // the same
  std::vector<float> waiting;  // (right_context, model_dim): inputs whose outputs need frames to come, oldest first
  int held = 0;                // frames
  int next = 0;                // where the next frame goes
  int num_waiting = 0;

  size_t bytes() const { return (keys.size() + values.size() + waiting.size()) * sizeof(float); }
};

// The rows of one stream in a call that computes several.
struct LayerRows {
  CausalLayerState* state;
  int num_frames;
  int num_complete = 0;  // out: frames of output
};

// Scratch of forward passes through any layers it was reserved for.
struct CausalWorkspace {
  std::vector<float> normed;    // (rows, model_dim)
  std::vector<float> inputs;    // (right_context + rows, model_dim): a layer's, from the oldest that waits on
  std::vector<float> query;     // (rows, num_heads x head_size)
  std::vector<float> key;       // (rows, num_kv_heads x head_size)
  std::vector<float> value;     // the same
  std::vector<float> context;   // (rows, num_heads x head_size)
  std::vector<float> hidden;    // (rows, ffn_size)
  std::vector<float> biased;    // (2, num_heads, head_size), a query plus u and plus v
  std::vector<float> scores;    // (num_heads, window)
  std::vector<float> relative;  // the same
  ActivationBuffer activations;
};

struct CausalLayer {
  CausalLayerConfig config;
  Linear query, key, value, output, up, down;
  NormWeights attention_norm, ffn_norm;
  const float* relative = nullptr;       // learned: (window, head_size), row d for d frames behind the newest
  std::vector<float> positions;          // Transformer-XL: (num_heads, window, head_size), likewise
  const float* content_bias = nullptr;   // Transformer-XL: u, (num_heads, head_size)
  const float* position_bias = nullptr;  // Transformer-XL: v, (num_heads, head_size)

  // Fills `positions` from the projection (num_heads x head_size, model_dim) of the distances' sinusoids.
  void ProjectPositions(const Linear& projection);

  // Makes the state ready for a new stream; allocates at the first call only.
  void Start(CausalLayerState& state) const;
  // Room for calls of up to max_rows rows, all streams together.
  void Reserve(CausalWorkspace& workspace, int max_rows) const;

  // x: (num_frames, model_dim), replaced by the frames that are complete now, right_context behind. Returns how many.
  int Forward(float* x, int num_frames, CausalLayerState& state, CausalWorkspace& workspace) const;

  // The same for several streams, whose rows follow each other in x and share every product. Each stream's rows are,
  // bit for bit, what it gets alone.
  int ForwardBatch(float* x, LayerRows* streams, int num_streams, CausalWorkspace& workspace) const;

 private:
  void Project(const float* x, int num_rows, CausalWorkspace& workspace) const;
  int TakeComplete(float* x, LayerRows* streams, int num_streams, CausalWorkspace& workspace) const;
  void Append(const float* k, const float* v, CausalLayerState& state) const;
  void Attend(const float* q, const CausalLayerState& state, CausalWorkspace& workspace, float* y) const;
  const float* PositionScores(const float* q, int count, CausalWorkspace& workspace) const;
};

}  // namespace sottovoce
