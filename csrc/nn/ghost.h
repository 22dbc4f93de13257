// GhostBERT's features: a convolution over three tokens for each dimension, added to what it reads.
#pragma once

#include <vector>

namespace sottovoce {

class Ghost {
 public:
  Ghost() = default;
  // logits: (features, width, 3). Kernels are their softmax over the three tokens; all features and the identity become
  // one kernel.
  Ghost(const float* logits, int features, int width);

  bool empty() const { return kernel_.empty(); }

  // x: (tokens, width), in place; zeros stand before the first token and after the last. `scratch` grows to 2 width.
  void Apply(float* x, int tokens, std::vector<float>& scratch) const;

 private:
  std::vector<float> kernel_;  // (3, width)
};

}  // namespace sottovoce
