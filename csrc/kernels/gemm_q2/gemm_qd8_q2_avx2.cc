// Ternary weights as unsigned codes {0, 1, 2} times signed activations, summed in 16 bits and flushed to 32.
#include <immintrin.h>

#include "kernels/gemm_q2/gemm_qd8_q2.h"
#include "kernels/gemm_tile.h"

namespace sottovoce {
namespace {

// A 16-bit lane takes 4 pairs a block. Even the unused code 3 keeps a pair within 2 * 3 * 127 = 762, so that 10 blocks
// stay within 30480 and no byte of a file can make the sum wrap.
constexpr int kFlushBlocks = 10;
constexpr int kPrefetchBytes = 1024;

typedef int32_t ActivationGroup __attribute__((may_alias, aligned(1)));

// acc += the pair sums of codes x group. In place: left to itself gcc 12 renames the accumulators and spills them.
SV_INLINE void AddPairs(__m256i& acc, __m256i codes, __m256i group) {
  const __m256i pairs = _mm256_maddubs_epi16(codes, group);
  asm("vpaddw %1, %0, %0" : "+x"(acc) : "x"(pairs));
}

template <int kRows>
__attribute__((noinline)) void Tile(const QuantizedRows& a, const MatrixQ2& w, const float* bias, float* y,
                                    size_t y_stride) {
  const int blocks = (w.cols + 15) / 16;
  const __m256i low = _mm256_set1_epi8(3);
  const __m256i ones = _mm256_set1_epi16(1);
  const uint8_t* panel = w.panels;
  for (int output = 0; output < w.rows; output += 16) {
    alignas(32) int32_t sums[kRows][16];
    for (int r = 0; r < kRows; ++r) {
      for (int o = 0; o < 16; ++o) sums[r][o] = -a.sum[r];
    }
    const int8_t* x = a.data;
    for (int left = blocks; left > 0; left -= kFlushBlocks) {
      __m256i acc[kRows][2];
#pragma GCC unroll 4
      for (int r = 0; r < kRows; ++r) acc[r][0] = acc[r][1] = _mm256_setzero_si256();
      for (int b = left < kFlushBlocks ? left : kFlushBlocks; b > 0; --b) {
        _mm_prefetch(reinterpret_cast<const char*>(panel) + kPrefetchBytes, _MM_HINT_T0);
        const __m256i first = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(panel));
        const __m256i second = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(panel + 32));
#pragma GCC unroll 4
        for (int f = 0; f < 4; ++f) {
          const __m256i codes0 = _mm256_and_si256(_mm256_srli_epi16(first, 2 * f), low);
          const __m256i codes1 = _mm256_and_si256(_mm256_srli_epi16(second, 2 * f), low);
#pragma GCC unroll 4
          for (int r = 0; r < kRows; ++r) {
            const __m256i group =
                _mm256_set1_epi32(*reinterpret_cast<const ActivationGroup*>(x + r * a.stride + 4 * f));
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
        for (int h = 0; h < 2; ++h) {
          __m256i* sum = reinterpret_cast<__m256i*>(sums[r] + 8 * h);
          _mm256_store_si256(sum, _mm256_add_epi32(_mm256_load_si256(sum), _mm256_madd_epi16(acc[r][h], ones)));
        }
      }
    }
    const int count = w.rows - output < 16 ? w.rows - output : 16;
    for (int r = 0; r < kRows; ++r) {
      StoreRow<16>(sums[r], count, a.scale[r], w.scale + output, bias != nullptr ? bias + output : nullptr,
                   y + r * y_stride + output);
    }
  }
}

}  // namespace

void gemm_qd8_q2_4x16__avx2(const QuantizedRows& a, const MatrixQ2& w, const float* bias, float* y, size_t y_stride) {
  switch (a.rows) {
    case 1: return Tile<1>(a, w, bias, y, y_stride);
    case 2: return Tile<2>(a, w, bias, y, y_stride);
    case 3: return Tile<3>(a, w, bias, y, y_stride);
    default: return Tile<4>(a, w, bias, y, y_stride);
  }
}

}  // namespace sottovoce
