// What the NEON products share, with and without dot product. Everything is internal to the including file.
#pragma once

#include <arm_neon.h>

#include "kernels/gemm_tile.h"

namespace sottovoce {
namespace {

// Where the weights of `output` begin: panels of 16 outputs, 4 bytes each in every block of 64.
template <typename Byte>
SV_INLINE const Byte* PanelAt(const Byte* panels, int output, size_t blocks) {
  return panels + static_cast<size_t>(output / 16) * blocks * 64 + output % 16 * 4;
}

// The end of a tile's row r: y[o] = float(sums[o]) * (a_scale * w_scale[o]) + addend[r][o] for the outputs from
// `output` on that exist, at most 4 * kVectors. Multiplication and addition stay separate, so every ISA rounds alike. y
// is the row's output `output`.
template <int kVectors>
SV_INLINE void StoreRow(const int32x4_t sums[kVectors], int outputs, int output, float a_scale, const float* w_scale,
                        const Addend& addend, int r, float* y) {
#pragma GCC unroll 4
  for (int v = 0; v < kVectors; ++v) {
    const int left = outputs - output - 4 * v;
    const float* scale = w_scale + output + 4 * v;
    if (left >= 4) {
      float32x4_t product = vmulq_f32(vcvtq_f32_s32(sums[v]), vmulq_n_f32(vld1q_f32(scale), a_scale));
      if (addend.data != nullptr) product = vaddq_f32(product, vld1q_f32(addend.at(r, output) + 4 * v));
      vst1q_f32(y + 4 * v, product);
    } else if (left > 0) {
      int32_t sum[4];
      vst1q_s32(sum, sums[v]);
      for (int o = 0; o < left; ++o) {
        const float product = static_cast<float>(sum[o]) * (a_scale * scale[o]);
        y[4 * v + o] = addend.data != nullptr ? product + addend.at(r, output)[4 * v + o] : product;
      }
    }
  }
}

}  // namespace
}  // namespace sottovoce
