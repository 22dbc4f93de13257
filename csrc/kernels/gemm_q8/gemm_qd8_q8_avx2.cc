// |w| times the activation that carries w's sign. A pair is at most 2 * 128 * 127 = 32512 < 2^15, even for the weight
// -128 (whose magnitude is 128 as an unsigned byte), so the 16-bit step never saturates; sums are 32-bit from there on.
#include "kernels/gemm_q8/gemm_qd8_q8.h"
#include "kernels/gemm_tile_avx2.h"

namespace sottovoce {
namespace {

constexpr int kPrefetchBytes = 2048;

// acc += weights x group, 4 products a lane. In place: left to itself gcc 12 renames the accumulators and spills them.
SV_INLINE void AddProducts(__m256i& acc, __m256i weights, __m256i magnitude, __m256i group) {
  const __m256i pairs = _mm256_maddubs_epi16(magnitude, _mm256_sign_epi8(group, weights));
  const __m256i quads = _mm256_madd_epi16(pairs, _mm256_set1_epi16(1));
  asm("vpaddd %1, %0, %0" : "+x"(acc) : "x"(quads));
}

template <int kRows>
__attribute__((noinline)) void Tile(const QuantizedRows& a, const MatrixQ8& w, const float* bias, float* y,
                                    size_t y_stride) {
  const int blocks = (w.cols + 3) / 4;
  const int8_t* panel = w.panels;
  for (int output = 0; output < w.rows; output += 16) {
    __m256i acc[kRows][2];
#pragma GCC unroll 4
    for (int r = 0; r < kRows; ++r) acc[r][0] = acc[r][1] = _mm256_setzero_si256();
    const int8_t* x = a.data;
    for (int b = 0; b < blocks; ++b) {
      _mm_prefetch(reinterpret_cast<const char*>(panel) + kPrefetchBytes, _MM_HINT_T0);
#pragma GCC unroll 2
      for (int h = 0; h < 2; ++h) {
        const __m256i weights = LoadHalf(panel, h);
        const __m256i magnitude = _mm256_abs_epi8(weights);
#pragma GCC unroll 4
        for (int r = 0; r < kRows; ++r) {
          AddProducts(acc[r][h], weights, magnitude, BroadcastGroup(x + static_cast<size_t>(r) * a.stride));
        }
      }
      panel += 64;
      x += 4;
    }
    const PanelEpilogue epilogue(w.scale, w.rows, output);
    const Addend addend{bias, 0};
#pragma GCC unroll 4
    for (int r = 0; r < kRows; ++r) {
      epilogue.Store(acc[r], a.scale[r], addend, r, y + static_cast<size_t>(r) * y_stride + output);
    }
  }
}

}  // namespace

void gemm_qd8_q8_4x16__avx2(const QuantizedRows& a, const MatrixQ8& w, const float* bias, float* y, size_t y_stride) {
  WithRowCount<4>(a.rows, [&](auto rows) { Tile<decltype(rows)::value>(a, w, bias, y, y_stride); });
}

}  // namespace sottovoce
