// ARMv8.0 without dot product: codes {0, 1, 2} times activations, summed in 16 bits and flushed to 32.
#include "kernels/gemm_q2/gemm_qd8_q2.h"
#include "kernels/gemm_tile_neon.h"

namespace sottovoce {
namespace {

// A 16-bit lane takes 4 products a block. Even the unused code 3 keeps a product within 3 * 127 = 381, so that 20
// blocks stay within 30480 and no byte of a file can make the sum wrap.
constexpr int kFlushBlocks = 20;

// One field of a block; acc[r][v] holds outputs 0 and 1, then 2 and 3 of vector v. x: 16 activations a row.
template <int kField, int kRows, int kVectors>
SV_INLINE void MultiplyField(const uint8x16_t packed[kVectors], const int8x16_t* x, int16x8_t acc[][kVectors][2]) {
#pragma GCC unroll 4
  for (int v = 0; v < kVectors; ++v) {
    uint8x16_t field = packed[v];
    if constexpr (kField > 0) field = vshrq_n_u8(field, 2 * kField);
    const int8x16_t codes = vreinterpretq_s8_u8(vandq_u8(field, vdupq_n_u8(3)));
#pragma GCC unroll 4
    for (int r = 0; r < kRows; ++r) {
      const int8x16_t group = vreinterpretq_s8_s32(vdupq_laneq_s32(vreinterpretq_s32_s8(x[r]), kField));
      acc[r][v][0] = vmlal_s8(acc[r][v][0], vget_low_s8(codes), vget_low_s8(group));
      acc[r][v][1] = vmlal_high_s8(acc[r][v][1], codes, group);
    }
  }
}

template <int kRows, int kVectors>
__attribute__((noinline)) void Tile(const QuantizedRows& a, const MatrixQ2& w, const float* bias, float* y,
                                    size_t y_stride) {
  const size_t blocks = (static_cast<size_t>(w.cols) + 15) / 16;
  for (int output = 0; output < w.rows; output += 4 * kVectors) {
    const uint8_t* block = PanelAt(w.panels, output, blocks);
    int32x4_t sums[kRows][kVectors];
    for (int r = 0; r < kRows; ++r) {
      for (int v = 0; v < kVectors; ++v) sums[r][v] = vdupq_n_s32(-a.sum[r]);
    }
    const int8_t* from = a.data;
    for (int left = static_cast<int>(blocks); left > 0; left -= kFlushBlocks) {
      int16x8_t acc[kRows][kVectors][2];
#pragma GCC unroll 4
      for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 4
        for (int v = 0; v < kVectors; ++v) acc[r][v][0] = acc[r][v][1] = vdupq_n_s16(0);
      }
      for (int b = left < kFlushBlocks ? left : kFlushBlocks; b > 0; --b) {
        uint8x16_t packed[kVectors];
#pragma GCC unroll 4
        for (int v = 0; v < kVectors; ++v) packed[v] = vld1q_u8(block + 16 * v);
        int8x16_t x[kRows];
#pragma GCC unroll 4
        for (int r = 0; r < kRows; ++r) {
          x[r] = vld1q_s8(from + static_cast<size_t>(r) * a.stride);
        }
        MultiplyField<0, kRows, kVectors>(packed, x, acc);
        MultiplyField<1, kRows, kVectors>(packed, x, acc);
        MultiplyField<2, kRows, kVectors>(packed, x, acc);
        MultiplyField<3, kRows, kVectors>(packed, x, acc);
        block += 64;
        from += 16;
      }
#pragma GCC unroll 4
      for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 4
        for (int v = 0; v < kVectors; ++v) {
          const int32x4_t sum = vpaddq_s32(vpaddlq_s16(acc[r][v][0]), vpaddlq_s16(acc[r][v][1]));
          sums[r][v] = vaddq_s32(sums[r][v], sum);
        }
      }
    }
    for (int r = 0; r < kRows; ++r) {
      StoreRow<kVectors>(sums[r], w.rows, output, a.scale[r], w.scale, Addend{bias, 0}, r,
                         y + static_cast<size_t>(r) * y_stride + output);
    }
  }
}

}  // namespace

// Few rows take a whole panel at once, so that its weights are read once and straight through.
void gemm_qd8_q2_4x8__neon(const QuantizedRows& a, const MatrixQ2& w, const float* bias, float* y, size_t y_stride) {
  WithRowCount<4>(a.rows, [&](auto rows) {
    constexpr int kRows = decltype(rows)::value;
    constexpr int kVectors = kRows <= 2 ? 4 : 2;
    Tile<kRows, kVectors>(a, w, bias, y, y_stride);
  });
}

}  // namespace sottovoce
