// What follows a product, a value by itself.
#pragma once

#include <cstddef>

#include "kernels/vector_ops.h"

namespace sottovoce {

enum class Activation { kNone, kRelu, kGelu };

inline void Activate(Activation kind, size_t count, float* x) {
  if (kind == Activation::kRelu) Relu(x, count, x);
  if (kind == Activation::kGelu) Gelu(x, count, x);
}

}  // namespace sottovoce
