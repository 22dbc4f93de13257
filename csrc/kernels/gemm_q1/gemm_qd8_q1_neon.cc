// ARMv8.0 without dot product: bits {0, 1} times activations, summed in 16 bits and flushed to 32.
#include <arm_neon.h>

#include "kernels/gemm_q1/gemm_qd8_q1.h"
#include "kernels/gemm_tile.h"

namespace sottovoce {
namespace {

// A 16-bit lane takes 8 products a block, each within 127, so that 32 blocks stay within 32512.
constexpr int kFlushBlocks = 32;

// One field of a block: outputs 0..3 and 4..7 of the half panel in first and second. x: 32 activations a row.
template <int kField, int kRows>
SV_INLINE void MultiplyField(uint8x16_t first, uint8x16_t second, const int8x16_t x[][2], int16x8_t acc[][4]) {
  if constexpr (kField > 0) {
    first = vshrq_n_u8(first, kField);
    second = vshrq_n_u8(second, kField);
  }
  const int8x16_t bits0 = vreinterpretq_s8_u8(vandq_u8(first, vdupq_n_u8(1)));
  const int8x16_t bits1 = vreinterpretq_s8_u8(vandq_u8(second, vdupq_n_u8(1)));
#pragma GCC unroll 4
  for (int r = 0; r < kRows; ++r) {
    const int8x16_t group = vreinterpretq_s8_s32(vdupq_laneq_s32(vreinterpretq_s32_s8(x[r][kField / 4]), kField % 4));
    acc[r][0] = vmlal_s8(acc[r][0], vget_low_s8(bits0), vget_low_s8(group));
    acc[r][1] = vmlal_high_s8(acc[r][1], bits0, group);
    acc[r][2] = vmlal_s8(acc[r][2], vget_low_s8(bits1), vget_low_s8(group));
    acc[r][3] = vmlal_high_s8(acc[r][3], bits1, group);
  }
}

template <int kRows>
__attribute__((noinline)) void Tile(const QuantizedRows& a, const MatrixQ1& w, int half, const float* addend,
                                    size_t addend_stride, float* y, size_t y_stride) {
  const size_t blocks = (static_cast<size_t>(w.cols) + 31) / 32;
  for (int output = 0; output < w.rows; output += 8) {
    const uint8_t* block = w.panels[half] + static_cast<size_t>(output / 16) * blocks * 64 + output % 16 * 4;
    int32_t sums[kRows][8];
    for (int r = 0; r < kRows; ++r) {
      for (int o = 0; o < 8; ++o) sums[r][o] = -a.sum[r];
    }
    const int8_t* from = a.data;
    for (int left = static_cast<int>(blocks); left > 0; left -= kFlushBlocks) {
      int16x8_t acc[kRows][4];
#pragma GCC unroll 4
      for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 4
        for (int v = 0; v < 4; ++v) acc[r][v] = vdupq_n_s16(0);
      }
      for (int b = left < kFlushBlocks ? left : kFlushBlocks; b > 0; --b) {
        const uint8x16_t first = vld1q_u8(block);
        const uint8x16_t second = vld1q_u8(block + 16);
        int8x16_t x[kRows][2];
#pragma GCC unroll 4
        for (int r = 0; r < kRows; ++r) {
          x[r][0] = vld1q_s8(from + static_cast<size_t>(r) * a.stride);
          x[r][1] = vld1q_s8(from + static_cast<size_t>(r) * a.stride + 16);
        }
        MultiplyField<0, kRows>(first, second, x, acc);
        MultiplyField<1, kRows>(first, second, x, acc);
        MultiplyField<2, kRows>(first, second, x, acc);
        MultiplyField<3, kRows>(first, second, x, acc);
        MultiplyField<4, kRows>(first, second, x, acc);
        MultiplyField<5, kRows>(first, second, x, acc);
        MultiplyField<6, kRows>(first, second, x, acc);
        MultiplyField<7, kRows>(first, second, x, acc);
        block += 64;
        from += 32;
      }
#pragma GCC unroll 4
      for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 2
        for (int h = 0; h < 2; ++h) {
          const int32x4_t sum = vpaddq_s32(vpaddlq_s16(acc[r][2 * h]), vpaddlq_s16(acc[r][2 * h + 1]));
          vst1q_s32(sums[r] + 4 * h, vaddq_s32(vld1q_s32(sums[r] + 4 * h), vaddq_s32(sum, sum)));
        }
      }
    }
    const int count = w.rows - output < 8 ? w.rows - output : 8;
    for (int r = 0; r < kRows; ++r) {
      const size_t row = static_cast<size_t>(r);
      StoreRow<8>(sums[r], count, a.scale[r], w.scale[half] + output,
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

void gemm_qd8_q1_4x8__neon(const QuantizedRows& a, const MatrixQ1& w, const float* bias, float* y, size_t y_stride) {
  switch (a.rows) {
    case 1: return Product<1>(a, w, bias, y, y_stride);
    case 2: return Product<2>(a, w, bias, y, y_stride);
    case 3: return Product<3>(a, w, bias, y, y_stride);
    default: return Product<4>(a, w, bias, y, y_stride);
  }
}

}  // namespace sottovoce
