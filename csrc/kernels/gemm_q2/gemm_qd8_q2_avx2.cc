// Ternary weights as unsigned codes {0, 1, 2} times signed activations, summed in 16 bits and flushed to 32.
#include "kernels/gemm_q2/gemm_qd8_q2.h"
#include "kernels/gemm_tile_avx2.h"

namespace sottovoce {
namespace {

// A 16-bit lane takes 4 pairs a block. Even the unused code 3 keeps a pair within 2 * 3 * 127 = 762, so that 10 blocks
// stay within 30480 and no byte of a file can make the sum wrap.
constexpr int kFlushBlocks = 10;
constexpr int kPrefetchBytes = 1024;

template <int kRows>
__attribute__((noinline)) void Tile(const QuantizedRows& a, const MatrixQ2& w, const float* bias, float* y,
                                    size_t y_stride) {
  const int blocks = (w.cols + 15) / 16;
  const __m256i low = _mm256_set1_epi8(3);
  const __m256i ones = _mm256_set1_epi16(1);
  const uint8_t* panel = w.panels;
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
#pragma GCC unroll 4
        for (int f = 0; f < 4; ++f) {
          const __m256i codes0 = _mm256_and_si256(_mm256_srli_epi16(first, 2 * f), low);
          const __m256i codes1 = _mm256_and_si256(_mm256_srli_epi16(second, 2 * f), low);
#pragma GCC unroll 4
          for (int r = 0; r < kRows; ++r) {
            const __m256i group = BroadcastGroup(x + static_cast<size_t>(r) * a.stride + 4 * f);
            AddPairs(acc[r][0], codes0, group);
            AddPairs(acc[r][1], codes1, group);
          }
        }
        panel += 64;
        x += 16;
      }
#pragma GCC unroll 4
      for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 2
        for (int h = 0; h < 2; ++h) sums[r][h] = _mm256_add_epi32(sums[r][h], _mm256_madd_epi16(acc[r][h], ones));
      }
    }
    const PanelEpilogue epilogue(w.scale, w.rows, output);
    const Addend addend{bias, 0};
#pragma GCC unroll 4
    for (int r = 0; r < kRows; ++r) {
      epilogue.Store(sums[r], a.scale[r], addend, r, y + static_cast<size_t>(r) * y_stride + output);
    }
  }
}

}  // namespace

void gemm_qd8_q2_4x16__avx2(const QuantizedRows& a, const MatrixQ2& w, const float* bias, float* y, size_t y_stride) {
  WithRowCount<4>(a.rows, [&](auto rows) { Tile<decltype(rows)::value>(a, w, bias, y, y_stride); });
}

}  // namespace sottovoce
