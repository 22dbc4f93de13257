// What the AVX2 products share. Everything is internal to the including file.
#pragma once

#include <immintrin.h>

#include "kernels/gemm_tile.h"

namespace sottovoce {
namespace {

// Four neighbouring activations, read as one lane.
typedef int32_t ActivationGroup __attribute__((may_alias, aligned(1)));

SV_INLINE __m256i BroadcastGroup(const int8_t* a) {
  return _mm256_set1_epi32(*reinterpret_cast<const ActivationGroup*>(a));
}

SV_INLINE __m256i LoadHalf(const void* panel, int half) {
  return _mm256_loadu_si256(static_cast<const __m256i*>(panel) + half);
}

// acc += the pair sums of unsigned codes x group, in 16 bits. In place: left to itself gcc 12 renames the accumulators
// and spills them.
SV_INLINE void AddPairs(__m256i& acc, __m256i codes, __m256i group) {
  const __m256i pairs = _mm256_maddubs_epi16(codes, group);
  asm("vpaddw %1, %0, %0" : "+x"(acc) : "x"(pairs));
}

// Scales of one panel's 16 outputs and which of them exist.
struct PanelEpilogue {
  int output;  // the panel's first
  __m256i mask[2];
  __m256 scale[2];
  bool whole;

  SV_INLINE PanelEpilogue(const float* w_scale, int outputs, int first) : output(first), whole(outputs - first >= 16) {
    const __m256i lane = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
#pragma GCC unroll 2
    for (int h = 0; h < 2; ++h) {
      mask[h] = _mm256_cmpgt_epi32(_mm256_set1_epi32(outputs - first - 8 * h), lane);
      scale[h] = Load(w_scale + first + 8 * h, h);
    }
  }

  // Row r: y[o] = float(sums[o]) * (a_scale * scale[o]) + addend[r][o], rounded after each operation as the scalar
  // kernel does. y is the row's first output of the panel.
  SV_INLINE void Store(const __m256i sums[2], float a_scale, const Addend& addend, int r, float* y) const {
#pragma GCC unroll 2
    for (int h = 0; h < 2; ++h) {
      __m256 product = _mm256_mul_ps(_mm256_cvtepi32_ps(sums[h]), _mm256_mul_ps(_mm256_set1_ps(a_scale), scale[h]));
      if (addend.data != nullptr) product = _mm256_add_ps(product, Load(addend.at(r, output) + 8 * h, h));
      if (whole) {
        _mm256_storeu_ps(y + 8 * h, product);
      } else {
        _mm256_maskstore_ps(y + 8 * h, mask[h], product);
      }
    }
  }

 private:
  SV_INLINE __m256 Load(const float* from, int h) const {
    return whole ? _mm256_loadu_ps(from) : _mm256_maskload_ps(from, mask[h]);
  }
};

}  // namespace
}  // namespace sottovoce
