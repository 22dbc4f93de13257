// Bits {0, 1} times signed activations, summed in 16 bits and flushed to 32.
#include "kernels/gemm_q1/gemm_qd8_q1.h"
#include "kernels/gemm_tile_avx2.h"

namespace sottovoce {
namespace {

// A 16-bit lane takes 8 pairs a block, each within 2 * 127 = 254, so that 16 blocks stay within 32512.
constexpr int kFlushBlocks = 16;
constexpr int kPrefetchBytes = 1024;

template <int kRows>
__attribute__((noinline)) void Tile(const QuantizedRows& a, const MatrixQ1& w, int half, Addend addend, float* y,
                                    size_t y_stride) {
  const int blocks = (w.cols + 31) / 32;
  const __m256i low = _mm256_set1_epi8(1);
  const __m256i twos = _mm256_set1_epi16(2);  // each sum of bits counts twice
  const uint8_t* panel = w.panels[half];
  for (int output = 0; output < w.rows; output += 16) {
    __m256i sums[kRows][2];
#pragma GCC unroll 4
    for (int r = 0; r < kRows; ++r) sums[r][0] = sums[r][1] = _mm256_set1_epi32(-a.sum[r]);
    const int8_t* x = a.data;
    for (int left = blocks; left > 0; left -= kFlushBlocks) {
      __m256i acc[kRows][2];
#pragma GCC unroll 4
      for (int r = 0; r < kRows; ++r) acc[r][0] = acc[r][1] = _mm256_setzero_si256();
      for (int b = left < kFlushBlocks ? left : kFlushBlocks; b > 0; --b) {
        _mm_prefetch(reinterpret_cast<const char*>(panel) + kPrefetchBytes, _MM_HINT_T0);
        const __m256i first = LoadHalf(panel, 0);
        const __m256i second = LoadHalf(panel, 1);
#pragma GCC unroll 8
        for (int f = 0; f < 8; ++f) {
          const __m256i bits0 = _mm256_and_si256(_mm256_srli_epi16(first, f), low);
          const __m256i bits1 = _mm256_and_si256(_mm256_srli_epi16(second, f), low);
#pragma GCC unroll 4
          for (int r = 0; r < kRows; ++r) {
            const __m256i group = BroadcastGroup(x + static_cast<size_t>(r) * a.stride + 4 * f);
            AddPairs(acc[r][0], bits0, group);
            AddPairs(acc[r][1], bits1, group);
          }
        }
        panel += 64;
        x += 32;
      }
#pragma GCC unroll 4
      for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 2
        for (int h = 0; h < 2; ++h) sums[r][h] = _mm256_add_epi32(sums[r][h], _mm256_madd_epi16(acc[r][h], twos));
      }
    }
    const PanelEpilogue epilogue(w.scale[half], w.rows, output);
#pragma GCC unroll 4
    for (int r = 0; r < kRows; ++r) {
      epilogue.Store(sums[r], a.scale[r], addend, r, y + static_cast<size_t>(r) * y_stride + output);
    }
  }
}

}  // namespace

void gemm_qd8_q1_4x16__avx2(const QuantizedRows& a, const MatrixQ1& w, const float* bias, float* y, size_t y_stride) {
  WithRowCount<4>(a.rows, [&](auto rows) {
    Tile<decltype(rows)::value>(a, w, 0, {bias, 0}, y, y_stride);
    if (w.halves == 2) Tile<decltype(rows)::value>(a, w, 1, {y, y_stride}, y, y_stride);
  });
}

}  // namespace sottovoce
