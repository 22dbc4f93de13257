// Functions of one ISA file of this family. Only C headers here: ISA files include it.
#pragma once

#include <stddef.h>
#include <stdint.h>

namespace sottovoce {

struct ElementwiseKernels {
  void (*gelu)(const float* x, size_t n, float* y);
  void (*relu)(const float* x, size_t n, float* y);
  void (*tanh)(const float* x, size_t n, float* y);
  // Largest |x[i]|, NaN left out; 0 when n is 0.
  float (*max_abs)(const float* x, size_t n);
  // y = gelu(x), bit for bit as `gelu`; returns max_abs of y.
  float (*gelu_max_abs)(const float* x, size_t n, float* y);
  // q[i] = round_half_even(clip(x[i], +-clip) * inverse) limited to [-127, 127], NaN to 0; returns the sum of q.
  int32_t (*quantize)(const float* x, size_t n, float clip, float inverse, int8_t* q);
};

#define SV_ELEMENTWISE_KERNELS(isa, table) extern const ElementwiseKernels table;
#include "kernels/elementwise/kernels.inc"
#undef SV_ELEMENTWISE_KERNELS

}  // namespace sottovoce
