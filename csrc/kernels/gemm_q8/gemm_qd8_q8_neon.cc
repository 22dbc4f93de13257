// ARMv8.0 without dot product: two products in 16 bits, then pairs into 32. Two products are at most
// 2 * 128 * 127 = 32512 < 2^15, so the 16-bit step never wraps.
#include "kernels/gemm_q8/gemm_qd8_q8.h"
#include "kernels/gemm_tile_neon.h"

namespace sottovoce {
namespace {

template <int kGroup>
SV_INLINE int8x16_t Broadcast(int8x16_t x) {
  return vreinterpretq_s8_s32(vdupq_laneq_s32(vreinterpretq_s32_s8(x), kGroup));
}

// Blocks kPair * 2 and kPair * 2 + 1 of a group of four; acc[r][v] holds outputs 0 and 1, then 2 and 3 of vector v.
template <int kPair, int kRows, int kVectors>
SV_INLINE void MultiplyPair(const int8_t* block, const int8x16_t* x, int32x4_t acc[][kVectors][2]) {
  block += 128 * kPair;
#pragma GCC unroll 4
  for (int v = 0; v < kVectors; ++v) {
    const int8x16_t even = vld1q_s8(block + 16 * v);
    const int8x16_t odd = vld1q_s8(block + 64 + 16 * v);
#pragma GCC unroll 4
    for (int r = 0; r < kRows; ++r) {
      const int8x16_t x_even = Broadcast<2 * kPair>(x[r]);
      const int8x16_t x_odd = Broadcast<2 * kPair + 1>(x[r]);
      const int16x8_t low =
          vmlal_s8(vmull_s8(vget_low_s8(even), vget_low_s8(x_even)), vget_low_s8(odd), vget_low_s8(x_odd));
      const int16x8_t high = vmlal_high_s8(vmull_high_s8(even, x_even), odd, x_odd);
      acc[r][v][0] = vpadalq_s16(acc[r][v][0], low);
      acc[r][v][1] = vpadalq_s16(acc[r][v][1], high);
    }
  }
}

// Block kGroup alone, for what a multiple of four leaves.
template <int kGroup, int kRows, int kVectors>
SV_INLINE void MultiplyOne(const int8_t* block, const int8x16_t* x, int32x4_t acc[][kVectors][2]) {
  block += 64 * kGroup;
#pragma GCC unroll 4
  for (int v = 0; v < kVectors; ++v) {
    const int8x16_t weights = vld1q_s8(block + 16 * v);
#pragma GCC unroll 4
    for (int r = 0; r < kRows; ++r) {
      const int8x16_t group = Broadcast<kGroup>(x[r]);
      acc[r][v][0] = vpadalq_s16(acc[r][v][0], vmull_s8(vget_low_s8(weights), vget_low_s8(group)));
      acc[r][v][1] = vpadalq_s16(acc[r][v][1], vmull_high_s8(weights, group));
    }
  }
}

template <int kRows, int kVectors>
__attribute__((noinline)) void Tile(const QuantizedRows& a, const MatrixQ8& w, const float* bias, float* y,
                                    size_t y_stride) {
  const size_t blocks = (static_cast<size_t>(w.cols) + 3) / 4;
  for (int output = 0; output < w.rows; output += 4 * kVectors) {
    const int8_t* block = PanelAt(w.panels, output, blocks);
    int32x4_t acc[kRows][kVectors][2];
#pragma GCC unroll 4
    for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 4
      for (int v = 0; v < kVectors; ++v) acc[r][v][0] = acc[r][v][1] = vdupq_n_s32(0);
    }
    const int8_t* from = a.data;
    for (int left = static_cast<int>(blocks); left > 0; left -= 4) {
      int8x16_t x[kRows];
#pragma GCC unroll 4
      for (int r = 0; r < kRows; ++r) x[r] = vld1q_s8(from + static_cast<size_t>(r) * a.stride);
      if (left >= 4) {
        MultiplyPair<0, kRows, kVectors>(block, x, acc);
        MultiplyPair<1, kRows, kVectors>(block, x, acc);
      } else {
        MultiplyOne<0, kRows, kVectors>(block, x, acc);
        if (left > 1) MultiplyOne<1, kRows, kVectors>(block, x, acc);
        if (left > 2) MultiplyOne<2, kRows, kVectors>(block, x, acc);
      }
      block += 256;
      from += 16;
    }
    for (int r = 0; r < kRows; ++r) {
      int32x4_t sums[kVectors];
#pragma GCC unroll 4
      for (int v = 0; v < kVectors; ++v) sums[v] = vpaddq_s32(acc[r][v][0], acc[r][v][1]);
      StoreRow<kVectors>(sums, w.rows, output, a.scale[r], w.scale, Addend{bias, 0}, r,
                         y + static_cast<size_t>(r) * y_stride + output);
    }
  }
}

}  // namespace

// Few rows take a whole panel at once, so that its weights are read once and straight through.
void gemm_qd8_q8_4x8__neon(const QuantizedRows& a, const MatrixQ8& w, const float* bias, float* y, size_t y_stride) {
  WithRowCount<4>(a.rows, [&](auto rows) {
    constexpr int kRows = decltype(rows)::value;
    constexpr int kVectors = kRows <= 2 ? 4 : 2;
    Tile<kRows, kVectors>(a, w, bias, y, y_stride);
  });
}

}  // namespace sottovoce
