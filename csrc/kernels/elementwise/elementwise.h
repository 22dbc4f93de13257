// Functions of one ISA file of this family. Only C headers here: ISA files include it.
#pragma once

#include <stddef.h>
#include <stdint.h>

namespace sottovoce {

// How quantize_from counts.
struct CodeRange {
  float low, high, base, inverse, bottom, levels, below;
};

struct ElementwiseKernels {
  void (*gelu)(const float* x, size_t n, float* y);
  void (*relu)(const float* x, size_t n, float* y);
  void (*tanh)(const float* x, size_t n, float* y);
  // Largest |x[i]|; NaN when there is a NaN; 0 when n is 0.
  float (*max_abs)(const float* x, size_t n);
  // y = gelu(x), bit for bit as `gelu`; returns max_abs of y.
  float (*gelu_max_abs)(const float* x, size_t n, float* y);
  // q[i] = round_half_even(x[i] * inverse), for x without NaN and products within 127.5; returns the sum of q. q has
  // room for n bytes. `quantize_clipped` limits x to [-clip, clip] first, `quantize` leaves clip unread.
  int32_t (*quantize)(const float* x, size_t n, float clip, float inverse, int8_t* q);
  int32_t (*quantize_clipped)(const float* x, size_t n, float clip, float inverse, int8_t* q);
  // The smallest and the largest of n finite values; +infinity and -infinity when n is 0.
  void (*range)(const float* x, size_t n, float* least, float* most);
  // q[i] = round_half_even(clamp((clamp(x[i], low, high) - base) * inverse, bottom, levels)) - below for finite x;
  // returns the sum of q. bottom and levels are whole numbers.
  int32_t (*quantize_from)(const float* x, size_t n, const struct CodeRange* range, int8_t* q);
};

#define SV_ELEMENTWISE_KERNELS(isa, table) extern const ElementwiseKernels table;
#include "kernels/elementwise/kernels.inc"
#undef SV_ELEMENTWISE_KERNELS

}  // namespace sottovoce
