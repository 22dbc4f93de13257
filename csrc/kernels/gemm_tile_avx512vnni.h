// What the AVX-512 VNNI products share. Everything is internal to the including file.
#pragma once

#include <immintrin.h>

#include "kernels/gemm_tile.h"

#if defined(__GNUC__) && !defined(__clang__)
// gcc 12's own headers read a deliberately undefined register (GCC bug 105593).
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#pragma GCC diagnostic ignored "-Wuninitialized"
#endif

namespace sottovoce {
namespace {

constexpr int kTileMaxRows = 16;
constexpr int kTileMaxCols = 4096;
constexpr int kPrefetchBytes = 1024;  // ahead in the weight stream: about what memory latency covers at full speed

// Four neighbouring activations, read as one lane.
typedef int32_t ActivationGroup __attribute__((may_alias, aligned(1)));

// acc[o] += sum_j weights[4 o + j] * a[j]. gcc 12 does not fold the broadcast into the instruction by itself, and
// without folding the front end, not the multipliers, is the limit.
SV_INLINE __m512i DotBroadcast(__m512i acc, __m512i weights, const int8_t* a) {
  asm("vpdpbusd %2%{1to16%}, %1, %0" : "+v"(acc) : "v"(weights), "m"(*reinterpret_cast<const ActivationGroup*>(a)));
  return acc;
}

// (rows, cols) -> (blocks of 16 columns, kRows, 16), so that a tile reads its activations at constant offsets of one
// pointer.
template <int kRows>
SV_INLINE void Interleave(const QuantizedRows& a, int8_t* out) {
  const int blocks = (a.cols + 15) / 16;
  for (int r = 0; r < kRows; ++r) {
    const int8_t* row = a.data + static_cast<size_t>(r) * a.stride;
    int8_t* to = out + 16 * r;
    for (int b = 0; b < blocks; ++b) {
      _mm_store_si128(reinterpret_cast<__m128i*>(to), _mm_loadu_si128(reinterpret_cast<const __m128i*>(row + 16 * b)));
      to += 16 * kRows;
    }
  }
}

// Which of the 16 outputs of the panel at `output` exist.
SV_INLINE __mmask16 OutputMask(int outputs, int output) {
  const int left = outputs - output;
  return left >= 16 ? static_cast<__mmask16>(0xFFFF) : static_cast<__mmask16>((1u << left) - 1);
}

// float(acc) * (a_scale * w_scale) + bias, rounded after each operation as the scalar kernel does.
SV_INLINE void StoreOutputs(__m512i acc, float a_scale, __m512 w_scale, const float* bias, __m512 bias_vector,
                            __mmask16 mask, float* y) {
  const __m512 scale = _mm512_mul_ps(_mm512_set1_ps(a_scale), w_scale);
  __m512 product = _mm512_mul_ps(_mm512_cvtepi32_ps(acc), scale);
  if (bias != nullptr) product = _mm512_add_ps(product, bias_vector);
  _mm512_mask_storeu_ps(y, mask, product);
}

}  // namespace
}  // namespace sottovoce
