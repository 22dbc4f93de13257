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

// Four neighbouring activations, read as one lane.
typedef int32_t ActivationGroup __attribute__((may_alias, aligned(1)));

// acc[o] += sum_j weights[4 o + j] * a[4 o + j], weights unsigned. Written out because gcc 12 copies every accumulator
// around the intrinsic, and then spills them.
SV_INLINE __m512i Dot(__m512i acc, __m512i weights, __m512i a) {
  asm("vpdpbusd %2, %1, %0" : "+v"(acc) : "v"(weights), "v"(a));
  return acc;
}

// The same with one group of activations, broadcast from memory by the instruction itself.
SV_INLINE __m512i DotBroadcast(__m512i acc, __m512i weights, const int8_t* a) {
  asm("vpdpbusd %2%{1to16%}, %1, %0" : "+v"(acc) : "v"(weights), "m"(*reinterpret_cast<const ActivationGroup*>(a)));
  return acc;
}

// Which of the 16 outputs of the panel at `output` exist.
SV_INLINE __mmask16 OutputMask(int outputs, int output) {
  const int left = outputs - output;
  return left >= 16 ? static_cast<__mmask16>(0xFFFF) : static_cast<__mmask16>((1u << left) - 1);
}

// Scales and biases of one panel, absent outputs zero.
struct PanelEpilogue {
  __mmask16 mask;
  __m512 scale, bias;
  bool has_bias;

  SV_INLINE PanelEpilogue(const float* w_scale, const float* w_bias, int outputs, int output)
      : mask(OutputMask(outputs, output)),
        scale(_mm512_maskz_loadu_ps(mask, w_scale + output)),
        bias(w_bias != nullptr ? _mm512_maskz_loadu_ps(mask, w_bias + output) : _mm512_setzero_ps()),
        has_bias(w_bias != nullptr) {}

  // y[o] = float(acc[o]) * (a_scale * scale[o]) + bias[o], rounded after each operation as the scalar kernel does.
  SV_INLINE void Store(__m512i acc, float a_scale, float* y) const {
    __m512 product = _mm512_mul_ps(_mm512_cvtepi32_ps(acc), _mm512_mul_ps(_mm512_set1_ps(a_scale), scale));
    if (has_bias) product = _mm512_add_ps(product, bias);
    _mm512_mask_storeu_ps(y, mask, product);
  }
};

}  // namespace
}  // namespace sottovoce
