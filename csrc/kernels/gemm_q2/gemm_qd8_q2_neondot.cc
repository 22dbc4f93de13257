// ARMv8.2 dot product: one vector of activations is a whole block, and its lane f belongs to bit field f.
#include <arm_neon.h>

#include "kernels/gemm_q2/gemm_qd8_q2.h"
#include "kernels/gemm_tile.h"

namespace sottovoce {
namespace {

template <int kField, int kRows>
SV_INLINE void DotField(uint8x16_t first, uint8x16_t second, const int8x16_t* x, int32x4_t acc[][2]) {
  if constexpr (kField > 0) {
    first = vshrq_n_u8(first, 2 * kField);
    second = vshrq_n_u8(second, 2 * kField);
  }
  const int8x16_t codes0 = vreinterpretq_s8_u8(vandq_u8(first, vdupq_n_u8(3)));
  const int8x16_t codes1 = vreinterpretq_s8_u8(vandq_u8(second, vdupq_n_u8(3)));
#pragma GCC unroll 8
  for (int r = 0; r < kRows; ++r) {
    acc[r][0] = vdotq_laneq_s32(acc[r][0], codes0, x[r], kField);
    acc[r][1] = vdotq_laneq_s32(acc[r][1], codes1, x[r], kField);
  }
}

template <int kRows>
__attribute__((noinline)) void Tile(const QuantizedRows& a, const MatrixQ2& w, const float* bias, float* y,
                                    size_t y_stride) {
  const size_t blocks = (static_cast<size_t>(w.cols) + 15) / 16;
  for (int output = 0; output < w.rows; output += 8) {
    const uint8_t* block = w.panels + static_cast<size_t>(output / 16) * blocks * 64 + output % 16 * 4;
    int32x4_t acc[kRows][2];
#pragma GCC unroll 8
    for (int r = 0; r < kRows; ++r) acc[r][0] = acc[r][1] = vdupq_n_s32(-a.sum[r]);
    const int8_t* from = a.data;
    for (size_t b = 0; b < blocks; ++b) {
      const uint8x16_t first = vld1q_u8(block);
      const uint8x16_t second = vld1q_u8(block + 16);
      int8x16_t x[kRows];
#pragma GCC unroll 8
      for (int r = 0; r < kRows; ++r) x[r] = vld1q_s8(from + r * a.stride);
      DotField<0, kRows>(first, second, x, acc);
      DotField<1, kRows>(first, second, x, acc);
      DotField<2, kRows>(first, second, x, acc);
      DotField<3, kRows>(first, second, x, acc);
      block += 64;
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

void gemm_qd8_q2_8x8__neondot(const QuantizedRows& a, const MatrixQ2& w, const float* bias, float* y, size_t y_stride) {
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
