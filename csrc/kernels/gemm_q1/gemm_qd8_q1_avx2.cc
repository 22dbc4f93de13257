// Bits {0, 1} times signed activations, summed in 16 bits and flushed to 32.
#include <immintrin.h>

#include "kernels/gemm_q1/gemm_qd8_q1.h"
#include "kernels/gemm_tile.h"

namespace sottovoce {
namespace {

// A 16-bit lane takes 8 pairs a block, each within 2 * 127 = 254, so that 16 blocks stay within 32512.
constexpr int kFlushBlocks = 16;
constexpr int kPrefetchBytes = 1024;

typedef int32_t ActivationGroup __attribute__((may_alias, aligned(1)));

// acc += the pair sums of bits x group. In place: left to itself gcc 12 renames the accumulators and spills them.
SV_INLINE void AddPairs(__m256i& acc, __m256i bits, __m256i group) {
  const __m256i pairs = _mm256_maddubs_epi16(bits, group);
  asm("vpaddw %1, %0, %0" : "+x"(acc) : "x"(pairs));
}

template <int kRows>
__attribute__((noinline)) void Tile(const QuantizedRows& a, const MatrixQ1& w, int half, const float* addend,
                                    size_t addend_stride, float* y, size_t y_stride) {
  const int blocks = (w.cols + 31) / 32;
  const __m256i low = _mm256_set1_epi8(1);
  const __m256i twos = _mm256_set1_epi16(2);
  const uint8_t* panel = w.panels[half];
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
#pragma GCC unroll 8
        for (int f = 0; f < 8; ++f) {
          const __m256i bits0 = _mm256_and_si256(_mm256_srli_epi16(first, f), low);
          const __m256i bits1 = _mm256_and_si256(_mm256_srli_epi16(second, f), low);
#pragma GCC unroll 4
          for (int r = 0; r < kRows; ++r) {
            const __m256i group = _mm256_set1_epi32(
                *reinterpret_cast<const ActivationGroup*>(x + static_cast<size_t>(r) * a.stride + 4 * f));
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
        for (int h = 0; h < 2; ++h) {
          __m256i* sum = reinterpret_cast<__m256i*>(sums[r] + 8 * h);
          // Each sum of bits counts twice.
          _mm256_store_si256(sum, _mm256_add_epi32(_mm256_load_si256(sum), _mm256_madd_epi16(acc[r][h], twos)));
        }
      }
    }
    const int count = w.rows - output < 16 ? w.rows - output : 16;
    for (int r = 0; r < kRows; ++r) {
      const size_t row = static_cast<size_t>(r);
      StoreRow<16>(sums[r], count, a.scale[r], w.scale[half] + output,
                   addend != nullptr ? addend + row * addend_stride + output : nullptr, y + row * y_stride + output);
    }
  }
}

template <int kRows>
void Product(const QuantizedRows& a, const MatrixQ1& w, const float* bias, float* y, size_t y_stride) {
  Tile<kRows>(a, w, 0, bias, 0, y, y_stride);
  if (w.halves == 2) Tile<kRows>(a, w, 1, y, y_stride, y, y_stride);
}

}  // namespace

void gemm_qd8_q1_4x16__avx2(const QuantizedRows& a, const MatrixQ1& w, const float* bias, float* y, size_t y_stride) {
  switch (a.rows) {
    case 1: return Product<1>(a, w, bias, y, y_stride);
    case 2: return Product<2>(a, w, bias, y, y_stride);
    case 3: return Product<3>(a, w, bias, y, y_stride);
    default: return Product<4>(a, w, bias, y, y_stride);
  }
}

}  // namespace sottovoce
