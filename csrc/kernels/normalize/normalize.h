// Functions of one ISA file of this family. Only C headers here: ISA files include it.
#pragma once

#include <stddef.h>

namespace sottovoce {

struct NormalizeKernels {
  // One row; returns max |y[c]|, NaN when there is one. residual may be null.
  float (*layer_norm)(const float* x, const float* residual, const float* weight, const float* bias, float epsilon,
                      int cols, float* y);
  void (*softmax)(float* x, int cols);  // one row in place
};

#define SV_NORMALIZE_KERNELS(isa, table) extern const NormalizeKernels table;
#include "kernels/normalize/kernels.inc"
#undef SV_NORMALIZE_KERNELS

}  // namespace sottovoce
