// ARMv8.2 dot product: one vector of activations serves four blocks, a lane each.
#include "kernels/gemm_q8/gemm_qd8_q8.h"
#include "kernels/gemm_tile_neon.h"

namespace sottovoce {
namespace {

// Block kGroup of a group of four.
template <int kGroup, int kRows, int kVectors>
SV_INLINE void DotBlock(const int8_t* block, const int8x16_t* x, int32x4_t acc[][kVectors]) {
#pragma GCC unroll 4
  for (int v = 0; v < kVectors; ++v) {
    const int8x16_t weights = vld1q_s8(block + 64 * kGroup + 16 * v);
#pragma GCC unroll 8
    for (int r = 0; r < kRows; ++r) acc[r][v] = vdotq_laneq_s32(acc[r][v], weights, x[r], kGroup);
  }
}

template <int kRows, int kVectors>
__attribute__((noinline)) void Tile(const QuantizedRows& a, const MatrixQ8& w, const float* bias, float* y,
                                    size_t y_stride) {
  const size_t blocks = (static_cast<size_t>(w.cols) + 3) / 4;
  for (int output = 0; output < w.rows; output += 4 * kVectors) {
    const int8_t* block = PanelAt(w.panels, output, blocks);
    int32x4_t acc[kRows][kVectors];
#pragma GCC unroll 8
    for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 4
      for (int v = 0; v < kVectors; ++v) acc[r][v] = vdupq_n_s32(0);
    }
    const int8_t* from = a.data;
    int left = static_cast<int>(blocks);
    for (; left > 0; left -= 4) {
      int8x16_t x[kRows];
#pragma GCC unroll 8
      for (int r = 0; r < kRows; ++r) x[r] = vld1q_s8(from + static_cast<size_t>(r) * a.stride);
      DotBlock<0, kRows, kVectors>(block, x, acc);
      if (left > 1) DotBlock<1, kRows, kVectors>(block, x, acc);
      if (left > 2) DotBlock<2, kRows, kVectors>(block, x, acc);
      if (left > 3) DotBlock<3, kRows, kVectors>(block, x, acc);
      block += 256;
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
void gemm_qd8_q8_8x8__neondot(const QuantizedRows& a, const MatrixQ8& w, const float* bias, float* y, size_t y_stride) {
  WithRowCount<8>(a.rows, [&](auto rows) {
    constexpr int kRows = decltype(rows)::value;
    constexpr int kVectors = kRows <= 4 ? 4 : 2;
    Tile<kRows, kVectors>(a, w, bias, y, y_stride);
  });
}

}  // namespace sottovoce
