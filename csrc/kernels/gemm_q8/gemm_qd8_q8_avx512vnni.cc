// The dot product wants one unsigned operand: weights become w + 128 by flipping the sign bit, and each accumulator
// starts at -128 times the sum of the activations.
#include "kernels/gemm_q8/gemm_qd8_q8.h"
#include "kernels/gemm_tile_avx512vnni.h"

namespace sottovoce {
namespace {

// kRows rows by all outputs. x: row r of 16-column group g at r * row_step + g * group_step.
// kSplit accumulators a row hide the latency of the dot product when there are few rows.
template <int kRows, int kSplit>
SV_INLINE void Tile(const QuantizedRows& a, const int8_t* x, size_t row_step, size_t group_step, const MatrixQ8& w,
                    const float* bias, float* y, size_t y_stride) {
  const int blocks = (w.cols + 3) / 4;
  const __m512i sign = _mm512_set1_epi8(static_cast<char>(0x80));
  const int8_t* panel = w.panels;
  for (int output = 0; output < w.rows; output += 16) {
    __m512i acc[kSplit][kRows];
#pragma GCC unroll 16
    for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 4
      for (int s = 1; s < kSplit; ++s) acc[s][r] = _mm512_setzero_si512();
      acc[0][r] = _mm512_slli_epi32(_mm512_sub_epi32(_mm512_setzero_si512(), _mm512_set1_epi32(a.sum[r])), 7);
    }
    const int8_t* group = x;
    int left = blocks;
    for (; left >= 4; left -= 4) {
#pragma GCC unroll 4
      for (int f = 0; f < 4; ++f) {
        _mm_prefetch(reinterpret_cast<const char*>(panel) + 64 * f + 2 * kPrefetchBytes, _MM_HINT_T0);
        const __m512i weights = _mm512_xor_si512(sign, _mm512_loadu_si512(panel + 64 * f));
#pragma GCC unroll 16
        for (int r = 0; r < kRows; ++r) {
          acc[f % kSplit][r] = DotBroadcast(acc[f % kSplit][r], weights, group + r * row_step + 4 * f);
        }
      }
      panel += 256;
      group += group_step;
    }
    for (; left > 0; --left) {
      const __m512i weights = _mm512_xor_si512(sign, _mm512_loadu_si512(panel));
#pragma GCC unroll 16
      for (int r = 0; r < kRows; ++r) acc[0][r] = DotBroadcast(acc[0][r], weights, group + r * row_step);
      panel += 64;
      group += 4;
    }
    const __mmask16 mask = OutputMask(w.rows, output);
    const __m512 w_scale = _mm512_maskz_loadu_ps(mask, w.scale + output);
    const __m512 bias_vector = bias != nullptr ? _mm512_maskz_loadu_ps(mask, bias + output) : _mm512_setzero_ps();
#pragma GCC unroll 16
    for (int r = 0; r < kRows; ++r) {
      __m512i sum = acc[0][r];
#pragma GCC unroll 4
      for (int s = 1; s < kSplit; ++s) sum = _mm512_add_epi32(sum, acc[s][r]);
      StoreOutputs(sum, a.scale[r], w_scale, bias, bias_vector, mask, y + r * y_stride + output);
    }
  }
}

template <int kRows>
__attribute__((noinline)) void DirectTile(const QuantizedRows& a, const MatrixQ8& w, const float* bias, float* y,
                                          size_t y_stride) {
  Tile<kRows, 4>(a, a.data, a.stride, 16, w, bias, y, y_stride);
}

template <int kRows>
__attribute__((noinline)) void InterleavedTile(const QuantizedRows& a, const MatrixQ8& w, const float* bias, float* y,
                                               size_t y_stride) {
  alignas(64) int8_t x[kRows * kTileMaxCols];
  Interleave<kRows>(a, x);
  Tile<kRows, kRows <= 6 ? 4 : kRows <= 12 ? 2 : 1>(a, x, 16, 16 * kRows, w, bias, y, y_stride);
}

}  // namespace

void gemm_qd8_q8_4x16__avx512vnni(const QuantizedRows& a, const MatrixQ8& w, const float* bias, float* y,
                                  size_t y_stride) {
  switch (a.rows) {
    case 1: return DirectTile<1>(a, w, bias, y, y_stride);
    case 2: return DirectTile<2>(a, w, bias, y, y_stride);
    case 3: return DirectTile<3>(a, w, bias, y, y_stride);
    default: return DirectTile<4>(a, w, bias, y, y_stride);
  }
}

void gemm_qd8_q8_16x16__avx512vnni(const QuantizedRows& a, const MatrixQ8& w, const float* bias, float* y,
                                   size_t y_stride) {
  switch (a.rows) {
    case 1: return InterleavedTile<1>(a, w, bias, y, y_stride);
    case 2: return InterleavedTile<2>(a, w, bias, y, y_stride);
    case 3: return InterleavedTile<3>(a, w, bias, y, y_stride);
    case 4: return InterleavedTile<4>(a, w, bias, y, y_stride);
    case 5: return InterleavedTile<5>(a, w, bias, y, y_stride);
    case 6: return InterleavedTile<6>(a, w, bias, y, y_stride);
    case 7: return InterleavedTile<7>(a, w, bias, y, y_stride);
    case 8: return InterleavedTile<8>(a, w, bias, y, y_stride);
    case 9: return InterleavedTile<9>(a, w, bias, y, y_stride);
    case 10: return InterleavedTile<10>(a, w, bias, y, y_stride);
    case 11: return InterleavedTile<11>(a, w, bias, y, y_stride);
    case 12: return InterleavedTile<12>(a, w, bias, y, y_stride);
    case 13: return InterleavedTile<13>(a, w, bias, y, y_stride);
    case 14: return InterleavedTile<14>(a, w, bias, y, y_stride);
    case 15: return InterleavedTile<15>(a, w, bias, y, y_stride);
    default: return InterleavedTile<16>(a, w, bias, y, y_stride);
  }
}

}  // namespace sottovoce
