// ARMv8.0 without dot product: two products in 16 bits, then pairs into 32. Two products are at most
// 2 * 128 * 127 = 32512 < 2^15, so the 16-bit step never wraps.
#include <arm_neon.h>

#include "kernels/gemm_q8/gemm_qd8_q8.h"
#include "kernels/gemm_tile.h"

namespace sottovoce {
namespace {

template <int kGroup>
SV_INLINE int8x16_t Broadcast(int8x16_t x) {
  return vreinterpretq_s8_s32(vdupq_laneq_s32(vreinterpretq_s32_s8(x), kGroup));
}

// Blocks kPair * 2 and kPair * 2 + 1 of a group of four, for the 8 outputs of the half panel at `block`.
template <int kPair, int kRows>
SV_INLINE void MultiplyPair(const int8_t* block, const int8x16_t* x, int32x4_t acc[][4]) {
  block += 128 * kPair;
#pragma GCC unroll 2
  for (int h = 0; h < 2; ++h) {
    const int8x16_t even = vld1q_s8(block + 16 * h);
    const int8x16_t odd = vld1q_s8(block + 64 + 16 * h);
#pragma GCC unroll 4
    for (int r = 0; r < kRows; ++r) {
      const int8x16_t x_even = Broadcast<2 * kPair>(x[r]);
      const int8x16_t x_odd = Broadcast<2 * kPair + 1>(x[r]);
      const int16x8_t low =
          vmlal_s8(vmull_s8(vget_low_s8(even), vget_low_s8(x_even)), vget_low_s8(odd), vget_low_s8(x_odd));
      const int16x8_t high = vmlal_high_s8(vmull_high_s8(even, x_even), odd, x_odd);
      acc[r][2 * h] = vpadalq_s16(acc[r][2 * h], low);
      acc[r][2 * h + 1] = vpadalq_s16(acc[r][2 * h + 1], high);
    }
  }
}

// Block kGroup alone, for what a multiple of four leaves.
template <int kGroup, int kRows>
SV_INLINE void MultiplyOne(const int8_t* block, const int8x16_t* x, int32x4_t acc[][4]) {
  block += 64 * kGroup;
#pragma GCC unroll 2
  for (int h = 0; h < 2; ++h) {
    const int8x16_t weights = vld1q_s8(block + 16 * h);
#pragma GCC unroll 4
    for (int r = 0; r < kRows; ++r) {
      const int8x16_t group = Broadcast<kGroup>(x[r]);
      acc[r][2 * h] = vpadalq_s16(acc[r][2 * h], vmull_s8(vget_low_s8(weights), vget_low_s8(group)));
      acc[r][2 * h + 1] = vpadalq_s16(acc[r][2 * h + 1], vmull_high_s8(weights, group));
    }
  }
}

template <int kRows>
__attribute__((noinline)) void Tile(const QuantizedRows& a, const MatrixQ8& w, const float* bias, float* y,
                                    size_t y_stride) {
  const size_t blocks = (static_cast<size_t>(w.cols) + 3) / 4;
  for (int output = 0; output < w.rows; output += 8) {
    const int8_t* block = w.panels + static_cast<size_t>(output / 16) * blocks * 64 + output % 16 * 4;
    int32x4_t acc[kRows][4];
#pragma GCC unroll 4
    for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 4
      for (int v = 0; v < 4; ++v) acc[r][v] = vdupq_n_s32(0);
    }
    const int8_t* from = a.data;
    for (int left = static_cast<int>(blocks); left > 0; left -= 4) {
      int8x16_t x[kRows];
#pragma GCC unroll 4
      for (int r = 0; r < kRows; ++r) x[r] = vld1q_s8(from + r * a.stride);
      if (left >= 4) {
        MultiplyPair<0, kRows>(block, x, acc);
        MultiplyPair<1, kRows>(block, x, acc);
      } else {
        MultiplyOne<0, kRows>(block, x, acc);
        if (left > 1) MultiplyOne<1, kRows>(block, x, acc);
        if (left > 2) MultiplyOne<2, kRows>(block, x, acc);
      }
      block += 256;
      from += 16;
    }
    const int count = w.rows - output < 8 ? w.rows - output : 8;
#pragma GCC unroll 4
    for (int r = 0; r < kRows; ++r) {
      int32_t sums[8];
      vst1q_s32(sums, vpaddq_s32(acc[r][0], acc[r][1]));
      vst1q_s32(sums + 4, vpaddq_s32(acc[r][2], acc[r][3]));
      StoreRow<8>(sums, count, a.scale[r], w.scale + output, bias != nullptr ? bias + output : nullptr,
                  y + r * y_stride + output);
    }
  }
}

}  // namespace

void gemm_qd8_q8_4x8__neon(const QuantizedRows& a, const MatrixQ8& w, const float* bias, float* y, size_t y_stride) {
  switch (a.rows) {
    case 1: return Tile<1>(a, w, bias, y, y_stride);
    case 2: return Tile<2>(a, w, bias, y, y_stride);
    case 3: return Tile<3>(a, w, bias, y, y_stride);
    default: return Tile<4>(a, w, bias, y, y_stride);
  }
}

}  // namespace sottovoce
