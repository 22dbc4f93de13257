// ARMv8.2 dot product: one vector of activations serves four blocks, a lane each.
#include <arm_neon.h>

#include "kernels/gemm_q8/gemm_qd8_q8.h"
#include "kernels/gemm_tile.h"

namespace sottovoce {
namespace {

// Block kGroup of a group of four, for the 8 outputs of the half panel at `block`.
template <int kGroup, int kRows>
SV_INLINE void DotBlock(const int8_t* block, const int8x16_t* x, int32x4_t acc[][2]) {
  const int8x16_t first = vld1q_s8(block + 64 * kGroup);
  const int8x16_t second = vld1q_s8(block + 64 * kGroup + 16);
#pragma GCC unroll 8
  for (int r = 0; r < kRows; ++r) {
    acc[r][0] = vdotq_laneq_s32(acc[r][0], first, x[r], kGroup);
    acc[r][1] = vdotq_laneq_s32(acc[r][1], second, x[r], kGroup);
  }
}

template <int kRows>
__attribute__((noinline)) void Tile(const QuantizedRows& a, const MatrixQ8& w, const float* bias, float* y,
                                    size_t y_stride) {
  const size_t blocks = (static_cast<size_t>(w.cols) + 3) / 4;
  for (int output = 0; output < w.rows; output += 8) {
    const int8_t* block = w.panels + static_cast<size_t>(output / 16) * blocks * 64 + output % 16 * 4;
    int32x4_t acc[kRows][2];
#pragma GCC unroll 8
    for (int r = 0; r < kRows; ++r) acc[r][0] = acc[r][1] = vdupq_n_s32(0);
    const int8_t* from = a.data;
    for (int left = static_cast<int>(blocks); left > 0; left -= 4) {
      int8x16_t x[kRows];
#pragma GCC unroll 8
      for (int r = 0; r < kRows; ++r) x[r] = vld1q_s8(from + r * a.stride);
      DotBlock<0, kRows>(block, x, acc);
      if (left > 1) DotBlock<1, kRows>(block, x, acc);
      if (left > 2) DotBlock<2, kRows>(block, x, acc);
      if (left > 3) DotBlock<3, kRows>(block, x, acc);
      block += 256;
      from += 16;
    }
    const int count = w.rows - output < 8 ? w.rows - output : 8;
#pragma GCC unroll 8
    for (int r = 0; r < kRows; ++r) {
      int32_t sums[8];
      vst1q_s32(sums, acc[r][0]);
      vst1q_s32(sums + 4, acc[r][1]);
      StoreRow<8>(sums, count, a.scale[r], w.scale + output, bias != nullptr ? bias + output : nullptr,
                  y + r * y_stride + output);
    }
  }
}

}  // namespace

void gemm_qd8_q8_8x8__neondot(const QuantizedRows& a, const MatrixQ8& w, const float* bias, float* y, size_t y_stride) {
  switch (a.rows) {
    case 1: return Tile<1>(a, w, bias, y, y_stride);
    case 2: return Tile<2>(a, w, bias, y, y_stride);
    case 3: return Tile<3>(a, w, bias, y, y_stride);
    case 4: return Tile<4>(a, w, bias, y, y_stride);
    case 5: return Tile<5>(a, w, bias, y, y_stride);
    case 6: return Tile<6>(a, w, bias, y, y_stride);
    case 7: return Tile<7>(a, w, bias, y, y_stride);
    default: return Tile<8>(a, w, bias, y, y_stride);
  }
}

}  // namespace sottovoce
