// The dot product wants one unsigned operand: weights become w + 128 by flipping the sign bit, and minus 128 times the
// sum of the activations makes up for it. Sums wrap on the way; the result fits, so it is exact.
//
// The weights are read once and straight through, one panel at a time, with nothing prefetched in software. From memory
// that is what the hardware fetches fastest: three panels at once get two thirds of it, and so does a prefetch to the
// first-level cache. In cache it is as fast as any other tile.
#include "kernels/gemm_q8/gemm_qd8_q8.h"
#include "kernels/gemm_tile_avx512vnni.h"

namespace sottovoce {
namespace {

// One block of 4 inputs, `offset` inputs further.
template <int kRows>
SV_INLINE void AddBlock(const int8_t* block, const int8_t* const x[kRows], int offset, __m512i acc[kRows]) {
  const __m512i weights =
      _mm512_xor_si512(_mm512_set1_epi8(static_cast<char>(0x80)), _mm512_loadu_si512(block + 16 * offset));
#pragma GCC unroll 9
  for (int r = 0; r < kRows; ++r) acc[r] = DotBroadcast(acc[r], weights, x[r] + offset);
}

// kChains blocks have accumulators of their own: few rows alone would wait for the latency of the dot products.
template <int kRows, int kChains>
__attribute__((noinline)) void Stream(const QuantizedRows& a, const MatrixQ8& w, const float* bias, float* y,
                                      size_t y_stride) {
  const int blocks = (w.cols + 3) / 4;
  const int8_t* block = w.panels;
  for (int output = 0; output < w.rows; output += 16) {
    __m512i acc[kChains][kRows];
    const int8_t* x[kRows];
#pragma GCC unroll 9
    for (int r = 0; r < kRows; ++r) {
      x[r] = a.data + static_cast<size_t>(r) * a.stride;
#pragma GCC unroll 4
      for (int c = 0; c < kChains; ++c) acc[c][r] = _mm512_setzero_si512();
    }
    const auto advance = [&](int count) __attribute__((always_inline)) {
      block += 64 * count;
#pragma GCC unroll 9
      for (int r = 0; r < kRows; ++r) x[r] += 4 * count;
    };
    int left = blocks;
    for (; left >= kChains; left -= kChains) {
#pragma GCC unroll 4
      for (int c = 0; c < kChains; ++c) AddBlock<kRows>(block, x, 4 * c, acc[c]);
      advance(kChains);
    }
    for (; left > 0; --left) {
      AddBlock<kRows>(block, x, 0, acc[0]);
      advance(1);
    }
    const PanelEpilogue epilogue(w.scale, bias, w.rows, output);
#pragma GCC unroll 9
    for (int r = 0; r < kRows; ++r) {
      __m512i sum = _mm512_slli_epi32(_mm512_set1_epi32(-a.sum[r]), 7);
#pragma GCC unroll 4
      for (int c = 0; c < kChains; ++c) sum = _mm512_add_epi32(sum, acc[c][r]);
      epilogue.Store(sum, a.scale[r], y + static_cast<size_t>(r) * y_stride + output);
    }
  }
}

}  // namespace

// Nine rows: as many pointers as registers hold.
void gemm_qd8_q8_9x16__avx512vnni(const QuantizedRows& a, const MatrixQ8& w, const float* bias, float* y,
                                  size_t y_stride) {
  WithRowCount<9>(a.rows, [&](auto rows) {
    constexpr int kRows = decltype(rows)::value;
    Stream<kRows, kRows <= 2 ? 4 : 2>(a, w, bias, y, y_stride);
  });
}

}  // namespace sottovoce
