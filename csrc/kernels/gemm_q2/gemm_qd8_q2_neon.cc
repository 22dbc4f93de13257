// ARMv8.0 without dot product: codes {0, 1, 2} times activations, summed in 16 bits and flushed to 32.
#include <arm_neon.h>

#include "kernels/gemm_q2/gemm_qd8_q2.h"
#include "kernels/gemm_tile.h"

namespace sottovoce {
namespace {

// A 16-bit lane takes 4 products a block. Even the unused code 3 keeps a product within 3 * 127 = 381, so that 20
// blocks stay within 30480 and no byte of a file can make the sum wrap.
constexpr int kFlushBlocks = 20;

// One field of a block: outputs 0..3 and 4..7 of the half panel in first and second.
template <int kField, int kRows>
SV_INLINE void MultiplyField(uint8x16_t first, uint8x16_t second, const int8x16_t* x, int16x8_t acc[][4]) {
  if constexpr (kField > 0) {
    first = vshrq_n_u8(first, 2 * kField);
    second = vshrq_n_u8(second, 2 * kField);
  }
  const int8x16_t codes0 = vreinterpretq_s8_u8(vandq_u8(first, vdupq_n_u8(3)));
  const int8x16_t codes1 = vreinterpretq_s8_u8(vandq_u8(second, vdupq_n_u8(3)));
#pragma GCC unroll 4
  for (int r = 0; r < kRows; ++r) {
    const int8x16_t group = vreinterpretq_s8_s32(vdupq_laneq_s32(vreinterpretq_s32_s8(x[r]), kField));
    acc[r][0] = vmlal_s8(acc[r][0], vget_low_s8(codes0), vget_low_s8(group));
    acc[r][1] = vmlal_high_s8(acc[r][1], codes0, group);
    acc[r][2] = vmlal_s8(acc[r][2], vget_low_s8(codes1), vget_low_s8(group));
    acc[r][3] = vmlal_high_s8(acc[r][3], codes1, group);
  }
}

template <int kRows>
__attribute__((noinline)) void Tile(const QuantizedRows& a, const MatrixQ2& w, const float* bias, float* y,
                                    size_t y_stride) {
  const size_t blocks = (static_cast<size_t>(w.cols) + 15) / 16;
  for (int output = 0; output < w.rows; output += 8) {
    const uint8_t* block = w.panels + static_cast<size_t>(output / 16) * blocks * 64 + output % 16 * 4;
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
        int8x16_t x[kRows];
#pragma GCC unroll 4
        for (int r = 0; r < kRows; ++r) x[r] = vld1q_s8(from + r * a.stride);
        MultiplyField<0, kRows>(first, second, x, acc);
        MultiplyField<1, kRows>(first, second, x, acc);
        MultiplyField<2, kRows>(first, second, x, acc);
        MultiplyField<3, kRows>(first, second, x, acc);
        block += 64;
        from += 16;
      }
#pragma GCC unroll 4
      for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 2
        for (int h = 0; h < 2; ++h) {
          const int32x4_t sum = vpaddq_s32(vpaddlq_s16(acc[r][2 * h]), vpaddlq_s16(acc[r][2 * h + 1]));
          vst1q_s32(sums[r] + 4 * h, vaddq_s32(vld1q_s32(sums[r] + 4 * h), sum));
        }
      }
    }
    const int count = w.rows - output < 8 ? w.rows - output : 8;
    for (int r = 0; r < kRows; ++r) {
      StoreRow<8>(sums[r], count, a.scale[r], w.scale + output, bias != nullptr ? bias + output : nullptr,
                  y + r * y_stride + output);
    }
  }
}

}  // namespace

void gemm_qd8_q2_4x8__neon(const QuantizedRows& a, const MatrixQ2& w, const float* bias, float* y, size_t y_stride) {
  switch (a.rows) {
    case 1: return Tile<1>(a, w, bias, y, y_stride);
    case 2: return Tile<2>(a, w, bias, y, y_stride);
    case 3: return Tile<3>(a, w, bias, y, y_stride);
    default: return Tile<4>(a, w, bias, y, y_stride);
  }
}

}  // namespace sottovoce
