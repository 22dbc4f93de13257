// ARMv8.2 dot product: two vectors of activations are a whole block, and their lane f belongs to bit f.
#include "kernels/gemm_q1/gemm_qd8_q1.h"
#include "kernels/gemm_tile_neon.h"

namespace sottovoce {
namespace {

template <int kField, int kRows, int kVectors>
SV_INLINE void DotField(const uint8x16_t packed[kVectors], const int8x16_t x[][2], int32x4_t acc[][kVectors]) {
#pragma GCC unroll 4
  for (int v = 0; v < kVectors; ++v) {
    uint8x16_t field = packed[v];
    if constexpr (kField > 0) field = vshrq_n_u8(field, kField);
    const int8x16_t codes = vreinterpretq_s8_u8(vandq_u8(field, vdupq_n_u8(1)));
#pragma GCC unroll 8
    for (int r = 0; r < kRows; ++r) acc[r][v] = vdotq_laneq_s32(acc[r][v], codes, x[r][kField / 4], kField % 4);
  }
}

template <int kRows, int kVectors>
__attribute__((noinline)) void Tile(const QuantizedRows& a, const MatrixQ1& w, int half, Addend addend, float* y,
                                    size_t y_stride) {
  const size_t blocks = (static_cast<size_t>(w.cols) + 31) / 32;
  for (int output = 0; output < w.rows; output += 4 * kVectors) {
    const uint8_t* block = PanelAt(w.panels[half], output, blocks);
    int32x4_t acc[kRows][kVectors];
#pragma GCC unroll 8
    for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 4
      for (int v = 0; v < kVectors; ++v) acc[r][v] = vdupq_n_s32(0);
    }
    const int8_t* from = a.data;
    for (size_t b = 0; b < blocks; ++b) {
      uint8x16_t packed[kVectors];
#pragma GCC unroll 4
      for (int v = 0; v < kVectors; ++v) packed[v] = vld1q_u8(block + 16 * v);
      int8x16_t x[kRows][2];
#pragma GCC unroll 8
      for (int r = 0; r < kRows; ++r) {
        x[r][0] = vld1q_s8(from + static_cast<size_t>(r) * a.stride);
        x[r][1] = vld1q_s8(from + static_cast<size_t>(r) * a.stride + 16);
      }
      DotField<0, kRows, kVectors>(packed, x, acc);
      DotField<1, kRows, kVectors>(packed, x, acc);
      DotField<2, kRows, kVectors>(packed, x, acc);
      DotField<3, kRows, kVectors>(packed, x, acc);
      DotField<4, kRows, kVectors>(packed, x, acc);
      DotField<5, kRows, kVectors>(packed, x, acc);
      DotField<6, kRows, kVectors>(packed, x, acc);
      DotField<7, kRows, kVectors>(packed, x, acc);
      block += 64;
      from += 32;
    }
#pragma GCC unroll 8
    for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 4
      for (int v = 0; v < kVectors; ++v) acc[r][v] = vaddq_s32(vdupq_n_s32(-a.sum[r]), vshlq_n_s32(acc[r][v], 1));
      StoreRow<kVectors>(acc[r], w.rows, output, a.scale[r], w.scale[half], addend, r,
                         y + static_cast<size_t>(r) * y_stride + output);
    }
  }
}

}  // namespace

// Few rows take a whole panel at once, so that its weights are read once and straight through.
void gemm_qd8_q1_8x8__neondot(const QuantizedRows& a, const MatrixQ1& w, const float* bias, float* y, size_t y_stride) {
  WithRowCount<8>(a.rows, [&](auto rows) {
    constexpr int kRows = decltype(rows)::value;
    constexpr int kVectors = kRows <= 4 ? 4 : 2;
    Tile<kRows, kVectors>(a, w, 0, {bias, 0}, y, y_stride);
    if (w.halves == 2) Tile<kRows, kVectors>(a, w, 1, {y, y_stride}, y, y_stride);
  });
}

}  // namespace sottovoce
