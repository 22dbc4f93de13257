#include "nn/ghost.h"

#include <algorithm>
#include <cmath>
#include <cstddef>

namespace sottovoce {

Ghost::Ghost(const float* logits, int features, int width) : kernel_(3 * static_cast<size_t>(width)) {
  const size_t size = static_cast<size_t>(width);
  for (size_t c = 0; c < size; ++c) {
    double sums[3] = {0.0, 1.0, 0.0};
    for (size_t f = 0; f < static_cast<size_t>(features); ++f) {
      const float* logit = logits + (f * size + c) * 3;
      const double largest = static_cast<double>(std::max(logit[0], std::max(logit[1], logit[2])));
      double parts[3], total = 0.0;
      for (int k = 0; k < 3; ++k) total += parts[k] = std::exp(static_cast<double>(logit[k]) - largest);
      for (int k = 0; k < 3; ++k) sums[k] += parts[k] / total;
    }
    for (size_t k = 0; k < 3; ++k) kernel_[k * size + c] = static_cast<float>(sums[k]);
  }
}

void Ghost::Apply(float* x, int tokens, std::vector<float>& scratch) const {
  const size_t width = kernel_.size() / 3;
  scratch.assign(2 * width, 0.0f);
  float* before = scratch.data();
  const float* zeros = before + width;
  const float *first = kernel_.data(), *middle = first + width, *last = middle + width;
  for (int t = 0; t < tokens; ++t, x += width) {
    const float* after = t + 1 < tokens ? x + width : zeros;
    for (size_t c = 0; c < width; ++c) {
      const float here = x[c];
      x[c] = first[c] * before[c] + middle[c] * here + last[c] * after[c];
      before[c] = here;
    }
  }
}

}  // namespace sottovoce
