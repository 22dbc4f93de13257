// ARMv8.2 dot product: two vectors of activations are a whole block, and their lane f belongs to bit f.
#include <arm_neon.h>

#include "kernels/gemm_q1/gemm_qd8_q1.h"
#include "kernels/gemm_tile.h"

namespace sottovoce {
namespace {

template <int kField, int kRows>
SV_INLINE void DotField(uint8x16_t first, uint8x16_t second, const int8x16_t x[][2], int32x4_t acc[][2]) {
  if constexpr (kField > 0) {
    first = vshrq_n_u8(first, kField);
    second = vshrq_n_u8(second, kField);
  }
  const int8x16_t bits0 = vreinterpretq_s8_u8(vandq_u8(first, vdupq_n_u8(1)));
  const int8x16_t bits1 = vreinterpretq_s8_u8(vandq_u8(second, vdupq_n_u8(1)));
#pragma GCC unroll 8
  for (int r = 0; r < kRows; ++r) {
    acc[r][0] = vdotq_laneq_s32(acc[r][0], bits0, x[r][kField / 4], kField % 4);
    acc[r][1] = vdotq_laneq_s32(acc[r][1], bits1, x[r][kField / 4], kField % 4);
  }
}

template <int kRows>
__attribute__((noinline)) void Tile(const QuantizedRows& a, const MatrixQ1& w, int half, const float* addend,
                                    size_t addend_stride, float* y, size_t y_stride) {
  const size_t blocks = (static_cast<size_t>(w.cols) + 31) / 32;
  for (int output = 0; output < w.rows; output += 8) {
    const uint8_t* block = w.panels[half] + static_cast<size_t>(output / 16) * blocks * 64 + output % 16 * 4;
    int32x4_t acc[kRows][2];
#pragma GCC unroll 8
    for (int r = 0; r < kRows; ++r) acc[r][0] = acc[r][1] = vdupq_n_s32(0);
    const int8_t* from = a.data;
    for (size_t b = 0; b < blocks; ++b) {
      const uint8x16_t first = vld1q_u8(block);
      const uint8x16_t second = vld1q_u8(block + 16);
      int8x16_t x[kRows][2];
#pragma GCC unroll 8
      for (int r = 0; r < kRows; ++r) {
        x[r][0] = vld1q_s8(from + static_cast<size_t>(r) * a.stride);
        x[r][1] = vld1q_s8(from + static_cast<size_t>(r) * a.stride + 16);
      }
      DotField<0, kRows>(first, second, x, acc);
      DotField<1, kRows>(first, second, x, acc);
      DotField<2, kRows>(first, second, x, acc);
      DotField<3, kRows>(first, second, x, acc);
      DotField<4, kRows>(first, second, x, acc);
      DotField<5, kRows>(first, second, x, acc);
      DotField<6, kRows>(first, second, x, acc);
      DotField<7, kRows>(first, second, x, acc);
      block += 64;
      from += 32;
    }
    const int count = w.rows - output < 8 ? w.rows - output : 8;
#pragma GCC unroll 8
    for (int r = 0; r < kRows; ++r) {
      const size_t row = static_cast<size_t>(r);
      int32_t sums[8];
      const int32x4_t minus = vdupq_n_s32(-a.sum[r]);
      vst1q_s32(sums, vaddq_s32(minus, vshlq_n_s32(acc[r][0], 1)));
      vst1q_s32(sums + 4, vaddq_s32(minus, vshlq_n_s32(acc[r][1], 1)));
      StoreRow<8>(sums, count, a.scale[r], w.scale[half] + output,
                  addend != nullptr ? addend + row * addend_stride + output : nullptr, y + row * y_stride + output);
    }
  }
}

template <int kRows>
void Product(const QuantizedRows& a, const MatrixQ1& w, const float* bias, float* y, size_t y_stride) {
  Tile<kRows>(a, w, 0, bias, 0, y, y_stride);
  if (w.halves == 2) Tile<kRows>(a, w, 1, y, y_stride, y, y_stride);
}

}  // namespace

void gemm_qd8_q1_8x8__neondot(const QuantizedRows& a, const MatrixQ1& w, const float* bias, float* y, size_t y_stride) {
  switch (a.rows) {
    case 1: return Product<1>(a, w, bias, y, y_stride);
    case 2: return Product<2>(a, w, bias, y, y_stride);
    case 3: return Product<3>(a, w, bias, y, y_stride);
    case 4: return Product<4>(a, w, bias, y, y_stride);
    case 5: return Product<5>(a, w, bias, y, y_stride);
    case 6: return Product<6>(a, w, bias, y, y_stride);
    case 7: return Product<7>(a, w, bias, y, y_stride);
    default: return Product<8>(a, w, bias, y, y_stride);
  }
}

}  // namespace sottovoce
