// The dot product wants one unsigned operand: weights become w + 128 by flipping the sign bit, and minus 128 times the
// sum of the activations makes up for it. Sums wrap on the way; the result fits, so it is exact.
#include "kernels/gemm_q8/gemm_qd8_q8.h"
#include "kernels/gemm_tile_avx512vnni.h"

namespace sottovoce {
namespace {

SV_INLINE __m512i LoadUnsigned(const int8_t* weights) {
  return _mm512_xor_si512(_mm512_set1_epi8(static_cast<char>(0x80)), _mm512_loadu_si512(weights));
}

// One block of 4 inputs of each panel. kPrefetchBytes is the distance ahead in the weight streams, 0 for none.
template <int kRows, int kPanels, int kPrefetchBytes>
SV_INLINE void AddBlock(const int8_t* panel, size_t panel_bytes, const RowCursor& x, int offset,
                        __m512i acc[kRows][kPanels]) {
  __m512i weights[kPanels];
#pragma GCC unroll 3
  for (int p = 0; p < kPanels; ++p) {
    const int8_t* block = panel + static_cast<size_t>(p) * panel_bytes;
    weights[p] = LoadUnsigned(block);
    if (kPrefetchBytes > 0) _mm_prefetch(reinterpret_cast<const char*>(block + kPrefetchBytes), _MM_HINT_T0);
  }
#pragma GCC unroll 9
  for (int r = 0; r < kRows; ++r) {
    const __m512i group = BroadcastGroup(x.row(r) + offset);
#pragma GCC unroll 3
    for (int p = 0; p < kPanels; ++p) acc[r][p] = Dot(acc[r][p], weights[p], group);
  }
}

// Blocks go in pairs; with two kChains each of a pair has accumulators of its own, where few rows alone would wait for
// the latency of the dot products.
template <int kRows, int kPanels, int kChains, int kPrefetchBytes>
SV_INLINE void PanelGroup(const QuantizedRows& a, const MatrixQ8& w, int output, const float* bias, float* y,
                          size_t y_stride) {
  const int blocks = (w.cols + 3) / 4;
  const size_t panel_bytes = static_cast<size_t>(blocks) * 64;
  const int8_t* panel = w.panels + static_cast<size_t>(output / 16) * panel_bytes;
  __m512i acc[kChains][kRows][kPanels];
#pragma GCC unroll 2
  for (int c = 0; c < kChains; ++c) {
#pragma GCC unroll 9
    for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 3
      for (int p = 0; p < kPanels; ++p) acc[c][r][p] = _mm512_setzero_si512();
    }
  }
  RowCursor x(a.data, a.stride);
  for (int left = blocks / 2; left > 0; --left) {
    AddBlock<kRows, kPanels, kPrefetchBytes>(panel, panel_bytes, x, 0, acc[0]);
    AddBlock<kRows, kPanels, kPrefetchBytes>(panel + 64, panel_bytes, x, 4, acc[kChains - 1]);
    panel += 128;
    x.Advance(8);
  }
  if (blocks % 2 != 0) AddBlock<kRows, kPanels, 0>(panel, panel_bytes, x, 0, acc[0]);
#pragma GCC unroll 3
  for (int p = 0; p < kPanels; ++p) {
    const int at = output + 16 * p;
    const PanelEpilogue epilogue(w.scale, bias, w.rows, at);
#pragma GCC unroll 9
    for (int r = 0; r < kRows; ++r) {
      const __m512i both = kChains == 2 ? _mm512_add_epi32(acc[0][r][p], acc[kChains - 1][r][p]) : acc[0][r][p];
      const __m512i sum = _mm512_sub_epi32(both, _mm512_slli_epi32(_mm512_set1_epi32(a.sum[r]), 7));
      epilogue.Store(sum, a.scale[r], y + static_cast<size_t>(r) * y_stride + at);
    }
  }
}

template <int kRows, int kChains, int kPrefetchBytes>
__attribute__((noinline)) void Tile(const QuantizedRows& a, const MatrixQ8& w, const float* bias, float* y,
                                    size_t y_stride) {
  int output = 0;
  for (; output + 16 * (kTilePanels - 1) < w.rows; output += 16 * kTilePanels) {
    PanelGroup<kRows, 3, kChains, kPrefetchBytes>(a, w, output, bias, y, y_stride);
  }
  if (output + 16 < w.rows) {
    PanelGroup<kRows, 2, kChains, kPrefetchBytes>(a, w, output, bias, y, y_stride);
  } else if (output < w.rows) {
    PanelGroup<kRows, 1, kChains, kPrefetchBytes>(a, w, output, bias, y, y_stride);
  }
}

}  // namespace

// Few rows are bound by the weight streams: three of them let the hardware fetch from three pages at once, and a single
// row leaves it so little else to do that prefetching in software only costs.
void gemm_qd8_q8_9x48__avx512vnni(const QuantizedRows& a, const MatrixQ8& w, const float* bias, float* y,
                                  size_t y_stride) {
  WithRowCount<9>(a.rows, [&](auto rows) {
    constexpr int kRows = decltype(rows)::value;
    Tile<kRows, kRows <= 2 ? 2 : 1, kRows == 1 ? 0 : 512>(a, w, bias, y, y_stride);
  });
}

}  // namespace sottovoce
