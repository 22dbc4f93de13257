// Ternary weights as unsigned codes {0, 1, 2}: each accumulator starts at minus the sum of the activations.
#include "kernels/gemm_q2/gemm_qd8_q2.h"
#include "kernels/gemm_tile_avx512vnni.h"

namespace sottovoce {
namespace {

// Separating the four 2-bit fields costs 4 masks and 3 shifts. A field masked in place is its code times 4^field;
// summed in an accumulator of its own it needs no shift, for the sum is divided once at the end. kSplit is the number
// of accumulators a row has (1, 2 or 4), as many as registers allow: fields f and f + kSplit share one.
template <int kSplit>
SV_INLINE void Unpack(__m512i packed, __m512i codes[4]) {
  const __m512i low = _mm512_set1_epi8(0x03);
  const __m512i second = _mm512_set1_epi8(0x0C);
  codes[0] = _mm512_and_si512(packed, low);
  if (kSplit == 4) {
    codes[1] = _mm512_and_si512(packed, second);
    codes[2] = _mm512_and_si512(packed, _mm512_set1_epi8(0x30));
    codes[3] = _mm512_and_si512(packed, _mm512_set1_epi8(static_cast<char>(0xC0)));
  } else if (kSplit == 2) {
    const __m512i high = _mm512_srli_epi16(packed, 4);
    codes[1] = _mm512_and_si512(packed, second);
    codes[2] = _mm512_and_si512(high, low);
    codes[3] = _mm512_and_si512(high, second);
  } else {
    codes[1] = _mm512_and_si512(_mm512_srli_epi16(packed, 2), low);
    codes[2] = _mm512_and_si512(_mm512_srli_epi16(packed, 4), low);
    codes[3] = _mm512_and_si512(_mm512_srli_epi16(packed, 6), low);
  }
}

// kRows rows by all outputs. x: row r of block b at r * row_step + b * block_step.
// kUnroll blocks have accumulators of their own: one row alone would wait for the latency of its dot products.
template <int kRows, int kSplit, int kUnroll>
SV_INLINE void Tile(const QuantizedRows& a, const int8_t* x, size_t row_step, size_t block_step, const MatrixQ2& w,
                    const float* bias, float* y, size_t y_stride) {
  const int blocks = (w.cols + 15) / 16;
  const uint8_t* panel = w.panels;
  for (int output = 0; output < w.rows; output += 16) {
    __m512i acc[kUnroll][kSplit][kRows];
#pragma GCC unroll 16
    for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 4
      for (int s = 0; s < kSplit; ++s) {
#pragma GCC unroll 2
        for (int u = 0; u < kUnroll; ++u) acc[u][s][r] = _mm512_setzero_si512();
      }
      acc[0][0][r] = _mm512_sub_epi32(acc[0][0][r], _mm512_set1_epi32(a.sum[r]));
    }
    const int8_t* block = x;
    int left = blocks;
    for (; left >= kUnroll; left -= kUnroll) {
      _mm_prefetch(reinterpret_cast<const char*>(panel) + kPrefetchBytes, _MM_HINT_T0);
#pragma GCC unroll 2
      for (int u = 0; u < kUnroll; ++u) {
        __m512i codes[4];
        Unpack<kSplit>(_mm512_loadu_si512(panel), codes);
#pragma GCC unroll 4
        for (int f = 0; f < 4; ++f) {
#pragma GCC unroll 16
          for (int r = 0; r < kRows; ++r) {
            acc[u][f % kSplit][r] = DotBroadcast(acc[u][f % kSplit][r], codes[f], block + r * row_step + 4 * f);
          }
        }
        panel += 64;
        block += block_step;
      }
    }
    if (kUnroll > 1 && left > 0) {
      __m512i codes[4];
      Unpack<kSplit>(_mm512_loadu_si512(panel), codes);
#pragma GCC unroll 4
      for (int f = 0; f < 4; ++f) {
#pragma GCC unroll 16
        for (int r = 0; r < kRows; ++r) {
          acc[0][f % kSplit][r] = DotBroadcast(acc[0][f % kSplit][r], codes[f], block + r * row_step + 4 * f);
        }
      }
      panel += 64;
    }
    const __mmask16 mask = OutputMask(w.rows, output);
    const __m512 w_scale = _mm512_maskz_loadu_ps(mask, w.scale + output);
    const __m512 bias_vector = bias != nullptr ? _mm512_maskz_loadu_ps(mask, bias + output) : _mm512_setzero_ps();
#pragma GCC unroll 16
    for (int r = 0; r < kRows; ++r) {
      __m512i sum = _mm512_setzero_si512();
#pragma GCC unroll 4
      for (int s = 0; s < kSplit; ++s) {
        __m512i part = acc[0][s][r];
        if (kUnroll > 1) part = _mm512_add_epi32(part, acc[kUnroll - 1][s][r]);
        sum = s == 0 ? part : _mm512_add_epi32(sum, _mm512_srai_epi32(part, 2 * s));
      }
      StoreOutputs(sum, a.scale[r], w_scale, bias, bias_vector, mask, y + r * y_stride + output);
    }
  }
}

template <int kRows>
__attribute__((noinline)) void DirectTile(const QuantizedRows& a, const MatrixQ2& w, const float* bias, float* y,
                                          size_t y_stride) {
  Tile<kRows, 4, kRows == 1 ? 2 : 1>(a, a.data, a.stride, 16, w, bias, y, y_stride);
}

template <int kRows>
__attribute__((noinline)) void InterleavedTile(const QuantizedRows& a, const MatrixQ2& w, const float* bias, float* y,
                                               size_t y_stride) {
  alignas(64) int8_t x[kRows * kTileMaxCols];
  Interleave<kRows>(a, x);
  Tile<kRows, kRows <= 6 ? 4 : kRows <= 12 ? 2 : 1, 1>(a, x, 16, 16 * kRows, w, bias, y, y_stride);
}

}  // namespace

void gemm_qd8_q2_4x16__avx512vnni(const QuantizedRows& a, const MatrixQ2& w, const float* bias, float* y,
                                  size_t y_stride) {
  switch (a.rows) {
    case 1: return DirectTile<1>(a, w, bias, y, y_stride);
    case 2: return DirectTile<2>(a, w, bias, y, y_stride);
    case 3: return DirectTile<3>(a, w, bias, y, y_stride);
    default: return DirectTile<4>(a, w, bias, y, y_stride);
  }
}

void gemm_qd8_q2_16x16__avx512vnni(const QuantizedRows& a, const MatrixQ2& w, const float* bias, float* y,
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
