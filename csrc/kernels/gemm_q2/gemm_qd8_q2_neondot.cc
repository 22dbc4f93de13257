// ARMv8.2 dot product: one vector of activations is a whole block, and its lane f belongs to bit field f.
#include "kernels/gemm_q2/gemm_qd8_q2.h"
#include "kernels/gemm_tile_neon.h"

namespace sottovoce {
namespace {

template <int kField, int kRows, int kVectors>
SV_INLINE void DotField(const uint8x16_t packed[kVectors], const int8x16_t* x, int32x4_t acc[][kVectors]) {
#pragma GCC unroll 4
  for (int v = 0; v < kVectors; ++v) {
    uint8x16_t field = packed[v];
    if constexpr (kField > 0) field = vshrq_n_u8(field, 2 * kField);
    const int8x16_t codes = vreinterpretq_s8_u8(vandq_u8(field, vdupq_n_u8(3)));
#pragma GCC unroll 8
    for (int r = 0; r < kRows; ++r) acc[r][v] = vdotq_laneq_s32(acc[r][v], codes, x[r], kField);
  }
}

template <int kRows, int kVectors>
__attribute__((noinline)) void Tile(const QuantizedRows& a, const MatrixQ2& w, const float* bias, float* y,
                                    size_t y_stride) {
  const size_t blocks = (static_cast<size_t>(w.cols) + 15) / 16;
  for (int output = 0; output < w.rows; output += 4 * kVectors) {
    const uint8_t* block = PanelAt(w.panels, output, blocks);
    int32x4_t acc[kRows][kVectors];
#pragma GCC unroll 8
    for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 4
      for (int v = 0; v < kVectors; ++v) acc[r][v] = vdupq_n_s32(-a.sum[r]);
    }
    const int8_t* from = a.data;
    for (size_t b = 0; b < blocks; ++b) {
      uint8x16_t packed[kVectors];
#pragma GCC unroll 4
      for (int v = 0; v < kVectors; ++v) packed[v] = vld1q_u8(block + 16 * v);
      int8x16_t x[kRows];
#pragma GCC unroll 8
      for (int r = 0; r < kRows; ++r) {
        x[r] = vld1q_s8(from + static_cast<size_t>(r) * a.stride);
      }
      DotField<0, kRows, kVectors>(packed, x, acc);
      DotField<1, kRows, kVectors>(packed, x, acc);
      DotField<2, kRows, kVectors>(packed, x, acc);
      DotField<3, kRows, kVectors>(packed, x, acc);
      block += 64;
      from += 16;
    }
#pragma GCC unroll 8
    for (int r = 0; r < kRows; ++r) {
      StoreRow<kVectors>(acc[r], w.rows, output, a.scale[r], w.scale, Addend{bias, 0}, r,
                         y + static_cast<size_t>(r) * y_stride + output);
    }
  }
}

}  // namespace

// Few rows take a whole panel at once, so that its weights are read once and straight through.
void gemm_qd8_q2_8x8__neondot(const QuantizedRows& a, const MatrixQ2& w, const float* bias, float* y, size_t y_stride) {
  WithRowCount<8>(a.rows, [&](auto rows) {
    constexpr int kRows = decltype(rows)::value;
    constexpr int kVectors = kRows <= 4 ? 4 : 2;
    Tile<kRows, kVectors>(a, w, bias, y, y_stride);
  });
}

}  // namespace sottovoce
