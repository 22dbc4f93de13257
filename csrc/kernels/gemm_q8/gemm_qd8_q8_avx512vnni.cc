// The dot product wants one unsigned operand: weights become w + 128 by flipping the sign bit, and minus 128 times the
// sum of the activations makes up for it. Sums wrap on the way; the result fits, so it is exact.
#include "kernels/gemm_q8/gemm_qd8_q8.h"
#include "kernels/gemm_tile_avx512vnni.h"

namespace sottovoce {
namespace {

constexpr size_t kPrefetchBytes = 2048;  // ahead in the weight stream

SV_INLINE __m512i LoadUnsigned(const int8_t* weights) {
  return _mm512_xor_si512(_mm512_set1_epi8(static_cast<char>(0x80)), _mm512_loadu_si512(weights));
}

template <int kRows, int kPanels>
SV_INLINE void PanelGroup(const QuantizedRows& a, const MatrixQ8& w, int output, const float* bias, float* y,
                          size_t y_stride) {
  const int blocks = (w.cols + 3) / 4;
  const size_t panel_bytes = static_cast<size_t>(blocks) * 64;
  const int8_t* panel = w.panels + static_cast<size_t>(output / 16) * panel_bytes;
  __m512i acc[kRows][kPanels];
#pragma GCC unroll 9
  for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 3
    for (int p = 0; p < kPanels; ++p) acc[r][p] = _mm512_setzero_si512();
  }
  RowCursor x(a.data, a.stride);
  for (int b = 0; b < blocks; ++b) {
    __m512i weights[kPanels];
#pragma GCC unroll 3
    for (int p = 0; p < kPanels; ++p) {
      weights[p] = LoadUnsigned(panel + p * panel_bytes);
      _mm_prefetch(reinterpret_cast<const char*>(panel + p * panel_bytes + kPrefetchBytes), _MM_HINT_T0);
    }
#pragma GCC unroll 9
    for (int r = 0; r < kRows; ++r) {
      const __m512i group = BroadcastGroup(x.row(r));
#pragma GCC unroll 3
      for (int p = 0; p < kPanels; ++p) acc[r][p] = Dot(acc[r][p], weights[p], group);
    }
    panel += 64;
    x.Advance(4);
  }
#pragma GCC unroll 3
  for (int p = 0; p < kPanels; ++p) {
    const int at = output + 16 * p;
    const PanelEpilogue epilogue(w.scale, bias, w.rows, at);
#pragma GCC unroll 9
    for (int r = 0; r < kRows; ++r) {
      const __m512i sum = _mm512_sub_epi32(acc[r][p], _mm512_slli_epi32(_mm512_set1_epi32(a.sum[r]), 7));
      epilogue.Store(sum, a.scale[r], y + r * y_stride + at);
    }
  }
}

template <int kRows>
__attribute__((noinline)) void Tile(const QuantizedRows& a, const MatrixQ8& w, const float* bias, float* y,
                                    size_t y_stride) {
  int output = 0;
  for (; output + 16 * (kTilePanels - 1) < w.rows; output += 16 * kTilePanels) {
    PanelGroup<kRows, 3>(a, w, output, bias, y, y_stride);
  }
  if (output + 16 < w.rows) {
    PanelGroup<kRows, 2>(a, w, output, bias, y, y_stride);
  } else if (output < w.rows) {
    PanelGroup<kRows, 1>(a, w, output, bias, y, y_stride);
  }
}

// One or two rows: bound by the weight stream, so read it once and straight through, with four accumulators a row
// against the latency of the dot products.
template <int kRows>
__attribute__((noinline)) void Stream(const QuantizedRows& a, const MatrixQ8& w, const float* bias, float* y,
                                      size_t y_stride) {
  const int blocks = (w.cols + 3) / 4;
  const int8_t* block = w.panels;
  for (int output = 0; output < w.rows; output += 16) {
    __m512i acc[kRows][4];
#pragma GCC unroll 2
    for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 4
      for (int f = 0; f < 4; ++f) acc[r][f] = _mm512_setzero_si512();
    }
    const int8_t* x = a.data;
    int left = blocks;
    for (; left >= 4; left -= 4) {
#pragma GCC unroll 4
      for (int f = 0; f < 4; ++f) {
        _mm_prefetch(reinterpret_cast<const char*>(block + 64 * f + kPrefetchBytes), _MM_HINT_T0);
        const __m512i weights = LoadUnsigned(block + 64 * f);
#pragma GCC unroll 2
        for (int r = 0; r < kRows; ++r) {
          acc[r][f] = Dot(acc[r][f], weights, BroadcastGroup(x + r * a.stride + 4 * f));
        }
      }
      block += 256;
      x += 16;
    }
    for (; left > 0; --left) {
      const __m512i weights = LoadUnsigned(block);
#pragma GCC unroll 2
      for (int r = 0; r < kRows; ++r) {
        acc[r][0] = Dot(acc[r][0], weights, BroadcastGroup(x + r * a.stride));
      }
      block += 64;
      x += 4;
    }
    const PanelEpilogue epilogue(w.scale, bias, w.rows, output);
#pragma GCC unroll 2
    for (int r = 0; r < kRows; ++r) {
      const __m512i sum =
          _mm512_add_epi32(_mm512_add_epi32(acc[r][0], acc[r][1]), _mm512_add_epi32(acc[r][2], acc[r][3]));
      epilogue.Store(_mm512_sub_epi32(sum, _mm512_slli_epi32(_mm512_set1_epi32(a.sum[r]), 7)), a.scale[r],
                     y + r * y_stride + output);
    }
  }
}

}  // namespace

void gemm_qd8_q8_2x16__avx512vnni(const QuantizedRows& a, const MatrixQ8& w, const float* bias, float* y,
                                  size_t y_stride) {
  if (a.rows == 1) return Stream<1>(a, w, bias, y, y_stride);
  Stream<2>(a, w, bias, y, y_stride);
}

void gemm_qd8_q8_9x48__avx512vnni(const QuantizedRows& a, const MatrixQ8& w, const float* bias, float* y,
                                  size_t y_stride) {
  switch (a.rows) {
    case 1: return Tile<1>(a, w, bias, y, y_stride);
    case 2: return Tile<2>(a, w, bias, y, y_stride);
    case 3: return Tile<3>(a, w, bias, y, y_stride);
    case 4: return Tile<4>(a, w, bias, y, y_stride);
    case 5: return Tile<5>(a, w, bias, y, y_stride);
    case 6: return Tile<6>(a, w, bias, y, y_stride);
    case 7: return Tile<7>(a, w, bias, y, y_stride);
    case 8: return Tile<8>(a, w, bias, y, y_stride);
    default: return Tile<9>(a, w, bias, y, y_stride);
  }
}

}  // namespace sottovoce
