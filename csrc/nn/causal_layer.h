// A pre-norm Transformer layer that looks back a limited number of frames and never ahead, with learned relative
// positions: score(i, j) = (q_i . k_j + q_i . relative[i - j]) / sqrt(head_size) for i - left_context <= j <= i.
#pragma once

#include <cstddef>
#include <vector>

#include "nn/linear.h"

namespace sottovoce {

struct CausalLayerConfig {
  int model_dim = 0;
  int num_heads = 0;
  int num_kv_heads = 0;  // divides num_heads; query heads h share key-value head h / (num_heads / num_kv_heads)
  int head_size = 0;
  int ffn_size = 0;
  int left_context = 0;  // frames
  float norm_epsilon = 1e-5f;
};

struct NormWeights {
  const float* weight = nullptr;  // (size)
  const float* bias = nullptr;    // (size)
};

// Keys and values of the frames that one stream's next frames may look at.
struct CausalLayerState {
  std::vector<float> keys;    // (num_kv_heads, left_context + max_frames, head_size)
  std::vector<float> values;  // the same
  int held = 0;               // frames
};

// Scratch of forward passes through any layers it was reserved for.
struct CausalWorkspace {
  std::vector<float> normed;    // (frames, model_dim)
  std::vector<float> query;     // (frames, num_heads x head_size)
  std::vector<float> key;       // (frames, num_kv_heads x head_size)
  std::vector<float> value;     // the same
  std::vector<float> context;   // (frames, num_heads x head_size)
  std::vector<float> hidden;    // (frames, ffn_size)
  std::vector<float> scores;    // (num_heads, left_context + 1)
  std::vector<float> relative;  // the same
  ActivationBuffer activations;
};

struct CausalLayer {
  CausalLayerConfig config;
  Linear query, key, value, output, up, down;
  NormWeights attention_norm, ffn_norm;
  const float* relative = nullptr;  // (left_context + 1, head_size), row d for d frames back

  // Makes the state ready for a new stream and for calls of up to max_frames; allocates at the first call only.
  void Start(CausalLayerState& state, int max_frames) const;
  void Reserve(CausalWorkspace& workspace, int max_frames) const;

  // x: (num_frames, model_dim), replaced by the layer's output.
  void Forward(float* x, int num_frames, CausalLayerState& state, CausalWorkspace& workspace) const;

 private:
  int capacity(const CausalLayerState& state) const;  // frames
  void Project(const float* x, int num_frames, CausalLayerState& state, CausalWorkspace& workspace) const;
  void Attend(const float* q, int frame, const CausalLayerState& state, CausalWorkspace& workspace, float* y) const;
};

}  // namespace sottovoce
