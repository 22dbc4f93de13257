// Binary weights as unsigned bits: minus the sum of the activations, and every sum of bits twice.
//
// A bit masked in place is itself times 2^field: with an accumulator of its own it needs no shift, for the sum is
// divided later, exactly. Eight fields share 4, 2 or 1 accumulators, as many as the rows of a tile leave registers for.
#include "kernels/gemm_q1/gemm_qd8_q1.h"
#include "kernels/gemm_tile_avx512vnni.h"

namespace sottovoce {
namespace {

constexpr size_t kPrefetchBytes = 1024;  // ahead in the weight stream: about what memory latency covers at full speed
constexpr int kMaxCols = 4096;           // 64 KiB of stack

// Field f belongs to accumulator f % kSplit, times 2^(f % kSplit).
template <int kSplit>
SV_INLINE __m512i Bits(__m512i packed, int f) {
  const int kept = f % kSplit;
  const __m512i shifted = f < kSplit ? packed : _mm512_srli_epi16(packed, f - kept);
  return _mm512_and_si512(shifted, _mm512_set1_epi8(static_cast<char>(1 << kept)));
}

// The sums of one panel: x is (blocks, kRows, 32), so that a tile reads its activations at constant offsets of one
// pointer; with kStride they are rows `stride` apart instead.
template <int kRows, int kSplit, bool kStrided>
SV_INLINE const uint8_t* AddPanel(const uint8_t* panel, int blocks, const int8_t* x, size_t stride,
                                  __m512i acc[kSplit][kRows]) {
  const int8_t* row[kRows];
#pragma GCC unroll 16
  for (int r = 0; r < kRows; ++r) row[r] = kStrided ? x + static_cast<size_t>(r) * stride : x + 32 * r;
  for (int b = 0; b < blocks; ++b) {
    _mm_prefetch(reinterpret_cast<const char*>(panel + kPrefetchBytes), _MM_HINT_T0);
    const __m512i packed = _mm512_loadu_si512(panel);
#pragma GCC unroll 8
    for (int f = 0; f < 8; ++f) {
      const __m512i bits = Bits<kSplit>(packed, f);
#pragma GCC unroll 16
      for (int r = 0; r < kRows; ++r) {
        acc[f % kSplit][r] = DotBroadcast(acc[f % kSplit][r], bits, (kStrided ? row[r] : x + 32 * r) + 4 * f);
      }
    }
    panel += 64;
    if (kStrided) {
#pragma GCC unroll 4
      for (int r = 0; r < kRows; ++r) row[r] += 32;
    } else {
      x += 32 * kRows;
    }
  }
  return panel;
}

// One half of the weights: y = product + addend, whose rows are addend_stride apart (0: one bias for all; null: none).
template <int kRows, int kSplit, bool kStrided>
__attribute__((noinline)) void Half(const QuantizedRows& a, const int8_t* x, const MatrixQ1& w, int half,
                                    const float* addend, size_t addend_stride, float* y, size_t y_stride) {
  const int blocks = (w.cols + 31) / 32;
  const uint8_t* panel = w.panels[half];
  for (int output = 0; output < w.rows; output += 16) {
    __m512i acc[kSplit][kRows];
#pragma GCC unroll 16
    for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 4
      for (int s = 0; s < kSplit; ++s) acc[s][r] = _mm512_setzero_si512();
    }
    panel = AddPanel<kRows, kSplit, kStrided>(panel, blocks, x, a.stride, acc);
    const __mmask16 mask = OutputMask(w.rows, output);
    const __m512 scale = _mm512_maskz_loadu_ps(mask, w.scale[half] + output);
#pragma GCC unroll 16
    for (int r = 0; r < kRows; ++r) {
      __m512i sum = _mm512_slli_epi32(acc[0][r], 1);
#pragma GCC unroll 4
      for (int s = 1; s < kSplit; ++s) {
        sum = _mm512_add_epi32(sum, s == 1 ? acc[s][r] : _mm512_srai_epi32(acc[s][r], s - 1));
      }
      sum = _mm512_sub_epi32(sum, _mm512_set1_epi32(a.sum[r]));
      __m512 product = _mm512_mul_ps(_mm512_cvtepi32_ps(sum), _mm512_mul_ps(_mm512_set1_ps(a.scale[r]), scale));
      const size_t row = static_cast<size_t>(r);
      if (addend != nullptr) {
        product = _mm512_add_ps(product, _mm512_maskz_loadu_ps(mask, addend + row * addend_stride + output));
      }
      _mm512_mask_storeu_ps(y + row * y_stride + output, mask, product);
    }
  }
}

template <int kRows, int kSplit, bool kStrided>
SV_INLINE void Halves(const QuantizedRows& a, const int8_t* x, const MatrixQ1& w, const float* bias, float* y,
                      size_t y_stride) {
  Half<kRows, kSplit, kStrided>(a, x, w, 0, bias, 0, y, y_stride);
  if (w.halves == 2) Half<kRows, kSplit, kStrided>(a, x, w, 1, y, y_stride, y, y_stride);
}

template <int kRows>
void Few(const QuantizedRows& a, const MatrixQ1& w, const float* bias, float* y, size_t y_stride) {
  Halves<kRows, 4, true>(a, a.data, w, bias, y, y_stride);
}

template <int kRows>
__attribute__((noinline)) void Tall(const QuantizedRows& a, const MatrixQ1& w, const float* bias, float* y,
                                    size_t y_stride) {
  constexpr int kSplit = kRows <= 6 ? 4 : kRows <= 12 ? 2 : 1;
  alignas(64) int8_t interleaved[kRows * kMaxCols];
  const int blocks = (a.cols + 31) / 32;
  for (int r = 0; r < kRows; ++r) {
    const int8_t* from = a.data + static_cast<size_t>(r) * a.stride;
    int8_t* to = interleaved + 32 * r;
    for (int b = 0; b < blocks; ++b, from += 32, to += 32 * kRows) {
      _mm256_store_si256(reinterpret_cast<__m256i*>(to), _mm256_loadu_si256(reinterpret_cast<const __m256i*>(from)));
    }
  }
  Halves<kRows, kSplit, false>(a, interleaved, w, bias, y, y_stride);
}

}  // namespace

void gemm_qd8_q1_4x16__avx512vnni(const QuantizedRows& a, const MatrixQ1& w, const float* bias, float* y,
                                  size_t y_stride) {
  WithRowCount<4>(a.rows, [&](auto rows) { Few<decltype(rows)::value>(a, w, bias, y, y_stride); });
}

void gemm_qd8_q1_16x16__avx512vnni(const QuantizedRows& a, const MatrixQ1& w, const float* bias, float* y,
                                   size_t y_stride) {
  WithRowCount<16>(a.rows, [&](auto rows) { Tall<decltype(rows)::value>(a, w, bias, y, y_stride); });
}

}  // namespace sottovoce
