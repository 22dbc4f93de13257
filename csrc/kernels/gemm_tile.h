// What the integer products share on every ISA. Everything is internal to the including file.
#pragma once

#include "kernels/matrix.h"

#define SV_INLINE inline __attribute__((always_inline))

namespace sottovoce {
namespace {

// The end of a tile's row: y[o] = float(sums[o]) * (a_scale * w_scale[o]) + bias[o] for the first `count` of kOutputs.
// Multiplication and addition stay separate (the build forbids contraction), so every ISA rounds alike.
template <int kOutputs>
SV_INLINE void StoreRow(const int32_t* __restrict sums, int count, float a_scale, const float* __restrict w_scale,
                        const float* __restrict bias, float* __restrict y) {
  float products[kOutputs];
  const float* scale = w_scale;
  float padded[kOutputs] = {};
  if (count < kOutputs) {
    for (int o = 0; o < count; ++o) padded[o] = w_scale[o];
    scale = padded;
  }
  for (int o = 0; o < kOutputs; ++o) products[o] = static_cast<float>(sums[o]) * (a_scale * scale[o]);
  if (count == kOutputs) {
    if (bias != nullptr) {
      for (int o = 0; o < kOutputs; ++o) products[o] += bias[o];
    }
    for (int o = 0; o < kOutputs; ++o) y[o] = products[o];
  } else {
    for (int o = 0; o < count; ++o) y[o] = bias != nullptr ? products[o] + bias[o] : products[o];
  }
}

}  // namespace
}  // namespace sottovoce
